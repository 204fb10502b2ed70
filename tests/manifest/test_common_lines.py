"""Lines that are read off by a pattern: what it takes is exactly what the encoding has, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_theta.manifest.common_lines import parse_common_line
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage
from git_theta.manifest.text import encode_manifest

A, B = "0123456789abcdef" * 4, "b" * 64
USUAL = Entry(A, 24, Storage(Coding("dense", "raw"), Place(B, 240, (16, 24))), "layer.0.weight", "F32", (2, 3))

number = st.integers(0, 2**63 - 1)
place = st.none() | st.tuples(st.integers(0, 2**62), st.integers(0, 2**62 - 1))
name = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
dtype = st.text(st.sampled_from("F32_8e\"'"), min_size=1)
shape = st.lists(number, max_size=3).map(tuple)
entry = st.tuples(number, place, name, dtype, shape).map(
    lambda drawn: Entry(B, drawn[0], Storage(Coding("low_rank", "planes"), Place(A, 2**63 - 1, drawn[1])), *drawn[2:])
)


def line(one: Entry) -> bytes:
    """Its one valid encoding."""
    return encode_manifest(Manifest("safetensors", 0, (one,))).splitlines()[2]


@pytest.mark.parametrize(
    "one",
    [
        USUAL,
        USUAL._replace(shape=()),
        USUAL._replace(shape=(0,)),
        USUAL._replace(storage=Storage(Coding("dense", "raw"), Place(B, 0))),
    ],
    ids=["bundled", "0-d", "empty", "whole object"],
)
def test_usual_lines_are_read_off(one: Entry) -> None:
    assert parse_common_line(line(one)) == one


@given(entry)
def test_what_is_read_off_is_what_was_written(one: Entry) -> None:
    assert parse_common_line(line(one)) in (None, one)


@given(st.integers(0, len(line(USUAL))), st.integers(0, 3), st.binary(max_size=2) | st.sampled_from([b"0", b",", b'"']))
def test_a_line_that_was_tampered_with_is_in_its_one_encoding_or_not_taken(at: int, out: int, put: bytes) -> None:
    text = line(USUAL)
    tampered = text[:at] + put + text[at + out :]
    found = parse_common_line(tampered)
    assert found is None or line(found) == tampered


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"[2,3]", b"[2,03]"), (b"[2,3]", b"[2,,3]"), (b"[2,3]", b"[2,3,]"), (b"[2,3]", b"[,2]"),
        (b"[2,3]", b"[" + b"1," * 64 + b"1]"),
        (b"[2,3]", "[\N{ARABIC-INDIC DIGIT TWO}]".encode()), (b'"size":24', b'"size":9223372036854775808'),
        (b"[16,24]", b"[16,225]"), (b"layer", b"l\\u0061yer"), (b"layer", b"\x7f"), (b"layer", b"\xff"),
        (A.encode(), A[:-1].encode() + b"F"), (b"}}", b"}}\n"),
    ],
)  # fmt: skip
def test_what_may_not_be_valid_is_left_to_the_reader_of_json(old: bytes, new: bytes) -> None:
    assert line(USUAL).count(old) == 1
    assert parse_common_line(line(USUAL).replace(old, new)) is None
