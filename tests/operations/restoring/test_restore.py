"""A manifest to its file: in order, verified, and with words for what is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest

from git_theta.errors import CorruptObject, MissingObject
from git_theta.manifest import frame
from git_theta.manifest.model import Entry, Manifest, Place, Storage
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import missing_objects, require_objects, restore_pieces
from git_theta.operations.workers import WHOLE_LIMIT
from git_theta.parameters.value_encoding import encode_values
from git_theta.tensors.arrays import BLOCK
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import noise_bytes, weight_bytes


def stored(context: Context, data: bytes, name: str | None = None) -> Entry:
    """A part in the context's store."""
    encoding = encode_values(MemoryValues(Spec(BY_NAME["U8"], (len(data),)), data), map)
    storage = Storage(encoding.coding, Place(*context.store.put(encoding.payload)))
    return Entry(hashlib.sha256(data).hexdigest(), len(data), storage, name, "U8" if name else "")


def manifest_of(context: Context, parts: Iterable[bytes], runs: Iterable[bytes]) -> Manifest:
    entries = tuple(stored(context, data, f"part {number}") for number, data in enumerate(parts))
    whole = frame.encode_frame(runs)
    size = sum(entry.size for entry in entries) + sum(map(len, runs))
    return Manifest("f", size, entries, stored(context, whole) if whole else None)


def content(manifest: Manifest, context: Context) -> bytes:
    return b"".join(restore_pieces(manifest, context))


def test_parts_and_runs_alternate(context: Context) -> None:
    manifest = manifest_of(context, [b"one", b"", b"two"], [b"<", b"", b"|", b">"])
    assert content(manifest, context) == b"<one|two>"


def test_without_a_frame_there_are_parts_alone(context: Context) -> None:
    assert content(manifest_of(context, [b"one", b"two"], []), context) == b"onetwo"
    assert content(Manifest("f", 0, ()), context) == b""


def test_small_parts_are_handed_on_together(context: Context) -> None:
    """Each piece is a system call of whoever takes it."""
    parts = [*(noise_bytes(1000, seed) for seed in range(200)), weight_bytes(BLOCK, 1), noise_bytes(1000, 201)]
    sizes = [len(piece) for piece in restore_pieces(manifest_of(context, parts, [b"-"] * 203), context)]
    assert len(sizes) == 5
    assert min(sizes[:-1]) >= 64_000


def test_large_and_small_parts_keep_their_order(context: Context) -> None:
    parts = [
        weight_bytes(100, 1),
        weight_bytes(WHOLE_LIMIT + 400, 2),
        *(noise_bytes(1000, seed) for seed in range(20)),
        weight_bytes(WHOLE_LIMIT + 8, 3),
    ]
    done: list[int] = []
    manifest = manifest_of(context, parts, [])
    assert content(manifest, context._replace(progress=done.append)) == b"".join(parts)
    assert sum(done) == manifest.size


@pytest.mark.parametrize("size", [0, 5, 7, 1 << 40])
def test_a_size_that_is_not_the_files_is_corrupt(context: Context, size: int) -> None:
    with pytest.raises(CorruptObject, match="manifest says"):
        content(manifest_of(context, [b"parts"], [b"", b"!"])._replace(size=size), context)


def test_a_part_with_other_values_is_corrupt_and_named(context: Context) -> None:
    manifest = manifest_of(context, [b"one", b"two"], [])
    one, two = manifest.entries
    swapped = manifest._replace(entries=(one, two._replace(storage=one.storage)))
    with pytest.raises(CorruptObject) as caught:
        content(swapped, context)
    assert caught.value.parameter == "part 1"


@pytest.mark.parametrize("runs", [[b"a"], [b"a", b"b", b"c"]])
def test_a_frame_of_another_file_is_corrupt(context: Context, runs: list[bytes]) -> None:
    manifest = manifest_of(context, [b"part"], [b"a", b"b"])
    other = stored(context, frame.encode_frame(runs))
    with pytest.raises(CorruptObject, match="frame"):
        content(manifest._replace(frame=other, size=4 + other.size - 16), context)


def test_l6_a_frame_that_claims_to_be_huge_is_not_read(context: Context) -> None:
    manifest = manifest_of(context, [b"part"], [b"a", b"b"])
    assert manifest.frame is not None
    huge = manifest._replace(frame=manifest.frame._replace(size=1 << 40), size=4 + (1 << 40) - 16)
    with pytest.raises(CorruptObject, match=f"frame of {1 << 40}"):
        content(huge, context)


def test_missing_objects_are_fetched(context: Context) -> None:
    manifest = manifest_of(context, [weight_bytes(1000)], [])
    (lost,) = manifest.objects()
    payload = context.store.get(lost).read()
    empty = context._replace(store=type(context.store)())
    asked: list[list[str]] = []

    def fetch(oids: Iterable[str]) -> list[str]:
        asked.append(list(oids))
        empty.store.put([payload])
        return []

    assert missing_objects(manifest, empty) == [lost]
    require_objects(manifest, empty._replace(fetch=fetch))
    assert asked == [[lost]]
    require_objects(manifest, empty)


def test_nothing_is_fetched_for_a_manifest_that_contradicts_itself(context: Context) -> None:
    manifest = manifest_of(context, [weight_bytes(1000)], [])
    forged = manifest._replace(size=manifest.size + 1)

    def fetch(_: object) -> list[str]:
        pytest.fail("nobody is asked")

    poor = context._replace(store=type(context.store)(), fetch=fetch)
    with pytest.raises(CorruptObject, match="the manifest says 1,001 bytes and its parts have 1,000"):
        require_objects(forged, poor)


def test_what_nobody_has_is_missing_by_name(context: Context) -> None:
    manifest = manifest_of(context, [weight_bytes(1000, 1), weight_bytes(1000, 2)], [])
    reason = "origin (/path): has no such objects"
    poor = context._replace(store=type(context.store)(), fetch=lambda _: [reason])
    with pytest.raises(MissingObject, match=r"2 of its objects are missing.* need them: part 0, part 1") as caught:
        require_objects(manifest, poor)
    assert caught.value.parameter == ""
    assert f"  {reason}\n" in caught.value.hint
    assert "push" in caught.value.hint
    assert "git restore" not in caught.value.hint  # which is for Git's own checkout
    with pytest.raises(MissingObject) as caught:
        require_objects(manifest_of(context, [weight_bytes(1000)], []), poor)
    assert caught.value.parameter == "part 0"


def test_an_object_of_another_size_is_missing(context: Context) -> None:
    manifest = manifest_of(context, [weight_bytes(1000)], [])
    (entry,) = manifest.entries
    longer = entry._replace(
        storage=entry.storage._replace(place=entry.storage.place._replace(bytes=entry.storage.place.bytes + 1))
    )
    assert missing_objects(manifest._replace(entries=(longer,)), context) == [entry.storage.place.object]
