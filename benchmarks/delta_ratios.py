"""``python -m benchmarks.delta_ratios BASE TUNED``: how small a fine-tune is beside its base, and how fast on one core.

Both are safetensors files; with ``--cast BF16`` their fp32 tensors are rounded first. Whole files are held in memory.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, count, repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from git_theta.manifest.model import DENSE
from git_theta.operations.workers import keep_freed_memory
from git_theta.parameters.preferences import AUTOMATIC
from git_theta.serializers.base import SERIALIZERS, Payload
from git_theta.tensors.alignment import aligned_step, recut_blocks
from git_theta.tensors.arrays import BLOCK, Array, Arrays, Buffer
from git_theta.tensors.casts import cast_codes
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.updates.base import UPDATES, Coder, Update

SIMPLE_WAYS = ("dense planes", "xor planes", "zigzag planes")
Tensors = Mapping[str, MemoryValues]


class CodingRun(NamedTuple):
    """Bytes stored, and CPU seconds."""

    size: int
    encoding: float
    decoding: float


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser("python -m benchmarks.delta_ratios", description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("tuned", type=Path)
    parser.add_argument("--cast", default="", choices=["", "BF16", "F16"], help="round fp32 tensors first")
    parser.add_argument("--rounds", type=int, default=3, help="timings, of which the shortest counts (3)")
    options = parser.parse_args()
    keep_freed_memory()  # as `git add` does
    old, new = (read_tensors(file, options.cast) for file in (options.base, options.tuned))
    raw = sum(values.size for values in new.values())
    for way in SIMPLE_WAYS:
        print(f"{way:14} {raw / store_simply(new, old, way).size:6.2f}")
    runs = [store_updates(new, old) for _ in range(options.rounds)]
    encoding, decoding = (min(run[at] for run in runs) for at in (1, 2))
    speeds = f"encode {raw / encoding / 1e9:.3f}, decode {raw / decoding / 1e9:.3f} GB/s"
    print(f"{'delta':14} {raw / runs[0].size:6.2f}   {speeds}")


def read_tensors(file: Path, cast: str = "") -> dict[str, MemoryValues]:
    """The tensors of a safetensors file by name; those of fp32 are rounded to the dtype ``cast``, if there is one."""
    whole = file.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    found = {}
    for name, entry in json.loads(whole[8:start]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            data, dtype = whole[start + first : start + last], entry["dtype"]
            if cast and dtype == "F32":
                data, dtype = cast_codes(np.frombuffer(data, "<u4"), dtype, cast).tobytes(), cast
            found[name] = MemoryValues(Spec(BY_NAME[dtype], tuple(entry["shape"])), data)
    return found


def store_simply(new: Tensors, old: Tensors, way: str) -> CodingRun:
    """As planes of numbers, of numbers xor those of the base, or of differences with their sign last."""
    return _add_runs(_store_tensor(values, old.get(name), way) for name, values in new.items())


def _store_tensor(new: MemoryValues, old: MemoryValues | None, way: str) -> CodingRun:
    """What is decoded are planes alone: to undo the rest takes next to no time."""
    width, planes = new.spec.dtype.width, SERIALIZERS.load_plugin("planes")
    start = time.process_time()
    data = combine_numbers(new, old, way).tobytes()
    blocks = [(Array(width, data[at : at + BLOCK]),) for at in range(0, len(data), BLOCK)]
    payload = b"".join(planes.encode(blocks, map))
    middle = time.process_time()
    restored = [array.data for (array,) in planes.decode(Payload(io.BytesIO(payload), len(payload)), map)]
    end = time.process_time()
    assert b"".join(restored) == data
    return CodingRun(len(payload), middle - start, end - middle)


def combine_numbers(new: MemoryValues, old: MemoryValues | None, way: str) -> NDArray[Any]:
    """What a simple way has planes of; the numbers themselves where there is no base of the same spec."""
    width = new.spec.dtype.width
    numbers = np.frombuffer(b"".join(new.blocks()), f"<u{width}")
    if old is None or old.spec != new.spec:
        return numbers
    others = np.frombuffer(b"".join(old.blocks()), f"<u{width}")
    if way == "xor planes":
        numbers = numbers ^ others
    elif way == "zigzag planes":
        moved = (numbers - others).view(f"<i{width}")
        numbers = (moved << 1 ^ moved >> 8 * width - 1).view(f"<u{width}")
    return numbers


def store_updates(new: Tensors, old: Tensors) -> CodingRun:
    """Each tensor as the update that pays; restored, and compared."""
    return _add_runs(_store_update(values, old.get(name)) for name, values in new.items())


def _add_runs(runs: Iterable[CodingRun]) -> CodingRun:
    sizes, encodings, decodings = zip(*runs, strict=True)
    return CodingRun(sum(sizes), sum(encodings), sum(decodings))


def _store_update(new: MemoryValues, old: MemoryValues | None) -> CodingRun:
    start = time.process_time()
    update, coder = _choose_update(new, old)
    base = old if update.base != "none" else None
    serializer = SERIALIZERS.load_plugin(coder.serializer)
    lists: Iterator[Arrays] = (
        coder.encode(*item) for item in zip(count(), new.blocks(), _beside(new, base), strict=False)
    )
    payload = b"".join(serializer.encode(chain(coder.head, lists), map))
    middle = time.process_time()
    stored = serializer.decode(Payload(io.BytesIO(payload), len(payload)), map)
    decoder = update.decoder(new.spec, stored, coder.options)
    restored = [decoder.decode(*item) for item in zip(count(), stored, _beside(new, base), strict=False)]
    end = time.process_time()
    assert b"".join(restored) == b"".join(new.blocks())
    return CodingRun(len(payload), middle - start, end - middle)


def _choose_update(new: MemoryValues, old: MemoryValues | None) -> tuple[Update, Coder]:
    """As ``git add`` does: the first one that pays."""
    for name in AUTOMATIC if old is not None else (DENSE,):
        update = UPDATES.load_plugin(name)
        if coder := update.coder(new, old if update.base != "none" else None, {}):
            return update, coder
    raise AssertionError("dense always pays")


def _beside(new: MemoryValues, base: MemoryValues | None) -> Iterator[Buffer]:
    step = aligned_step(new.spec, base.spec) if base else None
    return chain(recut_blocks(base.blocks(), step), repeat(b"")) if base and step else repeat(b"")


if __name__ == "__main__":
    main()
