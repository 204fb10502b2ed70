"""The format of ``torch.save`` before 1.6, which torch still writes with ``_use_new_zipfile_serialization=False``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from git_theta.errors import FormatError
from git_theta.formats.base import Fact, Format, Part, Scalar, Source, Span, Template
from git_theta.formats.layout import validate_spans
from git_theta.formats.pickle.pickle_arrays import span_of_arrays
from git_theta.formats.pickle.pickle_facts import PickledFacts, read_pickled_facts
from git_theta.formats.pickle.pickle_leaves import digest_value
from git_theta.formats.template import TemplateSource, matches_template
from git_theta.formats.torch.torch_facts import TensorFacts
from git_theta.formats.torch.torch_legacy_file import LegacyFile, read_legacy_file
from git_theta.formats.torch.torch_spans import span_of_storage

_START = re.compile(rb"\x80[\x02-\x05](?:\x95.{8})?\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", re.DOTALL)
"""The magic number, pickled."""


class LegacyTorchFormat(Format):
    """Reads ``.pt``, ``.pth`` and ``.bin`` files from before torch 1.6, without torch."""

    name = "torch-legacy"

    def matches(self, head: bytes, path: str) -> bool:  # noqa: ARG002 (the seam's signature)
        """The magic number."""
        return _START.match(head) is not None

    def spans(self, source: Source) -> list[Span]:
        """One span per storage that tensors of the pickle use; names that are not all of it are views.

        Raises FormatError where the file is damaged or hostile, from a big-endian machine, or several in one.
        """
        return list(validate_spans(_list_spans(read_legacy_file(source)), source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """The template as it is, for the same tensors. Raises FormatError for others."""
        if not matches_template(parts, like):
            raise FormatError("files of torch before 1.6 cannot be rebuilt with other parameters: save them anew")
        return list(like.runs)

    def metadata(self, like: Template) -> Iterator[tuple[str, Scalar]]:
        """The plain values that were pickled."""
        return _read_facts(like)[1].list_plain_values()

    def read_facts(self, like: Template) -> dict[str, Fact]:
        """What is pickled beside the tensors, and how these are kept.

        Keys of storages, and with them their order, are addresses in the memory of whoever saved: they are no facts.
        """
        found, pickled = _read_facts(like)
        facts = {key: fact for key, (fact, _) in pickled.facts.items()}
        return {**facts, "system (file)": Fact(digest_value(found.system), "how the machine counts")}


def _read_facts(like: Template) -> tuple[LegacyFile, PickledFacts]:
    source = TemplateSource(like)
    spanned = {span.offset for span in like.spans}
    found = read_legacy_file(source, spanned)
    return found, read_pickled_facts(found.root, "", TensorFacts(source, spanned, found.places).tell_tensor)


def _list_spans(found: LegacyFile) -> Iterator[Span]:
    yield from map(span_of_arrays, found.arrays.values())
    for key, place in found.places.items():
        yield from span_of_storage(*place, found.storages[key])
