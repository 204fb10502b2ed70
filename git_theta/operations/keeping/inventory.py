"""What manifests need: the objects, and the parts that each one holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from git_theta.errors import CorruptObject, ThetaError
from git_theta.manifest.model import Entry
from git_theta.manifest.new_parts import NewParts
from git_theta.operations.keeping.object_parts import ObjectParts
from git_theta.operations.restoring.restore import require_same_size


@dataclass(frozen=True)
class ManifestBlob:
    """A manifest that Git holds: a path that it stands for, the id of its blob, and what no manifest before it had."""

    path: str
    blob: str
    new: NewParts

    def parts(self) -> Iterator[Entry]:
        """The new parts, each after its update bases, which are lost where they are damaged under the part's name."""
        for part in self.new.parts:
            if part.storage.coding.chain:
                yield from (base._replace(name=part.name, views=part.views) for base in part.storage.bases())
            yield part

    def first_uses(self, wanted: Callable[[Entry], bool] | None = None) -> dict[str, ObjectUse]:
        """The objects that the new parts need, those that are ``wanted``, each with the first of them."""
        first: dict[str, tuple[Entry, int]] = {}
        for part in self.parts():
            for oid, size in part.storage.place.objects() if wanted is None or wanted(part) else ():
                first.setdefault(oid, (part, size))
        return {oid: ObjectUse(part, self.path, self.blob, size) for oid, (part, size) in first.items()}


@dataclass(frozen=True)
class ObjectUse:
    """A part, or an update base of one, whose payload is in an object, and the first manifest that says so.

    Attributes:
        part: the first that needs the object.
        path, blob: the manifest's path, and the id of its blob.
        bytes: of the whole object.
    """

    part: Entry
    path: str
    blob: str
    bytes: int


@dataclass
class Inventory:
    """What manifests need.

    Attributes:
        manifests: path and blob of each; ``ObjectParts`` count them from 0.
        objects: object -> the parts whose payloads are in it, update bases among them; each distinct one once. A
            payload in several objects is in each of them.
        unsound: manifests whose parts do not add up to their file.
    """

    manifests: list[tuple[str, str]] = field(default_factory=list)
    objects: dict[str, ObjectParts] = field(default_factory=dict)
    unsound: list[Defect] = field(default_factory=list)

    @property
    def bytes_to_verify(self) -> int:
        """Bytes that ``verify_objects`` is going to hash."""
        return sum(parts.object_size + parts.decoded_size for parts in self.objects.values())

    def add(self, manifest: ManifestBlob) -> None:
        """Take note of what a manifest needs."""
        try:
            require_same_size(manifest.new.size, manifest.new.parts_size)
        except CorruptObject as error:
            self.unsound.append(Defect(error, "", manifest.path, manifest.blob, ()))
        for part in manifest.parts():
            for oid, _ in part.storage.place.objects():
                if oid not in self.objects:
                    self.objects[oid] = ObjectParts(oid)
                self.objects[oid].add(part, len(self.manifests))
        self.manifests.append((manifest.path, manifest.blob))


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
    """The objects of all manifests, and their parts. Memory: 120 bytes for each distinct part."""
    found = Inventory()
    for manifest in manifests:
        found.add(manifest)
        del manifest  # and its parts, before the next one is read
    for parts in found.objects.values():
        parts.drop_duplicates()
    return found


def needed_objects(
    manifests: Iterable[ManifestBlob], wanted: Callable[[Entry], bool] | None = None
) -> dict[str, ObjectUse]:
    """The objects of the manifests, each with a part that needs it. ``wanted``: of these parts alone."""
    needed: dict[str, ObjectUse] = {}
    for manifest in manifests:
        for oid, use in manifest.first_uses(wanted).items():
            needed.setdefault(oid, use)
        del manifest  # and its parts, before the next one is read
    return needed


def object_sizes(needed: Mapping[str, ObjectUse]) -> dict[str, int]:
    """The bytes of each of these objects, as its manifest says."""
    return {oid: use.bytes for oid, use in needed.items()}
