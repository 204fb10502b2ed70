"""A torch archive whose parameters are not the template's: another data.pkl, and other storages.

Everything else stays: what is no tensor in the checkpoint, the other members, the alignment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from zlib import crc32

from git_theta.errors import FormatError
from git_theta.formats.base import Part, Template
from git_theta.formats.pickle.pickle_reader import read_pickle
from git_theta.formats.pickle.pickle_records import PersistentId
from git_theta.formats.pickle.pickle_writer import check_repeatable, write_pickle
from git_theta.formats.template import TemplateSource
from git_theta.formats.torch.torch_revise import STORAGE_TAG, NewStorage, StorageChanges, revise_tables, windows_of
from git_theta.formats.torch.torch_tables import Tables
from git_theta.formats.zip.zip_derived import CRC_UNKNOWN, members_of
from git_theta.formats.zip.zip_directory import UTF8, Member
from git_theta.formats.zip.zip_writer import NewMember, build_archive, parse_alignment

_TORCH_ALIGNMENT = 64
_RECORD_SIZE = 46


class ArchiveRebuilder:
    """Builds archives like a template.

    Args:
        like: the template.
        members: its members.
        prefix: the folder that they are in.

    Raises FormatError where the template is TorchScript, or has arrays of NumPy among its tensors.
    """

    def __init__(self, like: Template, members: Mapping[str, Member], prefix: str) -> None:
        if f"{prefix}constants.pkl" in members or any(name.startswith(f"{prefix}code/") for name in members):
            raise FormatError("a TorchScript archive cannot be rebuilt with other parameters")
        pickle = members[f"{prefix}data.pkl"]
        if any(pickle.offset <= span.offset < pickle.offset + pickle.size for span in like.spans):
            raise FormatError("a pickle with arrays of NumPy in it cannot be written again")
        self._source = TemplateSource(like)
        self._members = members
        self._prefix = prefix
        self._spanned = members_of(like.spans, members)
        self._pickle = self._source.read(pickle.offset, pickle.size)
        keys = (member.name.removeprefix(f"{prefix}data/") for member in self._spanned)
        self._spans = dict(zip(keys, like.spans, strict=True))

    def build_runs(self, parts: Sequence[Part], moved: AbstractSet[str] = frozenset()) -> list[bytes]:
        """The bytes around the parts, which are the storages of the archive in their order.

        ``moved`` names parameters to take out of the checkpoint and to put in anew, after those before them.

        Raises FormatError where the checkpoint holds more than plain values, or a parameter has no place in it.
        """
        storages = dict(zip(self._free_keys(len(parts)), parts, strict=True))
        renamed = self._map_kept_keys(storages, moved)
        fresh = storages.keys() - renamed.values()
        root = read_pickle(self._pickle)
        check_repeatable(self._pickle)
        windows = [window for key, part in storages.items() for window in windows_of(key, part)]
        revise_tables(Tables(root), windows, StorageChanges(fresh, self._spans.keys() - renamed.keys(), moved))
        return self._write_archive(storages, root, renamed)

    def rewrite_runs(self, parts: Sequence[Part], root: object) -> list[bytes]:
        """The bytes around the parts, which are the template's, with another pickle: ``root``, on the same storages.

        Raises FormatError where that cannot be written.
        """
        storages = dict(zip(self._free_keys(len(parts)), parts, strict=True))
        return self._write_archive(storages, root, self._map_kept_keys(storages, frozenset()))

    def _write_archive(self, storages: Mapping[str, Part], root: object, renamed: Mapping[str, str]) -> list[bytes]:
        pickle = write_pickle(root, lambda storage: self._storage_identity(storage, renamed))
        return build_archive(self._new_members(storages, pickle), self._find_alignment())

    def _free_keys(self, count: int) -> list[str]:
        """Keys from "0", as torch gives them, but for those of storages that stay in the frame."""
        folder = f"{self._prefix}data/"
        taken = {name.removeprefix(folder) for name in self._members if name.startswith(folder)} - self._spans.keys()
        free = (key for key in map(str, range(count + len(taken))) if key not in taken)
        return [key for key, _ in zip(free, range(count), strict=False)]

    def _map_kept_keys(self, storages: Mapping[str, Part], moved: AbstractSet[str]) -> dict[str, str]:
        """The template's storages that stay as they are: old key to new."""
        new = {part.name: (key, part[:3]) for key, part in storages.items() if part.name not in moved}
        return {
            old: new[span.name][0]
            for old, span in self._spans.items()
            if span.name in new and new[span.name][1] == (span.name, span.spec, span.views)
        }

    def _storage_identity(self, storage: PersistentId, renamed: Mapping[str, str]) -> tuple[object, ...]:
        """What the new pickle calls a storage. Raises FormatError where a tensor that stays is on one that goes."""
        identity = storage.identity
        if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != STORAGE_TAG:
            raise FormatError("the checkpoint refers to something outside it that is no storage")
        _, kind, key, *rest = identity
        if not isinstance(storage, NewStorage) and isinstance(key, str) and key in self._spans:
            if key not in renamed:
                reason = "it is part of something other than a dict or list, and cannot change"
                raise FormatError(reason, parameter=self._spans[key].name)
            key = renamed[key]
        return (STORAGE_TAG, kind, key, *rest)

    def _new_members(self, storages: Mapping[str, Part], pickle: bytes) -> Iterator[NewMember]:
        """The members in the template's order, the storages where its first one is, else last."""
        waiting = storages
        spanned = {member.name for member in self._spanned}
        for member in self._members.values():
            if member.name not in spanned:
                yield self._copy_member(member, pickle)
            else:
                yield from self._storage_members(waiting)
                waiting = {}
        yield from self._storage_members(waiting)

    def _copy_member(self, member: Member, pickle: bytes) -> NewMember:
        name, record = _encode_name(member.name, member), self._read_record(member)
        if member.name == f"{self._prefix}data.pkl":
            return NewMember(name, crc32(pickle) if member.crc else 0, len(pickle), len(pickle), pickle, record)
        content = self._source.read(member.offset, member.size)
        return NewMember(name, member.crc, member.size, member.unpacked, content, record)

    def _storage_members(self, storages: Mapping[str, Part]) -> Iterator[NewMember]:
        sample = next((member for member in self._spanned if member.size), self._members[f"{self._prefix}data.pkl"])
        record = self._read_record(sample)
        for key, part in storages.items():
            size = part.spec.nbytes
            crc = CRC_UNKNOWN if sample.crc and size else 0
            yield NewMember(_encode_name(f"{self._prefix}data/{key}", sample), crc, size, size, None, record)

    def _read_record(self, member: Member) -> bytes:
        return self._source.read(member.record_offset, _RECORD_SIZE)

    def _find_alignment(self) -> int:
        """What the archive says of its alignment; else torch's own, where its members follow that; else none."""
        stated = self._members.get(f"{self._prefix}.storage_alignment")
        if stated and stated.stored:
            return parse_alignment(self._source.read(stated.offset, stated.size))
        aligned = all(member.offset % _TORCH_ALIGNMENT == 0 for member in self._members.values())
        return _TORCH_ALIGNMENT if aligned else 0


def _encode_name(name: str, like: Member) -> bytes:
    """A member's name as the directory spells names of ``like``."""
    return name.encode("utf-8" if like.flags & UTF8 else "cp437")
