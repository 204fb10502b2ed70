"""Which format a file has, and its spans; what nobody can read is opaque."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_theta import registry
from git_theta.errors import FormatError
from git_theta.formats.base import Format, Source, Span
from git_theta.formats.layout import validate_spans

OPAQUE = "opaque"


class Detection(NamedTuple):
    """A format's name, the spans in file order, and why a format that matched could not read the file."""

    format: str
    spans: tuple[Span, ...]
    problem: str = ""


def detect_format(source: Source, head: bytes, path: str) -> Detection:
    """The first format that matches and can read the file; else opaque, with the first reason why not."""
    problem = ""
    for name, candidate in _candidate_formats():
        if candidate.matches(head, path):
            try:
                return Detection(name, validate_spans(candidate.spans(source), source.size))
            except FormatError as error:
                problem = problem or f"{name}: {error.message}"
    return Detection(OPAQUE, (), problem)


def _candidate_formats() -> Iterator[tuple[str, Format]]:
    """Ours first: as long as one of them matches, nobody waits for a scan of the installed packages."""
    ours = [name for name in registry.BUILT_IN["formats"] if name != OPAQUE]
    for name in ours:
        yield name, registry.load_plugin("formats", name)()
    for name in registry.plugin_names("formats"):
        if name not in registry.BUILT_IN["formats"]:
            yield name, registry.load_plugin("formats", name)()
