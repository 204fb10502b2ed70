"""Reading every object for fsck: how far it is, is told of all that there is to do."""

from __future__ import annotations

import hashlib
import random

import pytest

from git_theta.cli.progress import Meter
from git_theta.errors import CorruptObject, MissingObject, ThetaError
from git_theta.manifest.model import Coding, Entry, Place, Storage
from git_theta.manifest.new_parts import ManifestReader, NewParts
from git_theta.manifest.text import encode_manifest
from git_theta.operations.context import Context
from git_theta.operations.keeping.inventory import ManifestBlob, take_inventory
from git_theta.operations.keeping.verify import verify_objects
from git_theta.store.memory import MemoryStore
from tests.operations.stored_checkpoints import checkpoint, stored


class ListingMeter(Meter):
    """Keeps what it is told, by any thread."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[int] = []
        self.items = 0

    def begin_item(self) -> None:
        self.items += 1

    def __call__(self, done: int) -> None:
        self.told.append(done)


def test_verifying_tells_of_as_many_bytes_as_it_was_said_to_have(context: Context) -> None:
    manifest = stored(context, checkpoint({"bias": bytes(500), "weight": bytes(70_000)}))
    new = ManifestReader().read_new_parts(encode_manifest(manifest))
    needed = take_inventory([ManifestBlob("model.safetensors", "blob", new)])
    meter = ListingMeter()
    assert list(verify_objects(needed, context.store, context.workers, meter)) == []
    assert sum(meter.told) == needed.bytes_to_verify > manifest.size
    assert meter.items == len(manifest.objects())


def find_defects(context: Context, *parts: Entry) -> list[tuple[type[ThetaError], str, tuple[str, ...]]]:
    size = sum(part.size for part in parts)
    needed = take_inventory([ManifestBlob("model.safetensors", "blob", NewParts(size, size, parts))])
    found = list(verify_objects(needed, context.store, context.workers, Meter()))
    return [(type(defect.error), defect.error.message, defect.parameters) for defect in found]


def damage(context: Context, oid: str, content: bytes | bytearray) -> None:
    assert isinstance(context.store, MemoryStore)
    context.store._objects[oid] = bytes(content)


NOISE = random.Random(0).randbytes(70_000)


def test_a_part_that_is_its_object_is_hashed_once_and_lost_with_it(context: Context) -> None:
    put = context.store.put([NOISE])
    own = Entry(put.oid, put.size, Storage(Coding("dense", "raw"), Place(*put)), "own", "U8", (put.size,))
    needed = take_inventory([ManifestBlob("model.safetensors", "blob", NewParts(put.size, put.size, (own,)))])
    assert needed.bytes_to_verify == len(NOISE)
    assert find_defects(context, own) == []
    longer = own._replace(size=put.size + 1, storage=Storage(own.storage.coding, Place(put.oid, put.size + 1)))
    forged = "is intact, but not what the manifest says it is"
    assert find_defects(context, longer) == [(CorruptObject, forged, ("own",))]
    start = own._replace(oid=hashlib.sha256(NOISE[:9]).hexdigest(), size=9, name="start")
    start = start._replace(storage=Storage(own.storage.coding, Place(put.oid, put.size, (0, 9))))
    for content in (NOISE[:-1] + b"?", NOISE + b"?"):
        damage(context, put.oid, content)
        lost = ("own",) if len(content) == put.size else ("start", "own")
        expected = [(CorruptObject, "is damaged: its bytes have another hash", lost)]
        assert find_defects(context, start, own) == expected


PIECES = [NOISE[at : at + 30_000] for at in range(0, 70_000, 30_000)]
DAMAGED = "is damaged: its bytes have another hash"


def put_large(context: Context, *pieces: bytes, name: str = "large") -> Entry:
    """A part that is in an object for each of these pieces of it."""
    content = b"".join(pieces)
    place = Place.of_objects([context.store.put([piece]) for piece in pieces])
    oid = hashlib.sha256(content).hexdigest()
    return Entry(oid, len(content), Storage(Coding("dense", "raw"), place), name, "U8", (len(content),))


@pytest.mark.parametrize("lost", range(3))
def test_of_several_objects_the_one_that_is_damaged_is_named_with_the_part(context: Context, lost: int) -> None:
    large, small = put_large(context, *PIECES), put_large(context, b"small", name="small")
    assert find_defects(context, large, small) == []
    oid, _ = large.storage.place.objects()[lost]
    needed = take_inventory([ManifestBlob("m", "blob", NewParts(70_005, 70_005, (large, small)))])
    for content in (PIECES[lost][:-1] + b"?", PIECES[lost][:-1], PIECES[lost] + b"?", b""):
        damage(context, oid, content)
        [defect] = verify_objects(needed, context.store, context.workers, Meter())
        assert (defect.object, defect.error.message, defect.parameters) == (oid, DAMAGED, ("large",))
    context.store.delete(oid)
    [defect] = verify_objects(needed, context.store, context.workers, Meter())
    assert (defect.object, type(defect.error), defect.parameters) == (oid, MissingObject, ("large",))


def test_verifying_several_objects_tells_of_each_byte_once_and_of_the_part_once(context: Context) -> None:
    large = put_large(context, *PIECES)
    needed = take_inventory([ManifestBlob("m", "blob", NewParts(70_000, 70_000, (large,)))])
    meter = ListingMeter()
    assert list(verify_objects(needed, context.store, context.workers, meter)) == []
    assert sum(meter.told) == needed.bytes_to_verify == 2 * len(NOISE)


def test_objects_that_repeat_and_are_shared_are_verified(context: Context) -> None:
    a, b = PIECES[:2]
    parts = [
        put_large(context, a, b, a, name="aba"),
        put_large(context, b, a, name="ba"),
        put_large(context, a, name="a"),
    ]
    assert find_defects(context, *parts) == []
    damage(context, hashlib.sha256(b).hexdigest(), b[:-1] + b"?")
    assert find_defects(context, *parts) == [(CorruptObject, DAMAGED, ("aba", "ba"))]


def test_a_series_that_was_forged_is_told_from_one_that_is_damaged(context: Context) -> None:
    large = put_large(context, *PIECES)
    first, *others = large.storage.place.objects()
    forged = "is intact, but not what the manifest says it is"
    for objects in ([first, *reversed(others)], [first, others[0]], [first, *others, first]):
        place = Place.of_objects(objects)
        lie = large._replace(storage=large.storage._replace(place=place))
        assert find_defects(context, lie) == [(CorruptObject, forged, ("large",))]
    longer = Place.of_objects([first, (others[0][0], others[0][1] + 1), others[1]])
    lie = large._replace(storage=large.storage._replace(place=longer))
    assert (CorruptObject, forged, ("large",)) in find_defects(context, lie)


def test_of_a_bundle_those_parts_are_lost_that_its_damaged_bytes_make(context: Context) -> None:
    manifest = stored(context, checkpoint({name: NOISE[at : at + 1000] for at, name in enumerate("abcdef")}))
    [oid] = {entry.storage.place.object for entry in manifest.entries}
    content = context.store.get(oid).read()
    at = {entry.name: entry.storage.place.offset for entry in manifest.entries}
    for lost in (("b",), ("a", "e"), ("f",)):
        bytes_now = bytearray(content)
        for name in lost:
            bytes_now[at[name] + 10] ^= 1
        damage(context, oid, bytes_now)
        [found] = find_defects(context, *manifest.parts())
        assert found == (CorruptObject, "is damaged: its bytes have another hash", lost)
    damage(context, oid, content)
    assert find_defects(context, *manifest.parts()) == []


def test_plain_parts_of_a_bundle_that_claim_other_bytes_or_another_size_are_forged(context: Context) -> None:
    put = context.store.put([NOISE])
    coding, forged = Coding("dense", "raw"), "is intact, but not what the manifest says it is"

    def part(name: str, at: int, size: int, values: bytes) -> Entry:
        storage = Storage(coding, Place(put.oid, put.size, (at, size)))
        return Entry(hashlib.sha256(values).hexdigest(), len(values), storage, name, "U8", (len(values),))

    good, other = part("good", 5, 9, NOISE[5:14]), part("other", 20, 9, NOISE[21:30])
    short, long = part("short", 40, 9, NOISE[40:48]), part("long", 60, 9, NOISE[60:70])
    expected = [(CorruptObject, forged, (name,)) for name in ("other", "short", "long")]
    assert find_defects(context, good, other, short, long) == expected
