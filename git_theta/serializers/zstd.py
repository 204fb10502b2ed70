"""zstd as an entropy coder, from the standard library or its backport."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from git_theta.errors import CorruptObject
from git_theta.serializers.framing import LONGEST
from git_theta.tensors.arrays import Buffer


@cache
def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


@cache
def _limits() -> dict[Any, int]:
    return {_zstd().DecompressionParameter.window_log_max: (LONGEST - 1).bit_length()}


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
    """The ``size`` bytes of one frame, at most LONGEST. Raises CorruptObject.

    Never makes more than one byte too many, nor lets a frame claim more working memory than the longest block needs.
    """
    zstd = _zstd()
    decompressor = zstd.ZstdDecompressor(options=_limits())
    try:
        data: bytes = decompressor.decompress(frame, max_length=size + 1)
    except zstd.ZstdError as error:
        raise CorruptObject(f"a stored plane does not decompress: {error}") from error
    if len(data) != size or not decompressor.eof or decompressor.unused_data:
        raise CorruptObject("a stored plane has the wrong length")
    return data
