"""What manifests need, and who is said to need it."""

from __future__ import annotations

from git_theta.errors import CorruptObject
from git_theta.manifest.model import Coding, Entry, Place, Storage
from git_theta.manifest.new_parts import NewParts
from git_theta.operations.keeping.inventory import ManifestBlob, needed_objects, object_sizes, take_inventory

ONE, OTHER = "ab" * 32, "cd" * 32


def part(name: str, oid: int, holder: str, size: int = 16) -> Entry:
    return Entry(
        f"{oid:064x}", 4, Storage(Coding("dense", "raw"), Place(holder, size, (4 * oid, 4))), name, "F32", (1,)
    )


def manifests() -> list[ManifestBlob]:
    return [
        ManifestBlob("a", "blob-a", NewParts(8, 8, (part("x", 0, ONE), part("y", 1, OTHER)))),
        ManifestBlob("a", "blob-without-news", NewParts(8, 8, ())),
        ManifestBlob("b", "blob-b", NewParts(9, 8, (part("z", 2, ONE), part("renamed", 1, OTHER)))),
    ]


def test_each_object_is_listed_with_its_distinct_parts_and_the_first_manifest_of_each() -> None:
    found = take_inventory(manifests())
    assert found.manifests == [("a", "blob-a"), ("a", "blob-without-news"), ("b", "blob-b")]
    assert {oid: parts.names for oid, parts in found.objects.items()} == {ONE: ["x", "z"], OTHER: ["y"]}
    assert list(found.objects[ONE].manifests) == [0, 2]
    assert found.bytes_to_verify == 2 * 16 + 3 * 4


def test_a_part_in_several_objects_needs_each_of_them_with_its_own_size() -> None:
    place = Place(ONE, 16, None, ((OTHER, 5), (ONE, 16)))
    large = Entry("12" * 32, 37, Storage(Coding("dense", "raw"), place), "large", "U8", (37,))
    manifest = ManifestBlob("a", "blob-a", NewParts(41, 41, (large, part("x", 0, ONE))))
    found, needed = take_inventory([manifest]), needed_objects([manifest])
    assert {oid: parts.names for oid, parts in found.objects.items()} == {ONE: ["large", "x"], OTHER: ["large"]}
    assert found.bytes_to_verify == 16 + 5 + 37 + 4
    assert object_sizes(needed) == {ONE: 16, OTHER: 5} == large.storage.objects()
    assert {use.part.name for use in needed.values()} == {"large"}


def test_a_manifest_whose_parts_do_not_add_up_is_unsound() -> None:
    [defect] = take_inventory(manifests()).unsound
    assert (defect.path, defect.manifest, defect.object) == ("b", "blob-b", "")
    assert isinstance(defect.error, CorruptObject)


def test_each_needed_object_comes_with_the_first_part_that_needs_it() -> None:
    needed = needed_objects(manifests())
    assert {oid: (use.part.name, use.path, use.blob) for oid, use in needed.items()} == {
        ONE: ("x", "a", "blob-a"),
        OTHER: ("y", "a", "blob-a"),
    }
    assert object_sizes(needed) == {ONE: 16, OTHER: 16}
    assert needed_objects([]) == {}
