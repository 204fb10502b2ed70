"""Exported programs of torch (``torch.export.save``, ``.pt2``): a zip archive with one member for each storage.

Source: ``torch/export/pt2_archive`` (2.13). The program itself, a graph in JSON, is read by nobody here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from git_theta.errors import FormatError
from git_theta.formats.base import Derived, Fact, Format, Part, Source, Span, Template
from git_theta.formats.file_names import has_suffix
from git_theta.formats.layout import validate_spans
from git_theta.formats.template import TemplateSource, matches_template
from git_theta.formats.torch.pt2_payload import PayloadTensor, read_payload
from git_theta.formats.torch.torch_derived import SERIALIZATION_ID, derive_archive
from git_theta.formats.torch.torch_pickles import read_small_member, require_little_endian
from git_theta.formats.torch.torch_spans import span_of_storage
from git_theta.formats.torch.torch_tensors import PickledTensor
from git_theta.formats.unique_names import UniqueNames
from git_theta.formats.zip.zip_directory import Member, read_directory
from git_theta.tensors.spec import Spec

_FIRST_MEMBER = re.compile(
    rb"PK\x03\x04.{26}[^/\x00]+/(?:archive_format|models/|data/(?:weights|constants)/)", re.DOTALL
)
_FORMAT = "archive_format"
_PAYLOADS = (("data/weights/", "_weights_config.json"), ("data/constants/", "_constants_config.json"))
"""The folders of storages, and how the files in them end that say what the tensors of a model are."""
_PLAIN = frozenset((_FORMAT, "archive_version", "version", "byteorder", ".format_version", ".storage_alignment"))
"""Members that are a plain value each."""


class Pt2Format(Format):
    """Reads ``.pt2`` files, without torch."""

    name = "pt2"

    def matches(self, head: bytes, path: str) -> bool:
        """A zip whose first member is such an archive's, or whose name says so."""
        is_zip = head.startswith(b"PK\3\4")
        return bool(_FIRST_MEMBER.match(head)) or (is_zip and has_suffix(path, ".pt2"))

    def spans(self, source: Source) -> list[Span]:
        """One span per storage that weights and constants use, as ``TorchZipFormat.spans`` has them.

        Names are those of the state dict; where the archive has several models, behind the model's. Tensors that are
        pickled (of classes derived from torch's) stay in the frame.

        Raises FormatError where the archive is damaged or hostile, holds no such tensors, or has big-endian storages.
        """
        members = read_directory(source)
        prefix = _find_prefix(members)
        require_little_endian(source, members, prefix)
        spans: list[Span] = []
        for name, tensors in _group_tensors(source, members, prefix).items():
            member = members.get(name)
            if member and member.stored:
                spans.extend(span_of_storage(member.offset, member.size, [_as_window(*one, member) for one in tensors]))
        if not spans:
            raise FormatError("the archive holds no weights by themselves: compiled programs have them in their code")
        return list(validate_spans(spans, source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """The template as it is, for the same tensors. Raises FormatError for others: the program is made for those."""
        if not matches_template(parts, like):
            raise FormatError("an exported program cannot be rebuilt with other parameters")
        return list(like.runs)

    def find_derived(self, like: Template) -> Iterator[Derived]:
        """What the writer of the archive derives from the rest."""
        return derive_archive(like, _find_prefix)

    def read_facts(self, like: Template) -> dict[str, Fact]:
        """Each member that is no tensor: what it holds is the program, and nothing that could be merged."""
        source = TemplateSource(like)
        members = read_directory(source)
        prefix, spanned = _find_prefix(members), {span.offset for span in like.spans if span.size}
        found: dict[str, Fact] = {}
        for member in members.values():
            name = member.name.removeprefix(prefix)
            if member.offset not in spanned and name != SERIALIZATION_ID:
                content = sha256(source.read(member.offset, member.size)).digest()
                plain = name in _PLAIN or any(name.endswith(ending) for _, ending in _PAYLOADS)
                found[f"{name} (member)"] = Fact(content, f"{member.size} bytes", plain)
        return found


def _find_prefix(members: Mapping[str, Member]) -> str:
    """The folder that everything in the archive is in, with its slash."""
    found = [name for name in members if name.endswith(f"/{_FORMAT}") and name.count("/") == 1]
    if len(found) != 1:
        raise FormatError("the archive is no exported program's: it does not say its format, or says several")
    return found[0].removesuffix(_FORMAT)


def _group_tensors(
    source: Source, members: Mapping[str, Member], prefix: str
) -> dict[str, list[tuple[str, PayloadTensor]]]:
    """The tensors of all models by the members that hold their bytes, each under a name of its own."""
    names = UniqueNames()
    found: dict[str, list[tuple[str, PayloadTensor]]] = {}
    models = {model for model, *_ in _find_payloads(members, prefix)}
    for model, folder, member in _find_payloads(members, prefix):
        for tensor in read_payload(read_small_member(source, member)):
            name = f"{model}.{tensor.name}" if len(models) > 1 else tensor.name
            found.setdefault(f"{prefix}{folder}{tensor.member}", []).append((names.claim_name(name), tensor))
    return found


def _find_payloads(members: Mapping[str, Member], prefix: str) -> Iterator[tuple[str, str, Member]]:
    """The lists of tensors, weights before constants: the model, the folder, the member."""
    for folder, ending in _PAYLOADS:
        for name, member in members.items():
            inner = name.removeprefix(f"{prefix}{folder}")
            if name.startswith(f"{prefix}{folder}") and inner.endswith(ending) and "/" not in inner:
                yield inner.removesuffix(ending), folder, member


def _as_window(name: str, tensor: PayloadTensor, member: Member) -> tuple[str, PickledTensor]:
    spec = Spec(tensor.dtype, tensor.shape)
    return name, PickledTensor(member.name, member.size, spec, tensor.stride, tensor.offset)
