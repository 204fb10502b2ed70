"""NVIDIA NeMo's archives (``.nemo``): a tar of a configuration, tokenizers and checkpoints of torch.

Source: ``nemo/core/connectors/save_restore_connector.py`` (NeMo 2.4): a tar of a folder, without compression, in which
``torch.save`` has written ``model_weights.ckpt``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import PurePosixPath

from git_theta.errors import FormatError
from git_theta.formats.base import Derived, Fact, Format, Part, Source, Span, SpanView, Template
from git_theta.formats.file_names import has_suffix
from git_theta.formats.layout import validate_spans
from git_theta.formats.nested import NestedSource, cut_templates
from git_theta.formats.tar.tar_directory import MAGIC, MAGIC_AT, TarMember, read_tar_members
from git_theta.formats.template import TemplateSource, matches_template
from git_theta.formats.torch.torch_format import TorchZipFormat
from git_theta.formats.unique_names import UniqueNames

_ZIP = b"PK\3\4"
_CHECKPOINTS = frozenset((".ckpt", ".pt", ".pth", ".bin"))
_MARKS = (b"model_config.yaml", b"model_weights.ckpt")
_FIRST_NAMES = (b"./", b"model_")
"""What the first member is called: the folder that was packed, or one of the two."""
_TORCH = TorchZipFormat()


class NemoFormat(Format):
    """Reads ``.nemo`` files, without NeMo and torch."""

    name = "nemo"

    def matches(self, head: bytes, path: str) -> bool:
        """A tar of a folder that is called so, or holds NeMo's configuration or weights at its beginning."""
        if head[MAGIC_AT : MAGIC_AT + len(MAGIC)] != MAGIC or not head.startswith(_FIRST_NAMES):
            return False
        return has_suffix(path, ".nemo") or any(mark in head for mark in _MARKS)

    def spans(self, source: Source) -> list[Span]:
        """The tensors of the checkpoints in it, as ``TorchZipFormat.spans`` finds them.

        Where there are several checkpoints, names stand behind those of the members.

        Raises FormatError where the archive is damaged, or holds no checkpoint that can be read.
        """
        members = _find_checkpoints(source)
        if not members:
            raise FormatError("the archive holds no checkpoint of torch that is a zip archive")
        names = UniqueNames()
        spans: list[Span] = []
        for member in members:
            top = _name_top(member, members)
            inner = _TORCH.spans(NestedSource(source, member.offset, member.size))
            spans += [_move_span(span, member.offset, top, names) for span in inner]
        return list(validate_spans(spans, source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """The template as it is, for the same tensors. Raises FormatError for others: every size would be another."""
        if not matches_template(parts, like):
            raise FormatError("NeMo's archives cannot be rebuilt with other parameters")
        return list(like.runs)

    def find_derived(self, like: Template) -> Iterator[Derived]:
        """What torch derives within the checkpoints; and the headers of all members: times, owners, sizes."""
        source = TemplateSource(like)
        for member in read_tar_members(source):
            yield Derived(member.header_offset, member.offset - member.header_offset)
        for member, inner in _cut_checkpoints(like, _find_checkpoints(source)):
            for derived in _TORCH.find_derived(inner):
                yield derived._replace(offset=member.offset + derived.offset)

    def read_facts(self, like: Template) -> dict[str, Fact]:
        """What the checkpoints say, as ``TorchZipFormat.read_facts`` has it, and each other file of the archive."""
        source = TemplateSource(like)
        members = _find_checkpoints(source)
        found: dict[str, Fact] = {}
        for member, inner in _cut_checkpoints(like, members):
            top = _name_top(member, members)
            for key, fact in _TORCH.read_facts(inner).items():
                found[top + key] = fact._replace(tensor=top + fact.tensor) if fact.tensor else fact
        known = {member.offset for member in members}
        for other in read_tar_members(source):
            if other.is_regular and other.offset not in known:
                content = source.read(other.offset, other.size)
                plain = has_suffix(other.name, ".yaml", ".json", ".txt")
                found[f"{other.name} (member)"] = Fact(sha256(content).digest(), f"{other.size} bytes", plain)
        return found


def _find_checkpoints(source: Source) -> list[TarMember]:
    """The members that are archives of torch, by what they are called and begin with."""
    return [
        member
        for member in read_tar_members(source)
        if member.is_regular
        and has_suffix(member.name, *_CHECKPOINTS)
        and member.size >= len(_ZIP)
        and source.read(member.offset, len(_ZIP)) == _ZIP
    ]


def _cut_checkpoints(like: Template, members: Sequence[TarMember]) -> Iterator[tuple[TarMember, Template]]:
    """The checkpoints as files by themselves."""
    return zip(members, cut_templates(like, [(member.offset, member.size) for member in members]), strict=True)


def _name_top(member: TarMember, members: Sequence[TarMember]) -> str:
    """What stands before the names of a member's tensors: the way to it, where there are others."""
    if len(members) == 1:
        return ""
    return ".".join(part for part in PurePosixPath(member.name).with_suffix("").parts if part != ".") + "."


def _move_span(span: Span, offset: int, top: str, names: UniqueNames) -> Span:
    """A span of a nested file as one of the archive. A flat storage's first view has its name, too."""
    name = names.claim_name(top + span.name)
    views = [
        SpanView(name if view.name == span.name else names.claim_name(top + view.name), *view[1:])
        for view in span.views
    ]
    return span._replace(name=name, offset=offset + span.offset, views=tuple(views))
