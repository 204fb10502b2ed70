"""Manifests that are read one after the other: each distinct line is parsed once, and every check is still made."""

from __future__ import annotations

import pytest

from git_theta.errors import ManifestError, NewerManifest
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage, View
from git_theta.manifest.new_parts import ManifestReader
from git_theta.manifest.text import decode_manifest, encode_manifest


def entry(name: str | None, value: int, views: tuple[View, ...] = ()) -> Entry:
    oid = f"{value:064x}"
    storage = Storage(Coding("dense", "raw"), Place(oid, 8))
    return Entry(oid, 8, storage, name, "F32" if name else "", (2,) if name else (), views)


TIED = entry("tied", 7, (View("tied", "F32", (2,)), View("other", "F32", (1,), None, 1)))
BASE = [entry("a", 1), entry("b", 2), TIED, entry(None, 3), entry("naïve", 4)]
FRAME = entry(None, 99)._replace(size=8 * (len(BASE) + 1) + 30)


def text_of(entries: list[Entry], frame: Entry | None = None) -> bytes:
    return encode_manifest(Manifest("safetensors", 1000, tuple(entries), frame))


def test_only_lines_that_no_manifest_before_had_are_parts_again() -> None:
    reader = ManifestReader()
    first = reader.read_new_parts(text_of(BASE))
    assert first.parts == decode_manifest(text_of(BASE)).entries
    changed = entry("b", 5)
    second = reader.read_new_parts(text_of([BASE[0], changed, *BASE[2:]]))
    assert second.parts == (changed,)
    assert reader.read_new_parts(text_of(BASE)).parts == ()


def test_sizes_are_those_of_all_parts_whether_new_or_known() -> None:
    reader = ManifestReader()
    for _ in range(2):
        new = reader.read_new_parts(text_of(BASE, FRAME))
        assert (new.size, new.parts_size) == (1000, 8 * len(BASE) + 30)
        assert new.parts[0] == FRAME


def test_a_run_of_bytes_that_stands_twice_is_one_new_part() -> None:
    run = entry(None, 3)
    new = ManifestReader().read_new_parts(text_of([run, run]))
    assert (new.parts, new.parts_size) == ((run,), 16)


@pytest.mark.parametrize("twice", [BASE[0], TIED, entry("other", 8), entry("naïve", 9)], ids=lambda one: one.name)
def test_a_name_that_stands_twice_is_refused_where_its_lines_are_known(twice: Entry) -> None:
    reader = ManifestReader()
    reader.read_new_parts(text_of(BASE))
    reader.read_new_parts(text_of([twice]))
    forged = text_of(BASE) + text_of([twice]).splitlines(keepends=True)[-1]
    with pytest.raises(ManifestError, match="two parameters are called"):
        reader.read_new_parts(forged)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1],
        lambda text: text + b"{}\n",
        lambda text: text.replace(b'"size":8', b'"size": 8', 1),
        lambda text: text.replace(b"manifest 1", b"manifest 2"),
        lambda text: b"something else\n",
        lambda text: text.splitlines(keepends=True)[0],
        lambda text: text + text.splitlines(keepends=True)[-1],
    ],
    ids=["cut", "a line too many", "spaced", "newer", "no manifest", "no header", "twice"],
)
def test_an_invalid_text_is_refused_as_ever_and_nothing_of_it_is_known(spoil: object) -> None:
    text = spoil(text_of(BASE))  # type: ignore[operator]
    reader = ManifestReader()
    with pytest.raises(ManifestError) as expected:
        decode_manifest(text)
    with pytest.raises(ManifestError) as found:
        reader.read_new_parts(text)
    assert (found.value.message, found.value.hint) == (expected.value.message, expected.value.hint)
    assert isinstance(found.value, NewerManifest) == isinstance(expected.value, NewerManifest)
    assert reader.read_new_parts(text_of(BASE)).parts == tuple(BASE)
