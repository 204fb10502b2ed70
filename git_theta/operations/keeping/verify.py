"""Whether every object of these manifests is here, whole, and what they say it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import NamedTuple

from git_theta.errors import CorruptObject, MissingObject, ThetaError
from git_theta.manifest.model import Entry
from git_theta.operations.context import Progress
from git_theta.operations.engines.base import Engine
from git_theta.operations.keeping.hashed_object import HashedObject
from git_theta.operations.keeping.inventory import Defect, Inventory
from git_theta.operations.keeping.object_parts import ObjectParts
from git_theta.parameters.value_decoding import read_values
from git_theta.store.base import ObjectReader, Store, is_intact
from git_theta.tensors.arrays import BLOCK


def verify_objects(needed: Inventory, store: Store, engine: Engine, progress: Progress) -> Iterator[Defect]:
    """Read every object and rebuild every part, a task for each object, a block at a time; what is wrong with them.

    An object is read once, but for those that a part needs beside its first: update bases, and the rest of a series.
    """
    verify = partial(verify_object, store=store, progress=progress)
    for parts, damages in zip(needed.objects.values(), engine.map(verify, needed.objects.values()), strict=True):
        for damage in damages:
            yield _make_defect(damage, parts, needed.manifests)


class Damage(NamedTuple):
    """What is wrong with an object, and the numbers of the parts that are lost with it, the first one first."""

    error: ThetaError
    parts: Sequence[int]


def worst_exit_code(defects: Iterable[Defect]) -> int:
    """0 for none; else that of what is worst: corrupt, then missing, then what could not be checked."""
    codes = {defect.error.exit_code for defect in defects}
    worst = (CorruptObject.exit_code, MissingObject.exit_code, *sorted(codes), 0)
    return next(code for code in worst if code in codes or code == 0)


def describe_loss(error: ThetaError, parts: ObjectParts, manifests: Sequence[tuple[str, str]]) -> Defect:
    """The defect of an object that is lost whole, where it should be."""
    return _make_defect(Damage(error, range(len(parts))), parts, manifests)


def verify_object(parts: ObjectParts, store: Store, progress: Progress) -> list[Damage]:
    """What is wrong with an object, and the parts in it: a task."""
    progress.begin_item()
    everything = list(range(len(parts)))
    size = store.size(parts.oid)
    if size is None:
        return [Damage(MissingObject("is missing"), everything)]
    try:
        with closing(HashedObject(parts.oid, store, progress)) as hashed:
            damaged = {at for at in parts.order_by_offset() if not _is_intact(parts, at, size, hashed, progress)}
            digest = hashed.digest()
    except OSError as error:
        return [Damage(ThetaError(f"cannot be read: {error.strerror}"), everything)]
    except ThetaError as error:  # a serializer that is not installed here
        return [Damage(error, everything)]
    if digest != parts.oid:
        damaged.update(filter(parts.is_hashed, everything))
        return [Damage(CorruptObject("is damaged: its bytes have another hash"), sorted(damaged) or everything[:1])]
    forged = CorruptObject("is intact, but not what the manifest says it is")
    return [Damage(forged, [at]) for at in sorted(damaged)]


def _make_defect(damage: Damage, parts: ObjectParts, manifests: Sequence[tuple[str, str]]) -> Defect:
    """One defect, with the first file that needs the object."""
    first = parts.manifests[damage.parts[0]]
    names = (parts.names[at] for at in damage.parts if parts.manifests[at] == first)
    path, blob = manifests[first]
    return Defect(damage.error, parts.oid, path, blob, tuple(name for name in names if name is not None))


def _is_intact(parts: ObjectParts, number: int, size: int, hashed: HashedObject, progress: Progress) -> bool:
    """Whether the object, of ``size`` bytes, gives the part back, as far as the object can do something about it."""
    plain = parts.find_plain(number)
    if parts.is_hashed(number):
        pass
    elif plain and plain[1] <= BLOCK:  # as many of a hundred thousand small parts lie there
        values = hashed.read_at(*plain)
        progress(len(values))
        if not parts.holds(number, values):
            return False
    else:
        part = parts.part(number)
        try:
            for piece in read_values(part, hashed, map):
                progress(len(piece))
        except (CorruptObject, MissingObject):
            is_elsewhere = not _is_readable(list(part.storage.bases())[-1:], hashed)
            return is_elsewhere or not all(is_intact(hashed, oid) for oid, _ in part.storage.place.rest)
    return parts.size_stated(number) == size


def _is_readable(bases: list[Entry], store: ObjectReader) -> bool:
    """Whether the part that another one builds on can be read: else that is told of its own object."""
    try:
        for base in bases:
            deque(read_values(base, store, map), maxlen=0)
    except (CorruptObject, MissingObject):
        return False
    return True
