"""The ONNX format: a ModelProto, whose tensors' bytes stand in it as they are in memory.

Initialisers, tensors in attributes and graphs in graphs are found. Tensors in files beside the model are not in it:
such a file is one of its own. Source: ``onnx/onnx.proto`` (1.23) and ``docs/ExternalData.md`` of the same repository.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from git_theta.errors import FormatError
from git_theta.formats.base import Fact, Format, Part, Scalar, Source, Span, Template
from git_theta.formats.file_names import has_suffix
from git_theta.formats.layout import validate_spans
from git_theta.formats.onnx.onnx_facts import list_facts, take_model_facts
from git_theta.formats.onnx.onnx_graph import GRAPH, find_tensors
from git_theta.formats.onnx.protobuf_reader import BYTES, VARINT, ProtobufReader
from git_theta.formats.template import TemplateSource, matches_template

_IR_VERSION = 1
_START = b"\x08"
"""The tag of that field, which writers put first."""
_LATEST_IR = 100
_BEFORE_THE_GRAPH = {2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT, 6: BYTES, 8: BYTES, 14: BYTES}
"""Fields of a ModelProto that may stand before its graph, and their wire types."""
_UNBOUNDED = 1 << 62


class OnnxFormat(Format):
    """Reads ``.onnx`` files, without protobuf or onnx."""

    name = "onnx"

    def matches(self, head: bytes, path: str) -> bool:
        """A version, what a ModelProto says of itself, and a graph; where the file is called so, a version will do."""
        return head.startswith(_START) and (has_suffix(path, ".onnx") or _starts_as_model(head))

    def spans(self, source: Source) -> list[Span]:
        """One span per tensor whose bytes stand in one piece: raw data, and packed floats and doubles.

        Integers in typed fields, texts, and what lies in other files stay in the frame. Raises FormatError where the
        file is damaged or hostile, or names an initialiser twice.
        """
        found = [
            Span(name, message.spec, message.place.offset, message.place.size)
            for name, message in find_tensors(source)
            if message.spec and message.place
        ]
        return list(validate_spans(found, source.size))

    def build(self, parts: Sequence[Part], like: Template) -> list[bytes]:
        """The template as it is, for the same tensors. Raises FormatError for others: its nodes would not fit them."""
        if not matches_template(parts, like):
            raise FormatError("ONNX models cannot be rebuilt with other tensors: the graph says how each is used")
        return list(like.runs)

    def metadata(self, like: Template) -> Iterator[tuple[str, Scalar]]:
        """What the model says of itself: its producer, versions, metadata, and files beside it."""
        yield from ((key, fact.text) for key, fact in list_facts(like).items() if fact.plain)

    def read_facts(self, like: Template) -> Mapping[str, Fact]:
        """The same by key, and the graph, with whatever else is no tensor, as one."""
        return list_facts(like)

    def take_facts(self, like: Template, sources: Mapping[str, Template]) -> Template:
        """The model with another producer, other versions or metadata. Raises FormatError for its graph."""
        return take_model_facts(like, sources)


def _starts_as_model(head: bytes) -> bool:
    fields = ProtobufReader(TemplateSource(Template((head,), ()))).read_fields(0, _UNBOUNDED)
    try:
        first = next(fields)
        if (first.number, first.wire) != (_IR_VERSION, VARINT) or not 0 < first.value <= _LATEST_IR:
            return False
        for field in fields:
            if field.number == GRAPH:
                return field.wire == BYTES and field.size > 0
            if _BEFORE_THE_GRAPH.get(field.number) != field.wire:
                return False
    except FormatError:
        pass
    return False
