"""Files built for tests, as the merge builds them: runs from the format, tensors' bytes in between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from git_theta.formats.base import Format, Part, Span, SpanView, Template
from git_theta.formats.building import build_file
from git_theta.formats.guarded_format import GuardedFormat
from git_theta.formats.layout import validate_spans
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from tests.formats.sources import BytesSource


def template(reader: Format, data: bytes) -> Template:
    """``data`` as literal runs and spans."""
    spans = validate_spans(reader.spans(BytesSource(data)), len(data))
    ends = [0, *(span.offset + span.size for span in spans)]
    starts = [*(span.offset for span in spans), len(data)]
    return Template(tuple(data[end:start] for end, start in zip(ends, starts, strict=True)), spans)


def contents(reader: Format, data: bytes) -> dict[str, bytes]:
    """The bytes of each span, by its name."""
    return {span.name: data[span.offset : span.offset + span.size] for span in template(reader, data).spans}


def make_part(name: str, spec: Spec, content: bytes = b"", views: tuple[SpanView, ...] = ()) -> Part:
    """A part whose values are ``content``."""
    return Part(name, spec, views, MemoryValues(spec, content))


def parts_of(spans: Iterable[Span], content: Mapping[str, bytes]) -> list[Part]:
    return [make_part(span.name, span.spec, content[span.name], span.views) for span in spans]


def build_parts(reader: Format, parts: Sequence[Part], like: Template) -> list[bytes]:
    """The runs that the merge would write around the parts."""
    runs = build_file(GuardedFormat(reader.name, reader), parts, like)
    assert len(runs) == len(parts) + 1
    return runs


def built(reader: Format, parts: Iterable[Part], like: bytes, content: Mapping[str, bytes]) -> bytes:
    """The file that the format builds like ``like``, with ``content`` by the parts' names."""
    parts = list(parts)
    runs = build_parts(reader, parts, template(reader, like))
    tensors = (content[part.name] for part in parts)
    return b"".join(run + tensor for run, tensor in zip(runs, [*tensors, b""], strict=True))


def like_that(reader: Format, wanted: bytes, like: bytes) -> bytes:
    """A file with the tensors of ``wanted``, built like ``like``."""
    content = contents(reader, wanted)
    return built(reader, parts_of(template(reader, wanted).spans, content), like, content)
