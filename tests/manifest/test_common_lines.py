"""Lines that are read off by a pattern: what it takes is exactly what the encoding has, and nothing else."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_theta.manifest.common_lines import parse_common_line
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage, UpdateBase
from git_theta.manifest.text import decode_manifest, encode_manifest

A, B = "0123456789abcdef" * 4, "b" * 64
USUAL = Entry(A, 24, Storage(Coding("dense", "raw"), Place(B, 240, (16, 24))), "layer.0.weight", "F32", (2, 3))
ROOT = UpdateBase("c" * 64, 24, "F32", (2, 3), Coding("dense", "planes"), Place("d" * 64, 30))
LINK = UpdateBase("e" * 64, 12, "BF16", (2, 3), Coding("delta", "frames"), Place(B, 240, (40, 20)))
CHAINED = USUAL._replace(storage=Storage(Coding("delta", "frames", chain=(ROOT, LINK)), Place(B, 240, (16, 24))))

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


def usual_link(link: UpdateBase) -> str:
    """What stands for a link in a line, whatever it is."""
    place = link.place
    return json.dumps(
        {"dtype": link.dtype, "shape": link.shape, "size": link.size, "oid": link.oid}
        | {"update": link.coding.update, "serializer": link.coding.serializer}
        | {"object": place.object, "bytes": place.bytes}
        | ({"range": place.range} if place.range else {}),
        separators=(",", ":"),
    )


@pytest.mark.parametrize(
    "one",
    [
        USUAL,
        USUAL._replace(shape=()),
        USUAL._replace(shape=(0,)),
        USUAL._replace(storage=Storage(Coding("dense", "raw"), Place(B, 0))),
        CHAINED,
    ],
    ids=["bundled", "0-d", "empty", "whole object", "chain"],
)
def test_usual_lines_are_read_off(one: Entry) -> None:
    assert parse_common_line(line(one)) == one


@given(entry)
def test_what_is_read_off_is_what_was_written(one: Entry) -> None:
    assert parse_common_line(line(one)) in (None, one)


@pytest.mark.parametrize("one", [USUAL, CHAINED], ids=["usual", "chain"])
@given(st.data(), st.integers(0, 3), st.binary(max_size=2) | st.sampled_from([b"0", b",", b'"', b"},{", b"]"]))
def test_a_line_that_was_tampered_with_is_in_its_one_encoding_or_not_taken(
    one: Entry, data: st.DataObject, out: int, put: bytes
) -> None:
    text = line(one)
    at = data.draw(st.integers(0, len(text)))
    tampered = text[:at] + put + text[at + out :]
    found = None
    with suppress(ValueError):  # a chain that no writer writes
        found = parse_common_line(tampered)
    assert found is None or line(found) == tampered


@given(st.lists(st.tuples(number, place, dtype, shape), min_size=1, max_size=3))
def test_a_chain_comes_back_as_it_was(drawn: list[tuple[int, tuple[int, int] | None, str, tuple[int, ...]]]) -> None:
    root = Coding("dense", "raw")
    chain = tuple(
        UpdateBase(
            f"{at:064}", size, dtype, shape, Coding("delta", "frames") if at else root, Place(A, 2**63 - 1, where)
        )
        for at, (size, where, dtype, shape) in enumerate(drawn)
    )
    one = Entry("f" * 64, 8, Storage(Coding("delta", "frames", chain=chain), Place(A, 2**63 - 1)), "w", "F64", (1,))
    assert decode_manifest(encode_manifest(Manifest("safetensors", 8, (one,)))).entries == (one,)


def test_what_looks_like_two_links_stays_one() -> None:
    """A dtype can be any text: also one that ends a link and begins another."""
    text = line(CHAINED).decode()
    inside = text[text.index("},{") :].partition('","shape"')[0]
    forged = ROOT._replace(dtype=text.partition('"chain":[{"dtype":"')[2].partition("},{")[0] + inside)
    one = CHAINED._replace(storage=Storage(Coding("delta", "frames", chain=(forged,)), Place(B, 240)))
    assert decode_manifest(encode_manifest(Manifest("safetensors", 24, (one,)))).entries == (one,)


def test_a_name_that_looks_like_the_start_of_a_line_stays_a_name() -> None:
    """Names come from strangers' files: this one is a line up to its chain, and the true one would end it."""
    text = line(CHAINED).decode()
    name = text[text.index("layer") : text.index('"dtype":"F32","shape":[2,3],"size":24,"oid":"c')]
    one = CHAINED._replace(name=name)
    assert decode_manifest(encode_manifest(Manifest("safetensors", 24, (one,)))).entries == (one,)
    for update in (f"delta{name[len('layer.0.weight') :]}", name):
        coding = CHAINED.storage.coding._replace(update=update)
        one = CHAINED._replace(storage=CHAINED.storage._replace(coding=coding))
        assert decode_manifest(encode_manifest(Manifest("safetensors", 24, (one,)))).entries == (one,)


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        ((ROOT, ROOT), "an update base stands twice in its chain"),
        ((ROOT._replace(oid=A),), "a part is its own update base"),
        ((LINK, ROOT), "the update dense has no base, and stands on one"),
        ((ROOT._replace(place=Place(B, 241)),), "one object with two sizes"),
        (tuple(LINK._replace(oid=f"{at:064}") for at in range(17)), "a chain of 17 update bases"),
    ],
)
def test_a_chain_that_no_writer_writes_is_refused(chain: tuple[UpdateBase, ...], reason: str) -> None:
    usual = line(CHAINED).decode()
    links = ",".join(usual_link(link) for link in chain)
    text = usual[: usual.index("[{") + 1] + links + "]}}"
    with pytest.raises(ValueError, match=f"^{reason}$"):
        parse_common_line(text.encode())


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
