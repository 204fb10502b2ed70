"""Bytes that are hard to store, and a ``map`` that is hard to be deterministic under."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar
from unittest import mock

from git_theta.tensors.arrays import BLOCK, Buffer, Parallel

T = TypeVar("T")
R = TypeVar("R")

WIDTHS = (1, 2, 4, 8)
"""Bytes that a number can have."""
LENGTHS = (0, 1, 2, 7, 8, 9, 4096, BLOCK - 8, BLOCK)
"""Bytes of a block to try; updates and serializers see none above BLOCK."""


def noise_bytes(size: int, seed: int = 0) -> bytes:
    """Bytes that do not compress, the same for the same arguments."""
    return hashlib.shake_256(seed.to_bytes(8, "little")).digest(size)


def weight_bytes(size: int, seed: int = 0) -> bytes:
    """Bytes like those of trained fp32 weights: a few values in every fourth, noise in the others."""
    generator = random.Random(seed)
    exponents = generator.choices(b"\x3a\x3b\xba\xbb\x3c", k=size // 4 + 1)
    mixed = bytearray(generator.randbytes(size))
    mixed[3::4] = bytes(exponents[: len(mixed[3::4])])
    return bytes(mixed)


def special_bytes(size: int, width: int) -> bytes:
    """Bit patterns that arithmetic would lose: NaN payloads, both zeros, both infinities, subnormals."""
    bits = 8 * width
    patterns = (0, 1, 1 << (bits - 1), (1 << bits) - 1, (1 << (bits - 1)) - 1, 0x7C01, 0x7F80, 0x7F800001, 0x7FF0 << 48)
    values = b"".join((pattern % (1 << bits)).to_bytes(width, "little") for pattern in patterns)
    return (values * (size // len(values) + 1))[:size]


def sample_blocks(size: int, width: int) -> Iterator[bytes]:
    """Blocks of ``size`` bytes, of every kind above and of zeros alone."""
    yield from (bytes(size), noise_bytes(size), weight_bytes(size), special_bytes(size, width))


def threaded_map(count: int) -> Parallel:
    """A ``map`` whose items run on ``count`` threads, in any order; results come in order."""

    def parallel(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        with ThreadPoolExecutor(count) as pool:
            yield from pool.map(function, list(items))

    return parallel


@contextmanager
def another_day() -> Iterator[None]:
    """A block of a year later: ``gzip.compress`` writes the time into what it makes, by the second (L2)."""
    later = time.time_ns() + 365 * 24 * 3600 * 10**9
    with mock.patch("time.time", lambda: later / 1e9), mock.patch("time.time_ns", lambda: later):
        yield


def damage_payload(payload: Buffer, seed: int = 0) -> Iterator[bytes]:
    """``payload`` cut short, with bits flipped, with bytes set to their extremes, and longer than it was."""
    whole = bytes(payload)
    generator = random.Random(seed)
    places = sorted({*range(min(len(whole), 40)), *(generator.randrange(len(whole)) for _ in range(40) if whole)})
    for at in places:
        yield whole[:at]
        yield _replace_byte(whole, at, whole[at] ^ 1 << generator.randrange(8))
        yield _replace_byte(whole, at, 0xFF)
        yield _replace_byte(whole, at, 0x00)
    yield whole + b"\0"
    yield whole + whole


def _replace_byte(whole: bytes, at: int, value: int) -> bytes:
    return whole[:at] + bytes([value]) + whole[at + 1 :]
