"""zstd as an entropy coder, from the standard library or its backport."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import Buffer


@cache
def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


@cache
def _options() -> dict[Any, int]:
    zstd = _zstd()
    parameter = zstd.CompressionParameter
    return {
        parameter.compression_level: 1,
        parameter.strategy: zstd.Strategy.fast,
        parameter.min_match: 7,
        parameter.hash_log: 6,
    }


def compress(data: Buffer) -> bytes:
    """``data`` as one zstd frame, entropy-coded; near repetitions of 7 bytes and more are found too."""
    packed: bytes = _zstd().compress(data, options=_options())
    return packed


def decompress(frame: Buffer, size: int) -> bytes:
    """The ``size`` bytes of a frame. Raises CorruptObject, and never makes more than one byte too many."""
    zstd = _zstd()
    try:
        data: bytes = zstd.ZstdDecompressor().decompress(frame, max_length=size + 1)
    except zstd.ZstdError as error:
        raise CorruptObject(f"a stored plane does not decompress: {error}") from error
    if len(data) != size:
        raise CorruptObject("a stored plane has the wrong length")
    return data
