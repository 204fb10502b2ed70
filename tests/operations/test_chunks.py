"""Content-defined chunks."""

from __future__ import annotations

import hashlib

from git_theta.operations.adding.content_chunks import LARGEST, SMALLEST, cut_chunks
from git_theta.operations.streams import Stream
from git_theta.testing.blocks import noise_bytes

DATA = noise_bytes(12 << 20)


def cut(data: bytes, taken: int = 0, left: int | None = None, read: int = 1 << 30) -> list[bytes]:
    """The chunks of ``data``, of which ``taken`` bytes were looked at before; the stream gives ``read`` at a time."""
    at = 0

    def readinto(view: memoryview) -> int:
        nonlocal at
        piece = data[at : at + min(len(view), read)]
        view[: len(piece)] = piece
        at += len(piece)
        return len(piece)

    stream = Stream(readinto)
    return list(cut_chunks(stream.take(taken), stream, left))


def test_chunks_are_the_whole_and_have_their_sizes() -> None:
    pieces = cut(DATA)
    assert b"".join(pieces) == DATA
    assert len(pieces) > 4
    assert all(SMALLEST <= len(piece) <= LARGEST for piece in pieces[:-1])


def test_the_cuts_are_for_ever() -> None:
    """Other cuts would cost every user a second copy of what they have."""
    assert [len(piece) for piece in cut(DATA)] == [
        1031562, 2181179, 1785074, 1422091, 1063680, 317804, 1234237, 1666110, 1077461, 394237, 409477
    ]  # fmt: skip


def test_l2_cuts_do_not_depend_on_how_the_stream_comes() -> None:
    whole = cut(DATA)
    assert cut(DATA, taken=65_537) == whole
    assert cut(DATA, read=60_001) == whole


def test_a_part_of_a_stream_is_cut_and_the_rest_left() -> None:
    at = 3 << 20
    assert b"".join(cut(DATA, taken=1000, left=at - 1000)) == DATA[:at]


def test_an_edit_moves_few_cuts() -> None:
    edited = DATA[: 5 << 20] + b"an insertion" + DATA[5 << 20 :]
    known = {hashlib.sha256(piece).digest() for piece in cut(DATA)}
    new = [piece for piece in cut(edited) if hashlib.sha256(piece).digest() not in known]
    assert 1 <= len(new) <= 2


def test_nothing_has_no_chunks() -> None:
    assert cut(b"") == []
