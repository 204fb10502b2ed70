"""The identity of a checkpoint: of its values, whatever stores them; and the same text for ever."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from git_theta.manifest.identity_text import FIRST_LINE, write_identity
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage, View
from git_theta.manifest.text import decode_manifest

GOLDEN = Path(__file__).parents[1] / "golden"
KNOWN = {
    name: digest
    for digest, name in (line.split("  ") for line in (GOLDEN / "identities" / "001").read_text().splitlines())
}
A, B, C = (letter * 64 for letter in "abc")


def entry(oid: str, name: str | None = None, shape: tuple[int, ...] = (), views: tuple[View, ...] = ()) -> Entry:
    dtype = "F32" if name is not None else ""
    return Entry(oid, 4, Storage(Coding("dense", "raw"), Place(oid, 4)), name, dtype, shape, views)


def manifest(*entries: Entry, frame: Entry | None = None) -> Manifest:
    return Manifest("safetensors", sum(one.size for one in entries), entries, frame)


@pytest.mark.parametrize("name", KNOWN)
def test_what_results_were_filed_under_stays_what_it_is(name: str) -> None:
    folder, _, file = name.partition("/")
    text = write_identity([decode_manifest((GOLDEN / folder / "manifests" / file).read_bytes())])
    assert hashlib.sha256(text).hexdigest() == KNOWN[name]


def test_the_text_as_the_specification_has_it() -> None:
    view = View("head", "F32", (3, 2), (1, 3), 0)
    text = write_identity([manifest(entry(A, "embed", (2, 3), (view,)), entry(C), frame=entry(B))])
    assert text.decode() == (
        f'{FIRST_LINE}\nfile 8 {B} {C}\nparameter "embed" F32 [2,3] {A}\nview "head" F32 [3,2] [1,3] 0 {A}\n'
    )


def test_storage_does_not_matter_and_neither_does_the_order_of_files() -> None:
    first, second = manifest(entry(A, "a", (1,))), manifest(entry(B, "b", (1,)))
    stored = entry(A, "a", (1,))._replace(storage=Storage(Coding("delta", "frames"), Place(C, 99, (3, 7))))
    assert write_identity([first, second]) == write_identity([second, manifest(stored)])


@pytest.mark.parametrize(
    "other",
    [
        manifest(entry(B, "a", (1,)), frame=entry(C)),
        manifest(entry(A, "b", (1,)), frame=entry(C)),
        manifest(entry(A, "a", (1, 1)), frame=entry(C)),
        manifest(entry(A, "a", (1,)), frame=entry(B)),
        manifest(entry(A, "a", (1,))),
        manifest(entry(A, "a", (1,)), entry(A, "a2", (1,)), frame=entry(C)),
        manifest(entry(A, "a", (1,), (View("v", "F32", (1,)),)), frame=entry(C)),
        manifest(entry(A, None), frame=entry(C)),
    ],
)
def test_whatever_makes_another_file_makes_another_text(other: Manifest) -> None:
    assert write_identity([other]) != write_identity([manifest(entry(A, "a", (1,)), frame=entry(C))])


def test_runs_of_a_file_keep_their_order_and_names_are_no_lines() -> None:
    assert write_identity([manifest(entry(A), entry(B))]) != write_identity([manifest(entry(B), entry(A))])
    hostile = 'a\nparameter "b"'
    assert json.dumps(hostile).encode() in write_identity([manifest(entry(A, hostile, (1,)))])
    assert write_identity([manifest(entry(A, hostile, (1,)))]).count(b"\n") == 3
