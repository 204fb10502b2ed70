"""Files built for tests, as the merge builds them: runs from the format, tensors' bytes in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from zlib import crc32

from git_theta.formats.base import Format, Part, Span, Template
from git_theta.formats.layout import validate_spans
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


def crc_of(content: bytes) -> Callable[[], int]:
    return lambda: crc32(content)


def parts_of(spans: Iterable[Span], content: Mapping[str, bytes]) -> list[Part]:
    return [Part(span.name, span.spec, span.views, crc_of(content[span.name])) for span in spans]


def built(reader: Format, parts: Iterable[Part], like: bytes, content: Mapping[str, bytes]) -> bytes:
    """The file that the format builds like ``like``, with ``content`` by the parts' names."""
    parts = list(parts)
    runs = reader.build(parts, template(reader, like))
    assert len(runs) == len(parts) + 1
    tensors = (content[part.name] for part in parts)
    return b"".join(run + tensor for run, tensor in zip(runs, [*tensors, b""], strict=True))


def like_that(reader: Format, wanted: bytes, like: bytes) -> bytes:
    """A file with the tensors of ``wanted``, built like ``like``."""
    content = contents(reader, wanted)
    return built(reader, parts_of(template(reader, wanted).spans, content), like, content)
