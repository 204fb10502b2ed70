"""zstd as an entropy coder, from the standard library or its backport."""

from __future__ import annotations

import sys
from functools import cache
from threading import local
from typing import Any

from git_theta.errors import CorruptObject
from git_theta.serializers.framing import MAX_STORED_BLOCK
from git_theta.tensors.arrays import Buffer


@cache
def _load_zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


@cache
def _decompress_limits() -> dict[Any, int]:
    return {_load_zstd().DecompressionParameter.window_log_max: (MAX_STORED_BLOCK - 1).bit_length()}


_NEAR_TABLE, _FAR_TABLE = 6, 15
"""Bits of the place in a table where seven bytes are looked up that stood there before."""


def _compress_options(table: int) -> dict[Any, int]:
    zstd = _load_zstd()
    parameter = zstd.CompressionParameter
    return {
        parameter.compression_level: 1,
        parameter.strategy: zstd.Strategy.fast,
        parameter.min_match: 7,
        parameter.hash_log: table,
    }


class _ThreadCompressor(local):
    """The compressor of a thread. To make one takes as long as to compress a kilobyte."""

    def __init__(self, table: int) -> None:
        compressor = _load_zstd().ZstdCompressor(options=_compress_options(table))
        self.compress = compressor.compress
        self.pledge_size = compressor.set_pledged_input_size
        self.whole_frame = compressor.FLUSH_FRAME
        self.whole_block = compressor.FLUSH_BLOCK


@cache
def _thread_compressor(table: int = _NEAR_TABLE) -> _ThreadCompressor:
    return _ThreadCompressor(table)


def compress(data: Buffer) -> bytes:
    """``data`` as one zstd frame, entropy-coded; near repetitions of 7 bytes and more are found too."""
    thread = _thread_compressor()
    packed: bytes = thread.compress(data, thread.whole_frame)
    return packed


def compress_repetitions(data: Buffer) -> bytes:
    """``data`` as one zstd frame, entropy-coded; repetitions of 7 bytes and more are found, far ones too."""
    thread = _thread_compressor(_FAR_TABLE)
    packed: bytes = thread.compress(data, thread.whole_frame)
    return packed


def compress_pieces(data: Buffer, piece: int) -> bytes:
    """``data`` as one zstd frame with a block, and a code of its own where that is smaller, for every ``piece``."""
    thread, view = _thread_compressor(), memoryview(data)
    thread.pledge_size(len(view))
    last = max(0, len(view) - 1) // piece * piece
    blocks = [thread.compress(view[start : start + piece], thread.whole_block) for start in range(0, last, piece)]
    return b"".join((*blocks, thread.compress(view[last:], thread.whole_frame)))


def decompress(frame: Buffer, size: int) -> bytes:
    """The ``size`` bytes of one frame, at most LONGEST. Raises CorruptObject.

    Never makes more than one byte too many, nor lets a frame claim more working memory than the longest block needs.
    """
    zstd = _load_zstd()
    decompressor = zstd.ZstdDecompressor(options=_decompress_limits())
    try:
        data: bytes = decompressor.decompress(frame, max_length=size + 1)
    except zstd.ZstdError as error:
        raise CorruptObject(f"a stored plane does not decompress: {error}") from error
    if len(data) != size or not decompressor.eof or decompressor.unused_data:
        raise CorruptObject("a stored plane has the wrong length")
    return data
