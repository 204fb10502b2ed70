"""What manifests need: the objects, and the parts that each one holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from git_theta.errors import CorruptObject, ThetaError
from git_theta.manifest.model import Entry, Manifest
from git_theta.operations.restoring.restore import require_size


@dataclass(frozen=True)
class ManifestBlob:
    """A manifest that Git holds: the id of its blob, and a path that it stands for."""

    path: str
    blob: str
    manifest: Manifest


@dataclass(frozen=True)
class ObjectUse:
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
        work: bytes that ``verify`` is going to hash.
    """

    manifests: int = 0
    uses: dict[str, list[ObjectUse]] = field(default_factory=dict)
    unsound: list[Defect] = field(default_factory=list)

    @property
    def bytes_to_verify(self) -> int:
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


def take_inventory(manifests: Iterable[ManifestBlob]) -> Inventory:
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
                use = ObjectUse(part._replace(views=(), extra={}), held.path, held.blob)
                found.uses.setdefault(storage.object, []).append(use)
    return found


def needed_objects(manifests: Iterable[ManifestBlob]) -> dict[str, ObjectUse]:
    """The objects of the manifests, each with a part that needs it."""
    return {oid: uses[0] for oid, uses in take_inventory(manifests).uses.items()}


def object_sizes(needed: Mapping[str, ObjectUse]) -> dict[str, int]:
    """The bytes of each of these objects, as its manifest says."""
    return {oid: use.part.storage.bytes for oid, use in needed.items()}
