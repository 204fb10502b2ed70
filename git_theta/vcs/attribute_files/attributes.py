"""The patterns that are tracked: written into ``.gitattributes``, taken out of it, and listed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from git_theta.errors import UsageError
from git_theta.vcs import atomic
from git_theta.vcs.attribute_files.attribute_lines import (
    ATTRIBUTES,
    LONGEST_LINE,
    MACRO,
    append_lines,
    find_format,
    has_filter,
    has_state,
    is_ours,
    macros_in,
    macros_of,
    parse_attributes,
    quote_pattern,
    strip_ours,
)
from git_theta.vcs.attribute_files.nearby_attributes import FORMAT
from git_theta.vcs.blobs import read_blob
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, split_nul

_INFO = "info/attributes"


@dataclass(frozen=True)
class Pattern:
    """A pattern with ``filter=theta``, relative to the folder of the file in which it stands.

    Attributes:
        pattern: without its quotes, as :func:`normalize_pattern` makes it.
        file: the attributes file, relative to the top of the worktree.
        format: the format that is chosen for these files there; None where the bytes decide.
    """

    pattern: str
    file: str
    format: str | None = None


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
    added = [key for key in wanted if not has_filter(parse_attributes(content), key, macros_in(content))]
    content = append_lines(content, added)
    if chosen_format:
        state = os.fsencode(f"{FORMAT}={chosen_format}")
        # With a line of its own where the pattern is tracked: the last word counts.
        lacking = [key for key in wanted if not has_state(parse_attributes(content), key, macros_in(content), state)]
        content = append_lines(content, lacking, [state])
        added = [key for key in wanted if key in added or key in lacking]
    if content != before:
        atomic.replace_file(file, content, scratch=scratch)
    return [wanted[key] for key in added]


def untrack_patterns(file: Path, patterns: Iterable[str], *, scratch: Path | None = None) -> list[str]:
    """Take our attributes off the patterns' lines, and away the lines that have no others; returns those found.

    Raises UsageError for a pattern that could never match, and where ``file`` is a symbolic link.
    """
    lines = parse_attributes(atomic.read_file(file))
    wanted = {normalize_pattern(pattern): pattern for pattern in patterns}
    found = {line.pattern for line in lines if line.pattern in wanted and is_ours(line)}
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
        "would define a macro": key.startswith(MACRO),
        "lies outside of this folder": key.startswith(b"../"),
        "names a folder, which Git never matches": key.endswith(b"/"),
        "holds a NUL": b"\0" in key,
        "is too long for Git": len(quote_pattern(key)) + len(b" ".join(ATTRIBUTES)) + 1 >= LONGEST_LINE,
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
    macros = macros_of([line for name, lines in files.items() if name in (".gitattributes", _INFO) for line in lines])
    return [
        Pattern(os.fsdecode(pattern), name, find_format(lines, pattern, macros))
        for name, lines in files.items()
        for pattern in dict.fromkeys(line.pattern for line in lines if line.pattern)
        if has_filter(lines, pattern, macros)
    ]


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
