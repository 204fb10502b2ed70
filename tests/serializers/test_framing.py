"""Lengths before blocks."""

from __future__ import annotations

import io

import pytest

from git_theta.errors import CorruptObject
from git_theta.serializers.base import Payload
from git_theta.serializers.framing import MAX_STORED_BLOCK, prefix_lengths, read_bodies


def bodies(payload: bytes) -> list[bytes]:
    return list(read_bodies(Payload(io.BytesIO(payload), len(payload))))


def test_literal_bytes() -> None:
    assert b"".join(prefix_lengths([b"abc", b"", b"d"])) == b"\3\0\0\0abc\0\0\0\0\1\0\0\0d"


def test_round_trip() -> None:
    assert bodies(b"".join(prefix_lengths([b"abc", b"", bytes(MAX_STORED_BLOCK)]))) == [
        b"abc",
        b"",
        bytes(MAX_STORED_BLOCK),
    ]


@pytest.mark.parametrize("payload", [b"\1", b"\1\0\0\0", b"\2\0\0\0a", b"\xff\xff\xff\xff" + bytes(100)], ids=repr)
def test_lengths_that_do_not_add_up_are_corrupt(payload: bytes) -> None:
    with pytest.raises(CorruptObject):
        bodies(payload)


def test_a_block_beyond_the_limit_is_not_read_even_where_it_is_there() -> None:
    with pytest.raises(CorruptObject, match="claims"):
        bodies(b"".join(prefix_lengths([bytes(MAX_STORED_BLOCK + 1)])))


def test_a_payload_gives_exactly_what_is_asked_for() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(3, size or 0))

    payload = Payload(Slow(b"0123456789abc"), 10)
    assert payload.read_exactly(7) == b"0123456"
    with pytest.raises(CorruptObject, match="too early"):
        payload.read_exactly(4)
    assert payload.read_exactly(3) == b"789"
    with pytest.raises(CorruptObject, match="shorter"):
        Payload(Slow(b"01"), 10).read_exactly(5)
