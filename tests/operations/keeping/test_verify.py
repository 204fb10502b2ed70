"""Reading every object for fsck: how far it is, is told of all that there is to do."""

from __future__ import annotations

import hashlib
import random

from git_theta.cli.progress import Meter
from git_theta.errors import CorruptObject, ThetaError
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

    def __call__(self, done: int) -> None:
        self.told.append(done)


def test_verifying_tells_of_as_many_bytes_as_it_was_said_to_have(context: Context) -> None:
    manifest = stored(context, checkpoint({"bias": bytes(500), "weight": bytes(70_000)}))
    new = ManifestReader().read_new_parts(encode_manifest(manifest))
    needed = take_inventory([ManifestBlob("model.safetensors", "blob", new)])
    meter = ListingMeter()
    assert list(verify_objects(needed, context.store, context.workers, meter)) == []
    assert sum(meter.told) == needed.bytes_to_verify > manifest.size


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
