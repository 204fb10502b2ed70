"""A new torch archive whose parameters are not the template's: another data.pkl, and other storages.

Everything else stays: what is no tensor in the checkpoint, the other members, alignment, and the way names are nested.
Tensors are written as torch does: ``Tensor._reduce_ex_internal`` in ``torch/_tensor.py`` (2.13) names the functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from zlib import crc32

from git_theta.errors import FormatError
from git_theta.formats.base import Part, Source, Span, Template, View
from git_theta.formats.pickle_reader import Call, Global, Persistent, read_pickle
from git_theta.formats.pickle_writer import check_repeatable, write_pickle
from git_theta.formats.template import TemplateSource
from git_theta.formats.torch_tables import ORDERED, Place, Tables, is_parameter, tensor_at
from git_theta.formats.zip_directory import UTF8, Member
from git_theta.formats.zip_mend import members_of
from git_theta.formats.zip_writer import Entry, archive, checked_alignment

_ALIGNMENT = 64
_RECORD = 46
_PLAIN = frozenset(Global("torch._utils", f"_rebuild_tensor{version}") for version in ("", "_v2", "_v3"))
_HOOKS = {"_rebuild_tensor_v2": 6, "_rebuild_tensor_v3": 7}
_STORAGE = "storage"
# torch declares these and cannot make a storage of them.
_UNWRITABLE = frozenset(f"{sign}{bits}" for sign in "IU" for bits in range(1, 8))


@dataclass(frozen=True, slots=True)
class _Stored(Persistent):
    """A storage of the new archive: its key is not one of the template's."""


def rebuilt(
    parts: Sequence[Part], like: Template, members: Mapping[str, Member], prefix: str, moved: AbstractSet[str]
) -> list[bytes]:
    """The runs of an archive of ``parts``.

    Args:
        parts: the tensors, in the order of the storages.
        like: the template.
        members: its members.
        prefix: the folder that they are in.
        moved: names of parameters to take out of the checkpoint and put in anew, after the parts before them.

    Raises:
        FormatError: the template is no checkpoint of plain values, or a parameter has no place in it.
    """
    if f"{prefix}constants.pkl" in members or any(name.startswith(f"{prefix}code/") for name in members):
        raise FormatError("a TorchScript archive cannot be rebuilt with other parameters")
    source = TemplateSource(like)
    spanned = members_of(like.spans, members)
    pickle = members[f"{prefix}data.pkl"]
    content = source.read(pickle.offset, pickle.size)
    check_repeatable(content)
    taken = _frame_keys(members, spanned, f"{prefix}data/")
    state = _State(parts, {member.name: span for member, span in zip(spanned, like.spans, strict=True)}, taken, prefix)
    root = read_pickle(content)
    state.revise(Tables(root), moved)
    new = write_pickle(root, state.storage_id)
    entries = _entries(source, members.values(), spanned, list(zip(state.keys, parts, strict=True)), prefix, new)
    return archive(entries, _alignment(source, members, prefix))


def _frame_keys(members: Mapping[str, Member], spanned: Sequence[Member], folder: str) -> set[str]:
    """The keys of storages that stay in the frame."""
    names = members.keys() - {member.name for member in spanned}
    return {name.removeprefix(folder) for name in names if name.startswith(folder)}


class _State:
    """The checkpoint's storages, old and new.

    Attributes:
        keys: the key of each part.
    """

    def __init__(self, parts: Sequence[Part], spans: Mapping[str, Span], taken: AbstractSet[str], prefix: str) -> None:
        self._parts = parts
        self._spans = {name.removeprefix(f"{prefix}data/"): span for name, span in spans.items()}
        free = (key for key in map(str, range(len(parts) + len(taken))) if key not in taken)
        self.keys = [key for key, _ in zip(free, parts, strict=False)]
        kept = {part[:3]: key for part, key in zip(parts, self.keys, strict=True)}
        self._renamed = {key: kept.get((span.name, span.spec, span.views), "") for key, span in self._spans.items()}
        self._location = "cpu"

    def storage_id(self, value: Persistent) -> tuple[object, ...]:
        """What the new pickle calls a storage. Raises FormatError where a tensor that stays needs one that goes."""
        identity = value.identity
        if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != _STORAGE:
            raise FormatError("the checkpoint refers to something outside it that is no storage")
        if isinstance(value, _Stored) or identity[2] not in self._renamed:
            return identity
        if not self._renamed[identity[2]]:
            name = self._spans[identity[2]].name
            raise FormatError("the parameter is part of something other than a dict or list", parameter=name)
        return (*identity[:2], self._renamed[identity[2]], *identity[3:])

    def revise(self, tables: Tables, moved: AbstractSet[str]) -> None:
        """Put the parts into the checkpoint, and take out what is none of them."""
        self._forget(moved)
        self._location = _location(tables.places.values())
        changed = self._changed()
        self._replace(tables, {name: new for name, new in changed.items() if name not in moved})
        self._take(tables, changed.keys() - moved)
        for part in self._parts:
            for view in _windows(part):
                place = tables.places.get(view.name)
                if view.name in changed and (place is None or view.name in moved):
                    _named(view.name, tables.add, view.name, self._tensor(*changed[view.name], None))
                elif place and view.name == part.name:
                    place.table.cursor = place.index
        tables.commit()

    def _forget(self, moved: AbstractSet[str]) -> None:
        for key, span in self._spans.items():
            if span.name in moved:
                self._renamed[key] = ""

    def _changed(self) -> dict[str, tuple[str, Part, View]]:
        """Every name that is not on the same bytes of the same tensor as in the template: its key, part and window."""
        kept = set(self._renamed.values())
        pairs = [(key, part) for key, part in zip(self.keys, self._parts, strict=True) if key not in kept]
        return {view.name: (key, part, view) for key, part in pairs for view in _windows(part)}
