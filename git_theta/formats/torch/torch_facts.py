"""What a torch archive says beside its tensors, by key; and an archive that says some of it as another one does.

Keys are those of the pickled dicts, joined by dots; ``KEY (tensor)`` is how a tensor is kept (device, gradient,
quantiser), ``KEY (type)`` what holds the values, and ``NAME (member)`` another member of the archive.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from hashlib import sha256
from typing import NamedTuple

from git_theta.formats.base import Fact, Part, Source, Template
from git_theta.formats.pickle.pickle_arrays import array_of
from git_theta.formats.pickle.pickle_facts import PickledFacts, read_pickled_facts
from git_theta.formats.pickle.pickle_leaves import digest_value
from git_theta.formats.pickle.pickle_records import Call, Global, PersistentId
from git_theta.formats.pickle.pickle_takes import FactTaker
from git_theta.formats.pickle.pickle_writer import check_repeatable
from git_theta.formats.template import TemplateSource, place_parts
from git_theta.formats.torch.edited_table import ORDERED_DICT
from git_theta.formats.torch.torch_build import ArchiveRebuilder
from git_theta.formats.torch.torch_pickles import read_member_pickle, read_small_member
from git_theta.formats.torch.torch_quantizers import describe_quantizer, is_bound, take_quantizer
from git_theta.formats.torch.torch_revise import STORAGE_TAG
from git_theta.formats.torch.torch_tensors import REBUILD_FUNCTIONS
from git_theta.formats.zip.zip_directory import Member
from git_theta.tensors.values import MemoryValues

_SMALL = 64
"""Bytes of a member that is a plain value: a version, the byte order."""
_DERIVED = frozenset((".data/serialization_id",))
_WINDOW_ARGUMENTS = 4
_USUAL_ARGUMENTS = 6
_REBUILD = Global("torch._utils", "_rebuild_tensor_v2")
_DTYPE_ARGUMENT = 6
PICKLES = (("data", ""), ("constants", "constants"))
"""What each pickle of an archive is called, with the name that its tensors go under."""


class StoragePlace(NamedTuple):
    """Where the bytes of a storage are in the file."""

    offset: int
    size: int


class TensorFacts:
    """How the tensors of a pickle are kept; what the frame holds of their values with it.

    Args:
        source: the file.
        spanned: offsets of tensors that are in the manifest.
        places: the storages, by key.

    Attributes:
        told: keys of the storages whose bytes are in the facts.
    """

    def __init__(self, source: Source, spanned: Container[int], places: Mapping[str, StoragePlace]) -> None:
        self._source = source
        self._spanned = spanned
        self._places = places
        self._usual: dict[tuple[object, ...] | None, Fact] = {}
        self.told: set[str] = set()

    def tell_tensor(self, value: object, path: str) -> Fact | None:
        """How a tensor is kept; what the frame holds of its values with it."""
        array = array_of(value)
        if array and array.place.offset in self._spanned:
            return Fact(sha256(array.kind.encode()).digest(), array.kind, tensor=path)
        function = value.function if isinstance(value, Call) else None
        is_tensor = isinstance(function, Global) and function.module in ("torch._utils", "torch._tensor")
        if not is_tensor and not isinstance(value, PersistentId):
            return None
        usual = self._find_usual(value)
        if usual not in self._usual:
            fact = self._describe_tensor(value)
            if usual is None:
                return fact._replace(tensor=path)
            self._usual[usual] = fact
        return self._usual[usual]._replace(tensor=path)

    def _find_usual(self, value: object) -> tuple[object, ...] | None:
        """What tells how a plain tensor is kept, as nearly all are; None where all of the call has to be looked at."""
        if not isinstance(value, Call) or value.function != _REBUILD or len(value.arguments) != _USUAL_ARGUMENTS:
            return None
        storage, *_, gradient, hooks = value.arguments
        identity = storage.identity if isinstance(storage, PersistentId) else None
        if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != STORAGE_TAG:
            return None
        place = self._places.get(identity[2])
        plain = isinstance(hooks, Call) and hooks.function == ORDERED_DICT and not hooks.pairs and hooks.state is None
        if not plain or type(gradient) is not bool or not isinstance(identity[3], str) or value.state is not None:
            return None
        return (identity[3], gradient) if place and place.offset in self._spanned else None

    def _describe_tensor(self, value: object) -> Fact:
        devices: list[str] = []
        framed: list[StoragePlace] = []
        bound: list[object] = []

        def simplify(inner: object) -> object:
            if is_bound(inner):
                bound.append(inner)
            if isinstance(inner, PersistentId):
                return self._simplify_storage(inner, devices, framed)
            return simplify_rebuild(inner)

        digest = digest_value(value, simplify)
        text = f"a tensor on {devices[0]}" if devices else "a tensor"
        quantised = describe_quantizer(value)
        return Fact(digest, f"{text}, {quantised}" if quantised else text, not framed, bound=bool(bound))

    def _simplify_storage(self, value: PersistentId, devices: list[str], framed: list[StoragePlace]) -> object:
        """A storage without what the manifest tells: its device, and its bytes where they are in the frame."""
        identity = value.identity
        if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != STORAGE_TAG:
            return value
        key, device = identity[2], identity[3]
        devices.append(str(device)[:_SMALL])
        place = self._places.get(key)
        if place is None or not place.size or place.offset in self._spanned:
            return (STORAGE_TAG, device)
        framed.append(place)
        self.told.add(key)
        return (STORAGE_TAG, device, self._source.read(place.offset, place.size))


class ArchiveFacts:
    """The facts of an archive.

    Args:
        like: the archive.
        members: its members.
        prefix: the folder that they are in.

    Raises FormatError where a pickle cannot be read.
    """

    def __init__(self, like: Template, members: Mapping[str, Member], prefix: str) -> None:
        self._source = TemplateSource(like)
        self._members = {name.removeprefix(prefix): member for name, member in members.items()}
        self._spanned = {span.offset for span in like.spans}
        self._told: set[str] = set()
        self.roots: dict[str, object] = {}
        self.pickled: dict[str, PickledFacts] = {}
        for pickle, top in PICKLES:
            if member := self._members.get(f"{pickle}.pkl"):
                folder = f"{pickle}/"
                places = {
                    name.removeprefix(folder): StoragePlace(one.offset, one.size)
                    for name, one in self._members.items()
                    if name.startswith(folder)
                }
                teller = TensorFacts(self._source, self._spanned, places)
                self.roots[pickle] = read_member_pickle(self._source, member, self._spanned)
                self.pickled[pickle] = read_pickled_facts(self.roots[pickle], top, teller.tell_tensor)
                self._told |= {folder + key for key in teller.told}

    def read_pickle(self, pickle: str) -> bytes:
        """A pickle of the archive, as it is there."""
        return read_small_member(self._source, self._members[f"{pickle}.pkl"])

    def list_facts(self) -> dict[str, Fact]:
        """All facts, by key."""
        found = {key: one.fact for pickled in self.pickled.values() for key, one in pickled.facts.items()}
        for name, member in self._members.items():
            spanned = member.offset in self._spanned and member.size
            if not spanned and name not in self._told | _DERIVED and name.removesuffix(".pkl") not in self.pickled:
                found[f"{name} (member)"] = self._describe_member(member)
        return found

    def _describe_member(self, member: Member) -> Fact:
        content = self._source.read(member.offset, member.size)
        text = content.decode("ascii", "replace") if member.size <= _SMALL else f"{member.unpacked} bytes"
        return Fact(sha256(content).digest(), text, member.size <= _SMALL)


def simplify_rebuild(value: object) -> object:
    """A call that rebuilds a tensor without its window on the storage, and without which function of torch it is."""
    function = value.function if isinstance(value, Call) else None
    if not isinstance(value, Call) or not isinstance(function, Global) or function.path not in REBUILD_FUNCTIONS:
        return value
    rest = value.arguments[_WINDOW_ARGUMENTS:]
    if function.name == "_rebuild_tensor_v3":
        at = _DTYPE_ARGUMENT - _WINDOW_ARGUMENTS
        rest = (*rest[:at], *rest[at + 1 :])
    return ("tensor", *value.arguments[:1], *rest, value.state)


def take_archive_facts(
    like: ArchiveFacts, template: Template, rebuilder: ArchiveRebuilder, sources: Mapping[str, ArchiveFacts]
) -> Template:
    """The archive with some facts as others have them.

    Args:
        like: the archive's facts. Its records are changed.
        template: the archive.
        rebuilder: the same.
        sources: by key, whose.

    Raises FormatError for facts that are not in the pickle, or no plain values there.
    """
    taker = FactTaker(like.pickled["data"])
    for source in (like, *{id(one): one for one in sources.values()}.values()):
        check_repeatable(source.read_pickle("data"))
    for key in sorted(sources):
        other = sources[key].pickled["data"]
        if not take_quantizer(like.pickled["data"].facts.get(key), other.facts.get(key)):
            taker.take(key, other)
    parts = [Part(*span[:2], span.views, MemoryValues(span.spec, b"")) for span in template.spans]
    return place_parts(rebuilder.rewrite_runs(parts, like.roots["data"]), parts)
