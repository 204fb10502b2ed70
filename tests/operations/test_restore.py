"""A manifest to its file: in order, verified, and with words for what is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest

from git_theta import parameters
from git_theta.errors import CorruptObject, MissingObject
from git_theta.manifest import frame
from git_theta.manifest.model import Entry, Manifest, Storage
from git_theta.operations.context import Desk
from git_theta.operations.restoring.restore import missing_objects, require_objects, restored
from git_theta.operations.workers import HELD
from git_theta.testing.blocks import noise, weights


def stored(desk: Desk, data: bytes, name: str | None = None) -> Entry:
    """A part in the desk's store."""
    serializer, payload = parameters.encode(parameters.blocks(data), 4, map)
    storage = Storage("dense", serializer, *desk.store.put(payload))
    return Entry(hashlib.sha256(data).hexdigest(), len(data), storage, name, "U8" if name else "")


def manifest_of(desk: Desk, parts: Iterable[bytes], runs: Iterable[bytes]) -> Manifest:
    entries = tuple(stored(desk, data, f"part {number}") for number, data in enumerate(parts))
    whole = frame.encode(runs)
    size = sum(entry.size for entry in entries) + sum(map(len, runs))
    return Manifest("f", size, entries, stored(desk, whole) if whole else None)


def content(manifest: Manifest, desk: Desk) -> bytes:
    return b"".join(restored(manifest, desk))


def test_parts_and_runs_alternate(desk: Desk) -> None:
    manifest = manifest_of(desk, [b"one", b"", b"two"], [b"<", b"", b"|", b">"])
    assert content(manifest, desk) == b"<one|two>"


def test_without_a_frame_there_are_parts_alone(desk: Desk) -> None:
    assert content(manifest_of(desk, [b"one", b"two"], []), desk) == b"onetwo"
    assert content(Manifest("f", 0, ()), desk) == b""


def test_large_and_small_parts_keep_their_order(desk: Desk) -> None:
    parts = [weights(100, 1), weights(HELD + 400, 2), *(noise(1000, seed) for seed in range(20)), weights(HELD + 8, 3)]
    done: list[int] = []
    manifest = manifest_of(desk, parts, [])
    assert content(manifest, desk._replace(progress=done.append)) == b"".join(parts)
    assert sum(done) == manifest.size


@pytest.mark.parametrize("size", [0, 5, 7, 1 << 40])
def test_a_size_that_is_not_the_files_is_corrupt(desk: Desk, size: int) -> None:
    with pytest.raises(CorruptObject, match="manifest says"):
        content(manifest_of(desk, [b"parts"], [b"", b"!"])._replace(size=size), desk)


def test_a_part_with_other_values_is_corrupt_and_named(desk: Desk) -> None:
    manifest = manifest_of(desk, [b"one", b"two"], [])
    one, two = manifest.entries
    swapped = manifest._replace(entries=(one, two._replace(storage=one.storage)))
    with pytest.raises(CorruptObject) as caught:
        content(swapped, desk)
    assert caught.value.parameter == "part 1"


@pytest.mark.parametrize("runs", [[b"a"], [b"a", b"b", b"c"]])
def test_a_frame_of_another_file_is_corrupt(desk: Desk, runs: list[bytes]) -> None:
    manifest = manifest_of(desk, [b"part"], [b"a", b"b"])
    other = stored(desk, frame.encode(runs))
    with pytest.raises(CorruptObject, match="frame"):
        content(manifest._replace(frame=other, size=4 + other.size - 16), desk)


def test_l6_a_frame_that_claims_to_be_huge_is_not_read(desk: Desk) -> None:
    manifest = manifest_of(desk, [b"part"], [b"a", b"b"])
    assert manifest.frame is not None
    huge = manifest._replace(frame=manifest.frame._replace(size=1 << 40), size=4 + (1 << 40) - 16)
    with pytest.raises(CorruptObject, match=f"frame of {1 << 40}"):
        content(huge, desk)


def test_missing_objects_are_fetched(desk: Desk) -> None:
    manifest = manifest_of(desk, [weights(1000)], [])
    (lost,) = manifest.objects()
    payload = desk.store.get(lost).read()
    empty = desk._replace(store=type(desk.store)())
    asked: list[list[str]] = []

    def fetch(oids: Iterable[str]) -> list[str]:
        asked.append(list(oids))
        empty.store.put([payload])
        return []

    assert missing_objects(manifest, empty) == [lost]
    require_objects(manifest, empty._replace(fetch=fetch))
    assert asked == [[lost]]
    require_objects(manifest, empty)


def test_what_nobody_has_is_missing_by_name(desk: Desk) -> None:
    manifest = manifest_of(desk, [weights(1000, 1), weights(1000, 2)], [])
    reason = "origin (/path): has no such objects"
    with pytest.raises(MissingObject, match="2 of its objects are missing") as caught:
        require_objects(manifest, desk._replace(store=type(desk.store)(), fetch=lambda _: [reason]))
    assert caught.value.parameter == "part 0"
    assert f"  {reason}\n" in caught.value.hint
    assert "push" in caught.value.hint
    assert "GIT_THETA_SKIP_SMUDGE=1 git restore" in caught.value.hint


def test_an_object_of_another_size_is_missing(desk: Desk) -> None:
    manifest = manifest_of(desk, [weights(1000)], [])
    (entry,) = manifest.entries
    longer = entry._replace(storage=entry.storage._replace(bytes=entry.storage.bytes + 1))
    assert missing_objects(manifest._replace(entries=(longer,)), desk) == [entry.storage.object]
