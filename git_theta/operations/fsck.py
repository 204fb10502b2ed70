"""Whether every object of these manifests is here, whole, and what they say it is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from git_theta import parameters
from git_theta.errors import CorruptObject, MissingObject, ThetaError
from git_theta.manifest.model import Entry, Manifest
from git_theta.operations.restore import require_size
from git_theta.operations.workers import Workers
from git_theta.store.base import Store

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Held:
    """A manifest that Git holds: the id of its blob, and a path that it stands for."""

    path: str
    blob: str
    manifest: Manifest


@dataclass(frozen=True)
class Use:
    """A part whose bytes are in an object, and the first manifest that says so."""

    part: Entry
    path: str
    blob: str


@dataclass
class Inventory:
    """What manifests need.

    Attributes:
        manifests: how many there are.
        uses: object -> its parts, each distinct one once.
        unsound: manifests whose parts do not add up to their file.
        work: bytes that :func:`verify` is going to hash.
    """

    manifests: int = 0
    uses: dict[str, list[Use]] = field(default_factory=dict)
    unsound: list[Defect] = field(default_factory=list)

    @property
    def work(self) -> int:
        return sum(uses[0].part.storage.bytes + sum(use.part.size for use in uses) for uses in self.uses.values())


@dataclass(frozen=True)
class Defect:
    """Something that keeps files from being restored.

    Attributes:
        error: MissingObject, CorruptObject, or why the object could not be checked; says what is wrong.
        object: the object's id; "" where it is the manifest itself.
        path, manifest: a file that needs it, and the id of that manifest's blob.
        parameters: the parameters of it that are lost, as far as they have names.
    """

    error: ThetaError
    object: str
    path: str
    manifest: str
    parameters: tuple[str, ...]


def inventory(manifests: Iterable[Held]) -> Inventory:
    """The objects of all manifests. Memory: one entry per distinct part."""
    found = Inventory()
    seen: set[tuple[object, ...]] = set()
    for held in manifests:
        found.manifests += 1
        try:
            require_size(held.manifest)
        except CorruptObject as error:
            found.unsound.append(Defect(error, "", held.path, held.blob, ()))
        for part in held.manifest.parts():
            storage = part.storage
            key = (
                storage.object,
                part.oid,
                part.size,
                storage.bytes,
                storage.range,
                storage.update,
                storage.serializer,
            )
            if key not in seen:
                seen.add(key)
                use = Use(part._replace(views=(), extra={}), held.path, held.blob)
                found.uses.setdefault(storage.object, []).append(use)
    return found


def verify(
    uses: dict[str, list[Use]], store: Store, workers: Workers, progress: Callable[[int], None]
) -> Iterator[Defect]:
    """Read every object and rebuild every part, on worker threads, a block at a time; what is wrong with them."""
    for defects in workers.map(partial(_defects, store=store, progress=progress), uses.items()):
        yield from defects


def exit_code(defects: Iterable[Defect]) -> int:
    """0 for none; else that of what is worst: corrupt, then missing, then what could not be checked."""
    codes = {defect.error.exit_code for defect in defects}
    worst = (CorruptObject.exit_code, MissingObject.exit_code, *sorted(codes), 0)
    return next(code for code in worst if code in codes or code == 0)


def _defects(item: tuple[str, list[Use]], store: Store, progress: Callable[[int], None]) -> list[Defect]:
    oid, uses = item
    size = store.size(oid)
    if size is None:
        return [_defect(MissingObject("is missing"), uses)]
    try:
        digest = _digest(oid, store, progress)
        damaged = [use for use in uses if not _intact(use.part, size, store, progress)]
    except OSError as error:
        return [_defect(ThetaError(f"cannot be read: {error.strerror}"), uses)]
    except ThetaError as error:  # a serializer that is not installed here
        return [_defect(error, uses)]
    if digest != oid:
        return [_defect(CorruptObject("is damaged: its bytes have another hash"), damaged or uses[:1])]
    return [_defect(CorruptObject("is intact, but not what the manifest says it is"), [use]) for use in damaged]


def _defect(error: ThetaError, uses: list[Use]) -> Defect:
    """One defect, told by the first file that suffers from it."""
    first = uses[0]
    names = (use.part.name for use in uses if use.blob == first.blob)
    return Defect(
        error, first.part.storage.object, first.path, first.blob, tuple(name for name in names if name is not None)
    )


def _digest(oid: str, store: Store, progress: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with closing(store.get(oid)) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            progress(len(block))
    return digest.hexdigest()


def _intact(part: Entry, size: int, store: Store, progress: Callable[[int], None]) -> bool:
    """Whether the object, of ``size`` bytes, gives the part back."""
    try:
        for piece in parameters.read(part, store, map):
            progress(len(piece))
    except CorruptObject:
        return False
    return part.storage.bytes == size
