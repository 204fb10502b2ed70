"""``python -m benchmarks.delta_ratios BASE TUNED``: how small a fine-tune is beside its base, and how fast on one core.

Both are safetensors files; with ``--cast BF16`` their fp32 tensors are rounded first. Whole files are held in memory.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections.abc import Iterator
from itertools import chain, count, repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np

from git_theta.serializers.base import SERIALIZERS, Payload
from git_theta.tensors.alignment import aligned_step, recut_blocks
from git_theta.tensors.arrays import BLOCK, Array, Arrays, Buffer
from git_theta.tensors.casts import cast_codes
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.updates.base import UPDATES, Coder, Update

_SIMPLE_WAYS = ("dense planes", "xor planes", "zigzag planes")


class _Run(NamedTuple):
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
    old, new = (_read_tensors(file, options.cast) for file in (options.base, options.tuned))
    raw = sum(values.size for values in new.values())
    for way in _SIMPLE_WAYS:
        size = sum(_store_simply(values, old[name], way) for name, values in new.items())
        print(f"{way:14} {raw / size:6.2f}")
    rounds = [[_store_delta(values, old[name]) for name, values in new.items()] for _ in range(options.rounds)]
    encoding, decoding = (min(sum(run[at] for run in runs) for runs in rounds) for at in (1, 2))
    size = sum(run.size for run in rounds[0])
    print(f"{'delta':14} {raw / size:6.2f}   encode {raw / encoding / 1e9:.3f}, decode {raw / decoding / 1e9:.3f} GB/s")


def _read_tensors(file: Path, cast: str) -> dict[str, MemoryValues]:
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


def _store_simply(new: MemoryValues, old: MemoryValues, way: str) -> int:
    """Bytes, as planes of numbers, of numbers xor those of the base, or of differences with their sign last."""
    width = new.spec.dtype.width
    numbers, others = (np.frombuffer(b"".join(values.blocks()), f"<u{width}") for values in (new, old))
    if way == "xor planes":
        numbers = numbers ^ others
    elif way == "zigzag planes":
        moved = (numbers - others).view(f"<i{width}")
        numbers = (moved << 1 ^ moved >> 8 * width - 1).view(f"<u{width}")
    data = numbers.tobytes()
    blocks = [(Array(width, data[at : at + BLOCK]),) for at in range(0, len(data), BLOCK)]
    return sum(map(len, SERIALIZERS.load_plugin("planes").encode(blocks, map)))


def _store_delta(new: MemoryValues, old: MemoryValues) -> _Run:
    """As ``delta``, or dense where that does not pay; restored, and compared."""
    start = time.process_time()
    update, coder = _choose_update(new, old)
    serializer = SERIALIZERS.load_plugin(coder.serializer)
    lists: Iterator[Arrays] = (
        coder.encode(*item) for item in zip(count(), new.blocks(), _beside(new, old), strict=False)
    )
    payload = b"".join(serializer.encode(lists, map))
    middle = time.process_time()
    decoder = update.decoder(new.spec, iter(()), coder.options)
    stored = serializer.decode(Payload(io.BytesIO(payload), len(payload)), map)
    restored = [decoder.decode(*item) for item in zip(count(), stored, _beside(new, old), strict=False)]
    end = time.process_time()
    assert b"".join(restored) == b"".join(new.blocks())
    return _Run(len(payload), middle - start, end - middle)


def _choose_update(new: MemoryValues, old: MemoryValues) -> tuple[Update, Coder]:
    for name in ("delta", "dense"):
        update = UPDATES.load_plugin(name)
        if coder := update.coder(new, old if update.base != "none" else None, {}):
            return update, coder
    raise AssertionError("dense always pays")


def _beside(new: MemoryValues, old: MemoryValues) -> Iterator[Buffer]:
    step = aligned_step(new.spec, old.spec)
    assert step
    return chain(recut_blocks(old.blocks(), step), repeat(b""))


if __name__ == "__main__":
    main()
