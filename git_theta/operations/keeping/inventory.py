"""What manifests need: the objects, and the parts that each one holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from git_theta.errors import CorruptObject, ThetaError
from git_theta.manifest.model import Entry, Manifest
from git_theta.operations.restoring.restore import require_size

_NO_EXTRA: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class ManifestBlob:
    """A manifest that Git holds: the id of its blob, and a path that it stands for."""

    path: str
    blob: str
    manifest: Manifest


@dataclass(frozen=True, slots=True)  # there is one for each part of each version
class ObjectUse:
    """A part, or an update base of one, whose payload is in an object, and the first manifest that says so."""

    part: Entry
    path: str
    blob: str

    @property
    def object(self) -> str:
        """The object's id."""
        return self.part.storage.place.object

    @property
    def bytes(self) -> int:
        """Bytes of the whole object."""
        return self.part.storage.place.bytes


@dataclass
class Inventory:
    """What manifests need.

    Attributes:
        manifests: how many there are.
        uses: object -> the parts whose payloads are in it, update bases among them; each distinct one once.
        unsound: manifests whose parts do not add up to their file.
        work: bytes that ``verify`` is going to hash.
    """

    manifests: int = 0
    uses: dict[str, list[ObjectUse]] = field(default_factory=dict)
    unsound: list[Defect] = field(default_factory=list)

    @property
    def bytes_to_verify(self) -> int:
        return sum(uses[0].bytes + sum(use.part.size for use in uses) for uses in self.uses.values())


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
            for one in (*_named_bases(part), part):
                if (key := _distinguish(one)) not in seen:
                    seen.add(key)
                    bare = one._replace(views=(), extra=_NO_EXTRA) if one.views or one.extra else one
                    use = ObjectUse(bare, held.path, held.blob)
                    found.uses.setdefault(use.object, []).append(use)
    return found


def _named_bases(part: Entry) -> Iterable[Entry]:
    """The update bases of a part, which are lost where they are damaged under the part's name."""
    return (base._replace(name=part.name) for base in part.storage.bases())


def _distinguish(part: Entry) -> tuple[object, ...]:
    """What makes a part another one to verify."""
    coding, place, _ = part.storage
    how = repr(coding) if coding.options or coding.chain else _name_coding(coding.update, coding.serializer)
    return part.oid, part.size, place, how


@lru_cache(1 << 8)
def _name_coding(update: str, serializer: str) -> str:
    """One text for all parts that are stored so."""
    return repr((update, serializer))


def needed_objects(manifests: Iterable[ManifestBlob]) -> dict[str, ObjectUse]:
    """The objects of the manifests, each with a part that needs it."""
    return {oid: uses[0] for oid, uses in take_inventory(manifests).uses.items()}


def object_sizes(needed: Mapping[str, ObjectUse]) -> dict[str, int]:
    """The bytes of each of these objects, as its manifest says."""
    return {oid: use.bytes for oid, use in needed.items()}
