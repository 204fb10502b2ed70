"""``.gitattributes``, read as Git itself reads it (attr.c), and edited so that every other byte stays.

A line is a pattern and its attributes; the pattern may stand in C-style quotes. Lines that are blank, comments, macro
definitions (``[attr]NAME ...``) or negative (``!PATTERN``, which Git ignores) have no pattern.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from git_theta.errors import UsageError
from git_theta.vcs import atomic
from git_theta.vcs.attribute_values import read_attribute
from git_theta.vcs.blobs import read_blob
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, split_nul
from git_theta.vcs.nearby_attributes import FORMAT
from git_theta.vcs.quoting import QUOTED, quote, unquote

ATTRIBUTES = (b"filter=theta", b"diff=theta", b"merge=theta", b"-text")

_CHOICE = re.compile(rb"[-!]?" + FORMAT.encode() + rb"(?:=[^ \t\r\n]*)?")
_BLANK = b" \t\r\n"
_WORD = re.compile(rb"[^ \t\r\n]+")
_BOM = b"\xef\xbb\xbf"
_MACRO = b"[attr]"
_LONGEST_LINE = 2048  # Git ignores longer ones (ATTR_MAX_LINE_LENGTH)


@dataclass(frozen=True)
class AttributeLine:
    """A line of an attributes file.

    Attributes:
        raw: its bytes, line ending included.
        pattern: the pattern without its quotes; b"" where the line has none.
        macro: the name of the macro that it defines; b"" for other lines.
        states: its attributes as written: ``name``, ``-name``, ``!name``, ``name=value``.
        head: where in ``raw`` the pattern ends; what follows is attributes alone.
    """

    raw: bytes
    pattern: bytes = b""
    macro: bytes = b""
    states: tuple[bytes, ...] = ()
    pattern_end: int = 0


@dataclass(frozen=True)
class Pattern:
    """A pattern with ``filter=theta``, relative to the folder of the file in which it stands.

    Attributes:
        pattern: without its quotes, as :func:`normalized` makes it.
        file: the attributes file, relative to the top of the worktree.
        format: the format that is chosen for these files there; None where the bytes decide.
    """

    pattern: str
    file: str
    format: str | None = None


@dataclass(frozen=True)
class IndexEntry:
    """A file in the index.

    Attributes:
        mode: ``100644`` or ``100755``.
        oid: the id of its blob.
        stage: 0, or 1 to 3 (base, ours, theirs) while it is in conflict.
        path: relative to the top of the worktree; undecodable bytes as surrogates.
    """

    mode: str
    oid: str
    stage: int
    path: str


def parse_attributes(content: bytes) -> list[AttributeLine]:
    """The lines of an attributes file; their ``raw`` bytes join to ``content``."""
    # Git ends lines at \n alone; bytes.splitlines would also end them at a lone \r.
    lines = re.findall(rb"[^\n]*\n|[^\n]+", content)
    return [_parse_line(raw, raw.removeprefix(_BOM) if number == 0 else raw) for number, raw in enumerate(lines)]


def _parse_line(raw: bytes, text: bytes) -> AttributeLine:
    text = text.lstrip(_BLANK)
    if not text or text.startswith(b"#") or len(raw.rstrip(b"\r\n")) >= _LONGEST_LINE:
        return AttributeLine(raw)
    quoted = QUOTED.match(text)
    written = quoted[0] if quoted else _WORD.findall(text)[0]
    pattern = unquote(quoted[1]) if quoted else written
    states = tuple(_WORD.findall(text[len(written) :]))
    if pattern.startswith(_MACRO) and pattern != _MACRO:
        return AttributeLine(raw, macro=pattern.removeprefix(_MACRO), states=states)
    if pattern.startswith(b"!"):
        return AttributeLine(raw)
    return AttributeLine(raw, pattern, states=states, pattern_end=len(raw) - len(text) + len(written))


def track_patterns(
    file: Path, patterns: Iterable[str], *, chosen_format: str = "", scratch: Path | None = None
) -> list[str]:
    """Append our attributes for the patterns that lack them; returns those.

    A line that gives the same pattern other attributes stays; ours, coming later, wins where they disagree.

    Args:
        file: the ``.gitattributes`` to edit, or to make.
        patterns: relative to the folder of ``file``, in Git's pattern language.
        chosen_format: the format of their files; "" to leave that to others.
        scratch: where a temporary file is in nobody's way.

    Raises UsageError for a pattern that could never match, and where ``file`` is a symbolic link.
    """
    content = before = atomic.read_file(file)
    wanted = {normalize_pattern(pattern): pattern for pattern in patterns}
    added = [key for key in wanted if not _has_filter(parse_attributes(content), key, _macros_in(content))]
    content = append_lines(content, added)
    if chosen_format:
        state = os.fsencode(f"{FORMAT}={chosen_format}")
        # With a line of its own where the pattern is tracked: the last word counts.
        lacking = [key for key in wanted if not _has_state(parse_attributes(content), key, _macros_in(content), state)]
        content = append_lines(content, lacking, [state])
        added = [key for key in wanted if key in added or key in lacking]
    if content != before:
        atomic.replace_file(file, content, scratch=scratch)
    return [wanted[key] for key in added]


def append_lines(content: bytes, patterns: Iterable[bytes], states: Sequence[bytes] = ATTRIBUTES) -> bytes:
    """An attributes file with lines at its end that give these patterns, in their order, these attributes.

    Patterns whose last word on the first of these attributes is just that get no further line.
    """
    lines = parse_attributes(content)
    macros = _macros_of(lines)
    ending = b"\r\n" if lines and lines[0].raw.endswith(b"\r\n") else b"\n"
    lacking = [pattern for pattern in patterns if not _has_state(lines, pattern, macros, states[0])]
    if lacking and content and not content.endswith(b"\n"):
        content += ending
    return content + b"".join(_quote(pattern) + b" " + b" ".join(states) + ending for pattern in lacking)


def untrack_patterns(file: Path, patterns: Iterable[str], *, scratch: Path | None = None) -> list[str]:
    """Take our attributes off the patterns' lines, and away the lines that have no others; returns those found.

    Raises UsageError for a pattern that could never match, and where ``file`` is a symbolic link.
    """
    lines = parse_attributes(atomic.read_file(file))
    wanted = {normalize_pattern(pattern): pattern for pattern in patterns}
    found = {line.pattern for line in lines if line.pattern in wanted and _is_ours(line)}
    if found:
        content = b"".join(strip_ours(line) if line.pattern in found else line.raw for line in lines)
        atomic.replace_file(file, content, scratch=scratch)
    return [typed for key, typed in wanted.items() if key in found]


def normalize_pattern(pattern: str) -> bytes:
    """A pattern as Git has to be given it: ``./a`` is ``/a``, and a leading ``!`` is escaped.

    Raises UsageError where Git could never match it.
    """
    key = os.fsencode(pattern)
    if key.startswith(b"./"):
        key = key[1:]
    if key.startswith(b"!"):
        key = b"\\" + key
    reasons = {
        "is empty": not key,
        "would define a macro": key.startswith(_MACRO),
        "lies outside of this folder": key.startswith(b"../"),
        "names a folder, which Git never matches": key.endswith(b"/"),
        "holds a NUL": b"\0" in key,
        "is too long for Git": len(_quote(key)) + len(b" ".join(ATTRIBUTES)) + 1 >= _LONGEST_LINE,
    }
    for reason, holds in reasons.items():
        if holds:
            hint = "Run this in the folder of the files."
            if key.endswith(b"/"):
                hint = f"`{pattern}**` matches what is in it"
            elif not key:
                hint = "Name files, as in: git theta track '*.safetensors'"
            raise UsageError(f"the pattern {pattern!r} {reason}", hint=hint)
    return key


def tracked_patterns(repository: Repository) -> list[Pattern]:
    """Every pattern with ``filter=theta`` in the repository's ``.gitattributes`` files and ``info/attributes``."""
    files = {name: parse_attributes(content) for name, content in _read_attribute_files(repository).items()}
    # Git takes macros from the top of the worktree and from info/attributes alone.
    macros = _macros_of([line for name, lines in files.items() if name in (".gitattributes", _INFO) for line in lines])
    return [
        Pattern(os.fsdecode(pattern), name, _find_format(lines, pattern, macros))
        for name, lines in files.items()
        for pattern in dict.fromkeys(line.pattern for line in lines if line.pattern)
        if _has_filter(lines, pattern, macros)
    ]


_INFO = "info/attributes"


def _read_attribute_files(repository: Repository) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    top = repository.worktree
    if top:
        # Ignored ones count too: Git reads them all the same.
        listing = git("ls-files", "-z", "--cached", "--others", "--", ":(glob)**/.gitattributes", cwd=top)
        for path in sorted(set(split_nul(listing))):
            file = top / path
            # A sparse checkout lacks files that Git then reads from the index; a link it does not follow.
            content = file.read_bytes() if file.is_file() and not file.is_symlink() else read_blob(f":{path}", top)
            files[path] = content or b""
    info = repository.common_dir / _INFO
    if info.is_file():
        files[_INFO] = info.read_bytes()
    return files


def filtered_paths(paths: Sequence[str], cwd: Path | None = None, *, any_case: bool = False) -> list[str]:
    """Those of ``paths`` (relative to ``cwd``) to which Git applies our filter, by whatever rule.

    ``any_case``: or would, if upper and lower case were the same to it.
    """
    found = read_attribute("filter", paths, cwd, config={"core.ignoreCase": "true"} if any_case else {})
    return [path for path in paths if found[path] == "theta"]


def indexed_files(repository: Repository) -> list[IndexEntry]:
    """The files in the index, in Git's order; all stages of those in conflict. None in a bare repository."""
    if repository.worktree is None:
        return []
    entries = []
    for item in split_nul(git("ls-files", "-z", "--stage", cwd=repository.worktree)):
        facts, _, path = item.partition("\t")
        mode, oid, stage = facts.split(" ")
        if mode.startswith("100"):  # neither links nor submodules pass through a filter
            entries.append(IndexEntry(mode, oid, int(stage), path))
    return entries


def tracked_files(repository: Repository) -> list[IndexEntry]:
    """Those of the files in the index to which Git applies our filter."""
    entries = indexed_files(repository)
    ours = set(filtered_paths(list(dict.fromkeys(entry.path for entry in entries)), repository.worktree))
    return [entry for entry in entries if entry.path in ours]


def _has_filter(lines: Iterable[AttributeLine], pattern: bytes, macros: Mapping[bytes, tuple[bytes, ...]]) -> bool:
    """Whether a pattern's lines end up with our filter."""
    return _has_state(lines, pattern, macros, ATTRIBUTES[0])


def _has_state(
    lines: Iterable[AttributeLine], pattern: bytes, macros: Mapping[bytes, tuple[bytes, ...]], wanted: bytes
) -> bool:
    """Whether the last word of a pattern's lines on an attribute is this one."""
    return _last_state(lines, pattern, macros, wanted.lstrip(b"-!").partition(b"=")[0]) == wanted


def _last_state(
    lines: Iterable[AttributeLine], pattern: bytes, macros: Mapping[bytes, tuple[bytes, ...]], name: bytes
) -> bytes:
    """What a pattern's lines say last about an attribute; b"" where they do not speak of it."""
    states = [state for line in lines if line.pattern == pattern for state in _expand_macros(line.states, macros)]
    return next((state for state in reversed(states) if state.lstrip(b"-!").partition(b"=")[0] == name), b"")


def _find_format(
    lines: Iterable[AttributeLine], pattern: bytes, macros: Mapping[bytes, tuple[bytes, ...]]
) -> str | None:
    return os.fsdecode(_last_state(lines, pattern, macros, FORMAT.encode()).partition(b"=")[2]) or None


def _expand_macros(
    states: Iterable[bytes], macros: Mapping[bytes, tuple[bytes, ...]], seen: frozenset[bytes] = frozenset()
) -> list[bytes]:
    """Attributes with macros replaced by what they stand for."""
    flat: list[bytes] = []
    for state in states:
        if state in macros and state not in seen:
            flat += _expand_macros(macros[state], macros, seen | {state})
        flat.append(state)
    return flat


def _macros_in(content: bytes) -> dict[bytes, tuple[bytes, ...]]:
    return _macros_of(parse_attributes(content))


def _macros_of(lines: Iterable[AttributeLine]) -> dict[bytes, tuple[bytes, ...]]:
    return {line.macro: line.states for line in lines if line.macro}


def _is_ours(line: AttributeLine) -> bool:
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


def _quote(pattern: bytes) -> bytes:
    """A pattern as it is written in the file: in quotes where Git would otherwise misread it."""
    if not re.search(rb'[\0-\x20\x7f]|^["#]', pattern):
        return pattern
    return quote(pattern)
