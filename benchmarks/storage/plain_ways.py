"""Ways that need nothing but numpy and zstd."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.delta_ratios import Tensors, combine_numbers, store_simply, store_updates
from benchmarks.storage.costs import Cost, VersionPair, time_call
from git_theta.tensors.digest import hash_values
from git_theta.tensors.values import MemoryValues

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LEVEL = 3

PackTensor = Callable[[MemoryValues, MemoryValues | None], Sequence[bytes]]
"""A tensor, and its base of the same dtype and shape, as bytes."""
UnpackTensor = Callable[[Sequence[bytes], MemoryValues, MemoryValues | None], bytes]
"""Its bytes again; of the tensor itself only the spec is looked at."""


def store_zstd(pair: VersionPair, folder: Path) -> Cost:  # noqa: ARG001
    """The whole file, at zstd's own level."""
    data = pair.tuned.read_bytes()
    packed, encoding = time_call(lambda: zstd.compress(data, _LEVEL))
    restored, decoding = time_call(lambda: zstd.decompress(packed))
    return Cost(len(packed), encoding, decoding, restored == data)


def store_planes(way: str, pair: VersionPair, folder: Path) -> Cost:  # noqa: ARG001
    """As one of SIMPLE_WAYS, with our entropy coding."""
    old, new = pair.read()
    return Cost(*store_simply(new, old, way))


def store_ours(pair: VersionPair, folder: Path) -> Cost:  # noqa: ARG001
    """As the update that ``git add`` takes: without manifest and the frame of safetensors files."""
    old, new = pair.read()
    return Cost(*store_updates(dict(_find_news(new, old)), old))


def _find_news(new: Tensors, old: Tensors) -> Iterator[tuple[str, MemoryValues]]:
    """The tensors of which there are no equal bytes yet, whatever their name: these are stored once."""
    stored = set(map(hash_values, old.values()))
    for name, values in new.items():
        if (content := hash_values(values)) not in stored:
            stored.add(content)
            yield name, values


def store_tensors(pack: PackTensor, unpack: UnpackTensor, pair: VersionPair) -> Cost:
    """Each tensor by itself, beside the base's of its name where that has its dtype and shape."""
    old, new = pair.read()
    size, encoding, decoding, is_exact = 0, 0.0, 0.0, True
    for name, values in new.items():
        base = old.get(name)
        base = base if base and base.spec == values.spec else None
        start = time.process_time()
        packed = pack(values, base)
        middle = time.process_time()
        restored = unpack(packed, values, base)
        decoding += time.process_time() - middle
        encoding += middle - start
        size += sum(map(len, packed))
        is_exact &= restored == b"".join(values.blocks())
    return Cost(size, encoding, decoding, is_exact)


def store_bitx(pair: VersionPair, folder: Path) -> Cost:  # noqa: ARG001
    """Each tensor xor the base's as byte planes, these at zstd's own level, as ZipLLM has it (arXiv 2505.06252)."""
    return store_tensors(_pack_xor, _unpack_xor, pair)


def _pack_xor(new: MemoryValues, old: MemoryValues | None) -> Sequence[bytes]:
    planes = combine_numbers(new, old, "xor planes").view(np.uint8).reshape(-1, new.spec.dtype.width)
    return [zstd.compress(np.ascontiguousarray(planes[:, at]).data, _LEVEL) for at in range(planes.shape[1])]


def _unpack_xor(packed: Sequence[bytes], new: MemoryValues, old: MemoryValues | None) -> bytes:
    planes = [np.frombuffer(zstd.decompress(each), np.uint8) for each in packed]
    numbers = np.stack(planes, axis=1).reshape(-1).view(f"<u{new.spec.dtype.width}")
    if old is not None:
        numbers = numbers ^ np.frombuffer(b"".join(old.blocks()), numbers.dtype)
    return bytes(numbers.tobytes())
