"""Parts in columns: they come back as they were, each distinct one once, the first one first."""

from __future__ import annotations

import hashlib

from git_theta.manifest.model import Coding, Entry, Place, Storage, UpdateBase, View
from git_theta.operations.keeping.object_parts import ObjectParts

OBJECT = "ab" * 32
RAW, PLANES = Coding("dense", "raw"), Coding("dense", "planes")
LINK = UpdateBase("cd" * 32, 4, "F32", (1,), PLANES, Place("ef" * 32, 9))
DELTA = Coding("delta", "planes", {"order": 1}, (LINK,))


def part(name: str | None, oid: int, at: int, coding: Coding = RAW, size: int = 4) -> Entry:
    return Entry(f"{oid:064x}", size, Storage(coding, Place(OBJECT, 1 << 40, (at, size))), name, "F32", (size // 4,))


def put(*parts: Entry) -> ObjectParts:
    found = ObjectParts(OBJECT)
    for number, one in enumerate(parts):
        found.add(one, number)
    return found


def test_parts_come_back_as_they_were() -> None:
    whole = Entry("12" * 32, 1 << 40, Storage(PLANES, Place(OBJECT, 1 << 33)))
    added = [part("b", 1, 1 << 39), part(None, 2, 0, DELTA), part("a", 3, 8, PLANES), whole]
    found = put(*added)
    *same, last = map(found.part, range(len(found)))
    assert same == added[:-1]
    assert last.storage.place.offset == 0 and last.storage.place.size == 1 << 33
    assert last._replace(storage=whole.storage) == whole
    assert found.object_size == 1 << 40
    assert list(found.manifests) == [0, 1, 2, 3]
    assert found.order_by_offset() == [1, 3, 2, 0]


def test_views_and_unknown_keys_are_not_kept() -> None:
    plain = part("a", 1, 0)
    assert put(plain._replace(views=(View("b", "F32", (1,)),), extra={"later": 1})).part(0) == plain


def test_the_first_of_parts_that_are_the_same_is_left() -> None:
    distinct = [part("a", 1, 4), part("b", 1, 0), part("c", 2, 0), part("d", 2, 0, PLANES), part("e", 2, 0, DELTA)]
    again = [one._replace(name="later", dtype="I32") for one in distinct]
    found = put(*distinct[:3], again[0], *distinct[3:], *again)
    found.drop_duplicates()
    assert found.names == ["a", "b", "c", "d", "e"]
    assert list(map(found.part, range(5))) == distinct
    assert list(found.manifests) == [0, 1, 2, 4, 5]


def test_update_bases_that_many_versions_name_take_no_more_room_than_twice_their_number() -> None:
    distinct = [part(str(number), number, 4 * number) for number in range(1500)]
    found, most = ObjectParts(OBJECT), 0
    for version in range(20):
        for one in distinct:
            found.add(one, version)
            most = max(most, len(found))
    assert most <= 2 * len(distinct)
    found.drop_duplicates()
    assert found.names == [one.name for one in distinct]
    assert set(found.manifests) == {0}


def test_a_part_whose_bytes_are_the_object_is_told_from_those_that_only_lie_in_it() -> None:
    place = Place(OBJECT, 4)
    own = Entry(OBJECT, 4, Storage(RAW, place), "own", "F32", (1,))
    others = [
        own._replace(storage=Storage(PLANES, place)),
        own._replace(oid="12" * 32),
        own._replace(size=5),
        own._replace(storage=Storage(RAW, Place(OBJECT, 8, (4, 4)))),
        own._replace(storage=Storage(RAW._replace(options={"x": 1}), place)),
    ]
    found = put(own, *others)
    assert [found.is_hashed(number) for number in range(len(found))] == [True] + [False] * len(others)
    assert found.decoded_size == sum(one.size for one in others)


def test_of_several_objects_the_first_has_the_part_and_the_others_pieces() -> None:
    other = "34" * 32
    place = Place(OBJECT, 4, None, ((other, 3), (OBJECT, 4)))
    large = Entry("12" * 32, 11, Storage(RAW, place), "large", "U8", (11,))
    first, second = put(large), ObjectParts(other)
    second.add(large, 0)
    assert (first.part(0), first.is_hashed(0), first.size_stated(0)) == (large, False, 4)
    assert (second.is_hashed(0), second.size_stated(0)) == (True, 3)
    assert (first.object_size, first.decoded_size, second.object_size, second.decoded_size) == (4, 11, 3, 0)


def test_a_forged_part_that_says_to_be_the_first_of_several_objects_is_decoded() -> None:
    forged = Entry(OBJECT, 4, Storage(RAW, Place(OBJECT, 4, None, (("34" * 32, 3),))), "forged", "F32", (1,))
    assert not put(forged).is_hashed(0)


def test_pieces_and_parts_of_one_object_are_told_apart() -> None:
    other = "34" * 32
    one = Entry("12" * 32, 8, Storage(RAW, Place(OBJECT, 4, None, ((other, 4),))), "one", "U8", (8,))
    places = [Place(OBJECT, 4), Place(OBJECT, 4, None, ((other, 5),)), Place(other, 4, None, ((OBJECT, 4),))]
    distinct = [one, *(one._replace(name=str(place.size), storage=Storage(RAW, place)) for place in places)]
    found = put(*distinct, *distinct)
    found.drop_duplicates()
    assert found.names == [each.name for each in distinct]


def test_plain_values_are_found_in_their_object_and_told_from_others() -> None:
    values = b"abcd"
    inside = Place(OBJECT, 9, (3, 4))
    plain = Entry(hashlib.sha256(values).hexdigest(), 4, Storage(RAW, inside), "plain", "U8", (4,))
    coded = plain._replace(storage=Storage(Coding("dense", "planes"), inside))
    several = plain._replace(storage=Storage(RAW, Place(OBJECT, 1, None, (("34" * 32, 3),))))
    found = put(plain, coded, several)
    assert [found.find_plain(number) for number in range(3)] == [(3, 4), None, None]
    assert found.holds(0, values)
    assert not found.holds(0, b"abce")
    assert not put(plain._replace(size=5)).holds(0, values)
