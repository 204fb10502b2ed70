"""The frame's encoding."""

from __future__ import annotations

import pytest

from git_theta.errors import CorruptObject
from git_theta.manifest.frame import decode_frame, encode_frame

LITERAL = b"\x03\0\0\0\0\0\0\0abc" + b"\0\0\0\0\0\0\0\0" + b"\x01\0\0\0\0\0\0\0d"


def test_literal_bytes() -> None:
    assert encode_frame([b"abc", b"", b"d"]) == LITERAL
    assert list(decode_frame(LITERAL, 2)) == [b"abc", b"", b"d"]


@pytest.mark.parametrize("runs", [[], [b""], [b"", b""]])
def test_no_bytes_are_no_frame(runs: list[bytes]) -> None:
    assert encode_frame(runs) == b""


def test_a_file_without_parts_may_have_one_run() -> None:
    assert list(decode_frame(encode_frame([b"all of it"]), 0)) == [b"all of it"]


@pytest.mark.parametrize("cut", range(len(LITERAL)))
def test_a_frame_that_is_cut_is_corrupt(cut: int) -> None:
    with pytest.raises(CorruptObject, match="shorter"):
        list(decode_frame(LITERAL[:cut], 2))


@pytest.mark.parametrize("parts", [0, 1])
def test_a_frame_of_more_runs_is_corrupt(parts: int) -> None:
    with pytest.raises(CorruptObject, match="longer"):
        list(decode_frame(LITERAL, parts))


def test_the_last_run_is_not_given_before_the_end_was_checked() -> None:
    """Who takes exactly as many runs as there are never comes back to be told."""
    runs = decode_frame(LITERAL + b"\0", 2)
    assert [next(runs), next(runs)] == [b"abc", b""]
    with pytest.raises(CorruptObject, match="longer"):
        next(runs)


def test_a_huge_claim_is_corrupt() -> None:
    with pytest.raises(CorruptObject):
        list(decode_frame(b"\xff" * 8 + b"abc", 0))
