"""The format of ``torch.save`` since 1.6, and of TorchScript: a zip archive of a pickle and one member per storage.

Members are stored as they are, so a storage's bytes are a span of the file. Names, dtypes and shapes are in the pickle,
which is read as data (L10). Source: ``torch/serialization.py`` and ``caffe2/serialize/inline_container.cc`` (2.13).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from git_theta.errors import FormatError
from git_theta.formats.base import Derived, Fact, Format, Part, Scalar, Source, Span, Template
from git_theta.formats.file_names import has_suffix
from git_theta.formats.layout import validate_spans
from git_theta.formats.pickle.pickle_arrays import span_of_arrays
from git_theta.formats.pickle.pickle_reader import MAX_PICKLE, read_pickle
from git_theta.formats.pickle.pickle_records import Call, PickledDict
from git_theta.formats.template import TemplateSource, find_misread, matches_template, place_parts
from git_theta.formats.torch.torch_build import ArchiveRebuilder
from git_theta.formats.torch.torch_derived import derive_archive
from git_theta.formats.torch.torch_facts import PICKLES, ArchiveFacts, take_archive_facts
from git_theta.formats.torch.torch_names import name_tensors
from git_theta.formats.torch.torch_pickles import read_member_pickle, require_little_endian
from git_theta.formats.torch.torch_spans import sort_tensors, span_of_storage
from git_theta.formats.torch.torch_tensors import PickledTensor
from git_theta.formats.unique_names import UniqueNames
from git_theta.formats.zip.zip_directory import Member, read_directory

_SUFFIXES = frozenset((".pt", ".pth", ".bin", ".ckpt"))
# TorchScript writes the storages first and the pickle after them, which may be beyond the head.
_FIRST_MEMBER = re.compile(rb"PK\x03\x04.{26}[^/\x00]+/(?:data\.pkl|(?:data|constants)/\d+)", re.DOTALL)
_MAX_DEPTH = 4
"""How deep metadata are looked for."""


@dataclass(frozen=True)
class TorchZipFormat(Format):
    """Reads ``.pt``, ``.pth``, ``.bin`` and ``.ckpt`` files that are zip archives, without torch."""

    name: str = "torch"

    def matches(self, head: bytes, path: str) -> bool:
        """A zip whose first member is one of torch's, or whose name says so."""
        if _FIRST_MEMBER.match(head):
            return True
        return head.startswith(b"PK\3\4") and has_suffix(path, *_SUFFIXES)

    def spans(self, source: Source) -> list[Span]:
        """One span per storage that tensors of the pickle use; names that are not all of it are views.

        And one per array of NumPy in a pickle of protocol 3 or later: protocol 2, which torch uses unless it is told
        otherwise, spells bytes as text. Such arrays stay in the frame, whatever their values are.

        Storages that are compressed, unused, or not of the size that the pickle says stay in the frame.

        Raises:
            FormatError: the archive or its pickle is damaged or hostile, its storages are big-endian, or torch, which
                looks members up without regard to case, may read another one than is named.
        """
        members = read_directory(source)
        prefix = _find_prefix(members)
        require_little_endian(source, members, prefix)
        names = UniqueNames()
        spans: list[Span] = []
        used = {f"{prefix}byteorder"}
        for pickle, top in PICKLES:
            if f"{prefix}{pickle}.pkl" in members:
                root = read_member_pickle(source, members[f"{prefix}{pickle}.pkl"])
                storages, arrays = sort_tensors(name_tensors(root, names, top))
                spans.extend(map(span_of_arrays, arrays.values()))
                spans.extend(_storage_spans(storages, members, f"{prefix}{pickle}/"))
                used |= {f"{prefix}{pickle}.pkl", *(f"{prefix}{pickle}/{key}" for key in storages)}
        _require_told_apart(members, used)
        return list(validate_spans(spans, source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """The template as it is, or, for other parameters, a checkpoint of plain values rebuilt.

        Raises:
            FormatError: other parameters, and the template is TorchScript, or holds objects, or has no place for them.
        """
        members = read_directory(TemplateSource(like))
        if matches_template(parts, like):
            return list(like.runs)
        rebuilder = ArchiveRebuilder(like, members, _find_prefix(members))
        runs = rebuilder.build_runs(parts)
        # Tied names can come out in another order, which only putting them in anew can change.
        wrong = find_misread(self, place_parts(runs, parts))
        moved = {name for span in wrong for name in (span.name, *(view.name for view in span.views))}
        return rebuilder.build_runs(parts, moved) if wrong else runs

    def find_derived(self, like: Template) -> Iterator[Derived]:
        """What the writer of the archive derives from the rest."""
        return derive_archive(like, _find_prefix)

    def metadata(self, like: Template) -> Iterator[tuple[str, Scalar]]:
        """The plain values that were pickled: of dicts and of objects' attributes, a few levels deep."""
        source = TemplateSource(like)
        for name, member in read_directory(source).items():
            if name.endswith("/data.pkl") and member.stored and member.size <= MAX_PICKLE:
                yield from _plain_values(read_pickle(source.read(member.offset, member.size)), (), _MAX_DEPTH)

    def read_facts(self, like: Template) -> dict[str, Fact]:
        """What is pickled beside the tensors, how these are kept, and what the other members hold.

        The folder that all of it is in is called after the file that torch wrote to: it is no fact.
        """
        return _facts_of(like).list_facts()

    def take_facts(self, like: Template, sources: Mapping[str, Template]) -> Template:
        """The archive with another data.pkl.

        Raises FormatError where the checkpoint holds more than can be written again, or facts that are no plain values.
        """
        members = read_directory(TemplateSource(like))
        rebuilder = ArchiveRebuilder(like, members, _find_prefix(members))
        others = {id(source): _facts_of(source) for source in sources.values()}
        takes = {key: others[id(source)] for key, source in sources.items()}
        return take_archive_facts(_facts_of(like), like, rebuilder, takes)


def _facts_of(like: Template) -> ArchiveFacts:
    members = read_directory(TemplateSource(like))
    return ArchiveFacts(like, members, _find_prefix(members))


def _plain_values(value: object, path: tuple[str, ...], depth: int) -> Iterator[tuple[str, Scalar]]:
    if value is None or isinstance(value, (str, int, float)):
        yield ".".join(path), value
    elif depth and isinstance(value, (PickledDict, Call)):
        for key, inner in value.pairs or ():
            if isinstance(key, (str, int)):
                yield from _plain_values(inner, (*path, str(key)), depth - 1)


def _find_prefix(members: dict[str, Member]) -> str:
    """The folder that everything in the archive is in, with its slash."""
    found = [name for name in members if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(found) != 1:
        raise FormatError("the archive is not torch's: it has no data.pkl, or several")
    return found[0].removesuffix("data.pkl")


def _require_told_apart(members: Iterable[str], used: set[str]) -> None:
    """Raise FormatError where a member that is used differs from another one by case alone."""
    lowered = {name.lower() for name in used}
    other = next((name for name in members if name not in used and name.lower() in lowered), None)
    if other or len(lowered) < len(used):
        raise FormatError(f"members of the archive differ by case alone, which torch does not see: {other or ''!a}")


def _storage_spans(
    groups: dict[str, list[tuple[str, PickledTensor]]], members: dict[str, Member], folder: str
) -> Iterator[Span]:
    for key, tensors in groups.items():
        member = members.get(folder + key)
        if member and member.stored:
            yield from span_of_storage(member.offset, member.size, tensors)
