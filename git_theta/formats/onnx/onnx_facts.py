"""What a model says of itself beside its graph, by key: fields of the outermost message, which are told apart there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from git_theta.errors import FormatError
from git_theta.formats.base import Fact, Part, Template
from git_theta.formats.onnx.onnx_graph import find_tensors
from git_theta.formats.onnx.protobuf_reader import BYTES, VARINT, ProtobufField, ProtobufReader
from git_theta.formats.template import TemplateSource, digest_runs, place_parts
from git_theta.tensors.values import MemoryValues
from git_theta.words import pluralize

_KEYS = {1: "ir_version", 2: "producer_name", 3: "producer_version", 4: "domain", 5: "model_version", 6: "doc_string"}
_METADATA = 14
_GRAPH_KEY = "graph"
_LONGEST_VALUE = 4096
_SHOWN = 60


def list_facts(like: Template) -> dict[str, Fact]:
    """The facts of a model. Raises FormatError where it is damaged, or says a thing twice."""
    source = TemplateSource(like)
    found: dict[str, Fact] = {}
    places: list[tuple[int, int]] = []
    for key, field, content in _told_fields(source):
        if key in found:
            raise FormatError(f"the model says {key!a} twice")
        found[key] = _fact_of(content)
        places.append((field.start, field.end - field.start))
    found |= _list_left_tensors(source)
    size = sum(map(len, like.runs)) - sum(size for _, size in places)
    found[_GRAPH_KEY] = Fact(digest_runs(source.cut_ranges(places)), f"{size} bytes of nodes and types", plain=False)
    return found


def take_model_facts(like: Template, sources: Mapping[str, Template]) -> Template:
    """The template with some fields as others have them, after all that is there. Raises FormatError for other keys."""
    source = TemplateSource(like)
    ours = {key: field for key, field, _ in _told_fields(source)}
    cut, added = [], []
    for key, other in sources.items():
        there = TemplateSource(other)
        theirs = {named: field for named, field, _ in _told_fields(there)}
        if key not in ours and key not in theirs:
            raise FormatError(f"{key} is part of the model's graph")
        if key in ours:
            cut.append((ours[key].start, ours[key].end - ours[key].start))
        if key in theirs:
            added.append(there.read(theirs[key].start, theirs[key].end - theirs[key].start))
    runs = source.cut_ranges(cut)
    parts = [Part(span.name, span.spec, span.views, MemoryValues(span.spec, b"")) for span in like.spans]
    return place_parts([*runs[:-1], b"".join([runs[-1], *added])], parts)


def _told_fields(source: TemplateSource) -> Iterator[tuple[str, ProtobufField, str | int]]:
    """Key, field and value of what stands beside the graph and is plain."""
    reader = ProtobufReader(source)
    for field in reader.read_fields(0, source.size):
        if field.number == _METADATA and field.wire == BYTES and field.size <= _LONGEST_VALUE:
            key, value = _read_entry(reader, field)
            yield f"metadata.{key}", field, value
        elif field.number in _KEYS and field.wire == VARINT:
            yield _KEYS[field.number], field, field.value
        elif field.number in _KEYS and field.wire == BYTES and field.size <= _LONGEST_VALUE:
            yield _KEYS[field.number], field, reader.read_text(field)


def _read_entry(reader: ProtobufReader, entry: ProtobufField) -> tuple[str, str]:
    texts = {1: "", 2: ""}
    for field in reader.read_fields(entry.offset, entry.end):
        if field.wire == BYTES and field.number in texts:
            texts[field.number] = reader.read_text(field)
    return texts[1], texts[2]


def _fact_of(content: str | int) -> Fact:
    shown = repr(content) if isinstance(content, str) else str(content)
    return Fact(shown.encode("utf-8", "backslashreplace"), shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]} ...")


def _list_left_tensors(source: TemplateSource) -> dict[str, Fact]:
    """Tensors that are in the frame, with the reason; those in other files together."""
    found: dict[str, Fact] = {}
    files: dict[str, int] = {}
    for name, message in find_tensors(source):
        if message.location:
            files[message.location] = files.get(message.location, 0) + 1
        elif message.reason:
            found[f"tensor {name}"] = Fact(message.reason.encode(), message.reason, plain=False)
    for location, count in files.items():
        text = f"{pluralize(count, 'tensor')} {'is' if count == 1 else 'are'} in {location}"
        found[f"file {location}"] = Fact(text.encode(), text)
    return found
