"""Whether every object of these manifests is here, whole, and what they say it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial

from git_theta import parameters
from git_theta.errors import CorruptObject, MissingObject, ThetaError
from git_theta.manifest.model import Entry
from git_theta.operations.context import Progress
from git_theta.operations.keeping.hashed_object import HashedObject
from git_theta.operations.keeping.inventory import Defect, ObjectUse
from git_theta.operations.workers import Workers
from git_theta.store.base import ObjectReader, Store


def verify_objects(
    uses: dict[str, list[ObjectUse]], store: Store, workers: Workers, progress: Progress
) -> Iterator[Defect]:
    """Read every object and rebuild every part, on worker threads, a block at a time; what is wrong with them."""
    for defects in workers.map(partial(_verify_object, store=store, progress=progress), uses.items()):
        yield from defects


def worst_exit_code(defects: Iterable[Defect]) -> int:
    """0 for none; else that of what is worst: corrupt, then missing, then what could not be checked."""
    codes = {defect.error.exit_code for defect in defects}
    worst = (CorruptObject.exit_code, MissingObject.exit_code, *sorted(codes), 0)
    return next(code for code in worst if code in codes or code == 0)


def _verify_object(item: tuple[str, list[ObjectUse]], store: Store, progress: Progress) -> list[Defect]:
    oid, uses = item
    progress.begin_item()
    size = store.size(oid)
    if size is None:
        return [_make_defect(MissingObject("is missing"), uses)]
    try:
        with closing(HashedObject(oid, store, progress)) as hashed:
            in_order = sorted(uses, key=lambda use: use.part.storage.place.offset)
            intact = {id(use): _is_intact(use.part, size, hashed, progress) for use in in_order}
            digest = hashed.digest()
    except OSError as error:
        return [_make_defect(ThetaError(f"cannot be read: {error.strerror}"), uses)]
    except ThetaError as error:  # a serializer that is not installed here
        return [_make_defect(error, uses)]
    damaged = [use for use in uses if not intact[id(use)]]
    if digest != oid:
        return [_make_defect(CorruptObject("is damaged: its bytes have another hash"), damaged or uses[:1])]
    return [_make_defect(CorruptObject("is intact, but not what the manifest says it is"), [use]) for use in damaged]


def _make_defect(error: ThetaError, uses: list[ObjectUse]) -> Defect:
    """One defect, with the first file that needs the object."""
    first = uses[0]
    names = (use.part.name for use in uses if use.blob == first.blob)
    return Defect(error, first.object, first.path, first.blob, tuple(name for name in names if name is not None))


def _is_intact(part: Entry, size: int, store: ObjectReader, progress: Callable[[int], None]) -> bool:
    """Whether the object, of ``size`` bytes, gives the part back, as far as the object can do something about it."""
    try:
        for piece in parameters.read_values(part, store, map):
            progress(len(piece))
    except (CorruptObject, MissingObject):
        return not _is_readable(list(part.storage.bases())[-1:], store)
    return part.storage.place.bytes == size


def _is_readable(bases: list[Entry], store: ObjectReader) -> bool:
    """Whether the part that another one builds on can be read: else that is told of its own object."""
    try:
        for base in bases:
            deque(parameters.read_values(base, store, map), maxlen=0)
    except (CorruptObject, MissingObject):
        return False
    return True
