"""Content-defined chunks."""

from __future__ import annotations

import hashlib

from git_theta.operations.adding.content_chunks import LARGEST, SMALLEST, cut_chunks
from git_theta.operations.streams import BytesSource
from git_theta.testing.blocks import noise_bytes

DATA = noise_bytes(12 << 20)


def cut(data: bytes, start: int = 0, end: int | None = None) -> list[bytes]:
    """The chunks of ``data`` from ``start`` to ``end``."""
    places = cut_chunks(BytesSource(data), start, len(data) if end is None else end)
    return [data[offset : offset + size] for offset, size in places]


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


def test_l2_cuts_do_not_depend_on_where_the_bytes_stand() -> None:
    assert cut(b"before" + DATA + b"behind", 6, 6 + len(DATA)) == cut(DATA)


def test_a_part_of_a_file_is_cut_and_the_rest_left() -> None:
    at = 3 << 20
    assert b"".join(cut(DATA, 0, at)) == DATA[:at]


def test_an_edit_moves_few_cuts() -> None:
    edited = DATA[: 5 << 20] + b"an insertion" + DATA[5 << 20 :]
    known = {hashlib.sha256(piece).digest() for piece in cut(DATA)}
    new = [piece for piece in cut(edited) if hashlib.sha256(piece).digest() not in known]
    assert 1 <= len(new) <= 2


def test_nothing_has_no_chunks() -> None:
    assert cut(b"") == []
