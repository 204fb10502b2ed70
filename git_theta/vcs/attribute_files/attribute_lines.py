"""``.gitattributes``, line by line as Git itself reads it (attr.c): parsed, and written so that every other byte stays.

A line is a pattern and its attributes; the pattern may stand in C-style quotes. Lines that are blank, comments, macro
definitions (``[attr]NAME ...``) or negative (``!PATTERN``, which Git ignores) have no pattern.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from git_theta.vcs.attribute_files.nearby_attributes import FORMAT
from git_theta.vcs.quoting import QUOTED, quote, unquote

ATTRIBUTES = (b"filter=theta", b"diff=theta", b"merge=theta", b"-text")
MACRO = b"[attr]"
LONGEST_LINE = 2048
"""Bytes: Git ignores longer lines (ATTR_MAX_LINE_LENGTH)."""

_CHOICE = re.compile(rb"[-!]?" + FORMAT.encode() + rb"(?:=[^ \t\r\n]*)?")
_BLANK = b" \t\r\n"
_WORD = re.compile(rb"[^ \t\r\n]+")
_BOM = b"\xef\xbb\xbf"

Macros = Mapping[bytes, tuple[bytes, ...]]
"""What macros stand for, by name."""


@dataclass(frozen=True)
class AttributeLine:
    """A line of an attributes file.

    Attributes:
        raw: its bytes, line ending included.
        pattern: the pattern without its quotes; b"" where the line has none.
        macro: the name of the macro that it defines; b"" for other lines.
        states: its attributes as written: ``name``, ``-name``, ``!name``, ``name=value``.
        pattern_end: where in ``raw`` the pattern ends; what follows is attributes alone.
    """

    raw: bytes
    pattern: bytes = b""
    macro: bytes = b""
    states: tuple[bytes, ...] = ()
    pattern_end: int = 0


def parse_attributes(content: bytes) -> list[AttributeLine]:
    """The lines of an attributes file; their ``raw`` bytes join to ``content``."""
    # Git ends lines at \n alone; bytes.splitlines would also end them at a lone \r.
    lines = re.findall(rb"[^\n]*\n|[^\n]+", content)
    return [_parse_line(raw, raw.removeprefix(_BOM) if number == 0 else raw) for number, raw in enumerate(lines)]


def _parse_line(raw: bytes, text: bytes) -> AttributeLine:
    text = text.lstrip(_BLANK)
    if not text or text.startswith(b"#") or len(raw.rstrip(b"\r\n")) >= LONGEST_LINE:
        return AttributeLine(raw)
    quoted = QUOTED.match(text)
    written = quoted[0] if quoted else _WORD.findall(text)[0]
    pattern = unquote(quoted[1]) if quoted else written
    states = tuple(_WORD.findall(text[len(written) :]))
    if pattern.startswith(MACRO) and pattern != MACRO:
        return AttributeLine(raw, macro=pattern.removeprefix(MACRO), states=states)
    if pattern.startswith(b"!"):
        return AttributeLine(raw)
    return AttributeLine(raw, pattern, states=states, pattern_end=len(raw) - len(text) + len(written))


def append_lines(content: bytes, patterns: Iterable[bytes], states: Sequence[bytes] = ATTRIBUTES) -> bytes:
    """An attributes file with lines at its end that give these patterns, in their order, these attributes.

    Patterns whose last word on the first of these attributes is just that get no further line.
    """
    lines = parse_attributes(content)
    macros = macros_of(lines)
    ending = b"\r\n" if lines and lines[0].raw.endswith(b"\r\n") else b"\n"
    lacking = [pattern for pattern in patterns if not has_state(lines, pattern, macros, states[0])]
    if lacking and content and not content.endswith(b"\n"):
        content += ending
    return content + b"".join(quote_pattern(pattern) + b" " + b" ".join(states) + ending for pattern in lacking)


def is_ours(line: AttributeLine) -> bool:
    """Whether a line has an attribute of ours."""
    return any(state in line.states for state in ATTRIBUTES[:-1]) or any(map(_CHOICE.fullmatch, line.states))


def strip_ours(line: AttributeLine) -> bytes:
    """A line's bytes without our attributes; b"" where no other is left."""
    # `-text` is anybody's word: it is ours where it stands beside our filter.
    ours = ATTRIBUTES if ATTRIBUTES[0] in line.states else ATTRIBUTES[:-1]
    if all(state in ours or _CHOICE.fullmatch(state) for state in line.states):
        return b""
    alternatives = b"|".join([*(re.escape(state) for state in ours), _CHOICE.pattern])
    words = rb"[ \t\r]+(?:" + alternatives + rb")(?=[ \t\r\n]|$)"
    return line.raw[: line.pattern_end] + re.sub(words, b"", line.raw[line.pattern_end :])


def has_filter(lines: Iterable[AttributeLine], pattern: bytes, macros: Macros) -> bool:
    """Whether a pattern's lines end up with our filter."""
    return has_state(lines, pattern, macros, ATTRIBUTES[0])


def has_state(lines: Iterable[AttributeLine], pattern: bytes, macros: Macros, wanted: bytes) -> bool:
    """Whether the last word of a pattern's lines on an attribute is this one."""
    return _last_state(lines, pattern, macros, wanted.lstrip(b"-!").partition(b"=")[0]) == wanted


def _last_state(lines: Iterable[AttributeLine], pattern: bytes, macros: Macros, name: bytes) -> bytes:
    """What a pattern's lines say last about an attribute; b"" where they do not speak of it."""
    states = [state for line in lines if line.pattern == pattern for state in _expand_macros(line.states, macros)]
    return next((state for state in reversed(states) if state.lstrip(b"-!").partition(b"=")[0] == name), b"")


def find_format(lines: Iterable[AttributeLine], pattern: bytes, macros: Macros) -> str | None:
    """The format that a pattern's lines choose; None where they choose none."""
    return os.fsdecode(_last_state(lines, pattern, macros, FORMAT.encode()).partition(b"=")[2]) or None


def _expand_macros(states: Iterable[bytes], macros: Macros, seen: frozenset[bytes] = frozenset()) -> list[bytes]:
    """Attributes with macros replaced by what they stand for."""
    flat: list[bytes] = []
    for state in states:
        if state in macros and state not in seen:
            flat += _expand_macros(macros[state], macros, seen | {state})
        flat.append(state)
    return flat


def macros_in(content: bytes) -> dict[bytes, tuple[bytes, ...]]:
    """The macros that a file defines."""
    return macros_of(parse_attributes(content))


def macros_of(lines: Iterable[AttributeLine]) -> dict[bytes, tuple[bytes, ...]]:
    """The macros that lines define."""
    return {line.macro: line.states for line in lines if line.macro}


def quote_pattern(pattern: bytes) -> bytes:
    """A pattern as it is written in the file: in quotes where Git would otherwise misread it."""
    if not re.search(rb'[\0-\x20\x7f]|^["#]', pattern):
        return pattern
    return quote(pattern)
