"""The parameters of a version stored otherwise. Its identity stays, so that who compares versions sees nothing."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

from git_theta.errors import CorruptObject, MissingObject
from git_theta.manifest.model import DENSE, Entry, Manifest, Storage, UpdateBase, stored_bytes
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.part_writer import PartWriter
from git_theta.operations.adding.update_bases import UpdateBases
from git_theta.operations.context import Context
from git_theta.parameters.preferences import Preferences
from git_theta.parameters.stored_values import StoredValues
from git_theta.parameters.value_encoding import encode_values

_Identity = tuple[str, str, tuple[int, ...]]


class RepackChoice(NamedTuple):
    """A part that is to be stored otherwise, the bytes that its payload has then, and on which chain of bases."""

    entry: Entry
    size: int
    chain: tuple[UpdateBase, ...]

    @property
    def saved(self) -> int:
        """Bytes by which it gets smaller; less than none where it gets larger."""
        return self.entry.storage.place.size - self.size


def as_dense(preferences: Preferences) -> Preferences:
    """The same, without update bases."""
    return preferences._replace(updates=(DENSE,))


def choose_repacks(manifest: Manifest, bases: UpdateBases, context: Context) -> list[RepackChoice]:
    """The parameters that take fewer bytes on the bases they have now; nothing is stored.

    Where the preferences want no bases, those that have one: they lose it, whatever that takes. And what the version
    then needs a small share of an object for, the frame, say: else whoever has it alone has all of that object for it.

    Raises MissingObject, CorruptObject where a parameter itself cannot be read, which is named.
    """
    wants_base = context.preferences().wants_base()
    tried = [one for one in _distinct(manifest.parameters()) if wants_base or one.storage.coding.chain]
    chosen = context.workers.map(partial(_measure_again, bases=bases, context=context), tried)
    found = [one for one in chosen if one]
    if wants_base:
        return found
    stranded = _find_stranded(manifest, {_identity(one.entry) for one in found})
    return found + [one for part in stranded if (one := _measure_again(part, bases, context))]


def _find_stranded(manifest: Manifest, moved: Collection[_Identity]) -> list[Entry]:
    """Parts in objects of which this version needs less than half, when those that are moved have left."""
    left = [part for part in _distinct(manifest.parts()) if _identity(part) not in moved]
    places = {place for part in left for place in part.storage.places()}
    needed: Counter[str] = Counter()
    for place in places:
        needed[place.object] += place.size
    wasted = {place.object for place in places if not place.rest and 2 * needed[place.object] < place.bytes}
    return [part for part in left if any(place.object in wasted for place in part.storage.places())]


def repack_manifest(
    manifest: Manifest, chosen: Sequence[RepackChoice], bases: UpdateBases, context: Context
) -> Manifest:
    """The same file, with these parts stored otherwise; all of it is durable (L5)."""
    known = KnownParts(context, None)
    with closing(PartWriter(context, known, bases)) as writer:
        for choice in chosen:
            writer.add_again(choice.entry)
        storages = {_identity(entry): entry.storage for entry in writer.entries()}

    def as_chosen(entry: Entry) -> Entry:
        return entry._replace(storage=storages.get(_identity(entry), entry.storage))

    frame = as_chosen(manifest.frame) if manifest.frame else None
    return manifest._replace(entries=tuple(map(as_chosen, manifest.entries)), frame=frame)


def object_bytes(manifest: Manifest, chosen: Sequence[RepackChoice] = ()) -> int:
    """Bytes of all objects that the version needs, as far as its parts have them to themselves or not; with these parts
    stored otherwise.
    """
    moved = {_identity(one.entry) for one in chosen}
    left = (part for part in manifest.parts() if _identity(part) not in moved)
    objects = dict(pair for part in left for pair in part.storage.objects().items())
    return sum(objects.values()) + sum(one.size for one in chosen)


def stored_after(manifest: Manifest, chosen: Sequence[RepackChoice]) -> int:
    """As ``stored_bytes`` of its parameters, with these of its parts stored otherwise."""
    named = [one for one in chosen if one.entry.name is not None]
    moved = {_identity(one.entry) for one in named}
    left = [part for part in manifest.parameters() if _identity(part) not in moved]
    bases = [Entry(link.oid, link.size, Storage(link.coding, link.place)) for one in named for link in one.chain]
    return stored_bytes([*left, *bases]) + sum(one.size for one in named)


def _measure_again(entry: Entry, bases: UpdateBases, context: Context) -> RepackChoice | None:
    """What storing a parameter once more comes to; None where it stays as it is. Waits for nobody."""
    base = bases.find_base(entry.name, entry.size, map, entry.oid)
    values = StoredValues(entry, context.store)
    try:
        encoding = encode_values(values, map, context.preferences(), base)
        size = sum(map(len, encoding.payload))
    except (CorruptObject, MissingObject) as error:
        deque(values.blocks(), maxlen=0)  # which raises where it is not the base that is damaged
        bases.note_damage(entry.name or "", error.message)
        return None
    if encoding.warning:
        bases.note_damage(entry.name or "", encoding.warning)
    context.progress(entry.size)
    choice = RepackChoice(entry, size, encoding.coding.chain)
    if not context.preferences().wants_base():
        return choice
    return choice if encoding.coding.chain and choice.saved > 0 else None


def _distinct(entries: Iterable[Entry]) -> list[Entry]:
    """One of each that are the same but for their names."""
    return list({_identity(entry): entry for entry in entries}.values())


def _identity(entry: Entry) -> _Identity:
    return entry.oid, entry.dtype, entry.shape
