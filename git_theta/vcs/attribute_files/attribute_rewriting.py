"""Attributes of one filter, exchanged for those of another or taken away: every other byte of the file stays."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from git_theta.vcs.attribute_files.attribute_lines import AttributeLine, parse_attributes, strip_ours

LFS_ATTRIBUTES = (b"filter=lfs", b"diff=lfs", b"merge=lfs", b"-text")
"""What `git lfs track` writes."""
NO_ATTRIBUTES = (b"!filter", b"!diff", b"!merge", b"!text")
"""Files that a wider pattern above takes are left to Git, as if no line had spoken of them."""


def list_filtered(content: bytes, filter_state: bytes) -> list[bytes]:
    """The patterns of an attributes file whose own lines have a state, as ``filter=lfs``."""
    return list(dict.fromkeys(line.pattern for line in _lines_with(content, filter_state)))


def exchange_attributes(
    content: bytes, patterns: Container[bytes], old: Sequence[bytes], new: Sequence[bytes]
) -> bytes:
    """An attributes file in which these patterns' lines with the filter ``old`` have the attributes ``new``.

    Where ``new`` is none, ``old`` is ours: what `git theta track` wrote goes.
    """
    lines = parse_attributes(content)
    return b"".join(
        _exchange_line(line, old, new) if line.pattern in patterns and old[0] in line.states else line.raw
        for line in lines
    )


def drop_exclusions(content: bytes) -> bytes:
    """An attributes file without lines that are :data:`NO_ATTRIBUTES`, where none is left that sets a filter."""
    lines = parse_attributes(content)
    if any(state.startswith(b"filter=") for line in lines for state in line.states):
        return content
    return b"".join(line.raw for line in lines if line.states != NO_ATTRIBUTES)


def anchor_pattern(folder: bytes, pattern: bytes) -> bytes:
    """The pattern for the file at the top that matches as ``pattern`` does in ``folder`` (b"" for the top itself)."""
    if not folder:
        return pattern
    inner = pattern.removeprefix(b"/") if b"/" in pattern else b"**/" + pattern
    return b"/" + re.sub(rb"([*?\[\\])", rb"\\\1", folder) + b"/" + inner


def _lines_with(content: bytes, state: bytes) -> list[AttributeLine]:
    return [line for line in parse_attributes(content) if line.pattern and state in line.states]


def _exchange_line(line: AttributeLine, old: Sequence[bytes], new: Sequence[bytes]) -> bytes:
    if not new:
        return strip_ours(line)
    written = line.raw.rstrip(b"\r\n")
    tail, ending = written[line.pattern_end :], line.raw[len(written) :]
    for was, now in zip(old, new, strict=True):
        tail = re.sub(rb"(?<=[ \t])" + re.escape(was) + rb"(?=[ \t\r]|$)", now, tail)
    lacking = [state for state in new if state not in tail.split()]
    return b" ".join([line.raw[: line.pattern_end] + tail, *lacking]) + ending
