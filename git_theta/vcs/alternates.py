"""The object directories that a repository borrows from, all the way down: a clone of a ``--shared`` clone has two.

Read as Git reads them (object-file.c): each directory's ``info/alternates``, and what those name in turn, five levels
deep; relative paths start at the directory that names them; lines are comments, or paths that may stand in C-style
quotes. ``GIT_ALTERNATE_OBJECT_DIRECTORIES`` comes first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from git_theta.vcs.discovery import Repository
from git_theta.vcs.quoting import QUOTED, unquote

_ENVIRONMENT = "GIT_ALTERNATE_OBJECT_DIRECTORIES"
_DEEPEST = 5
"""Git ignores what is nested more deeply, with an error."""


class Alternates(NamedTuple):
    """What a repository borrows from.

    Attributes:
        found: object directories, in Git's order, each once.
        missing: those that are named, and are no directories.
        ignored: those nested too deeply for Git to look into.
    """

    found: tuple[Path, ...]
    missing: tuple[Path, ...]
    ignored: tuple[Path, ...]


def read_alternates(objects: Path, environment: str = "") -> Alternates:
    """The alternates of an object directory.

    Args:
        objects: the repository's own.
        environment: what the variable says; it counts for the repository that Git works in, not for others.
    """
    chain = _Chain(objects)
    for entry in _split_environment(os.fsencode(environment)):
        chain.add(Path(os.fsdecode(entry)).absolute(), 0)
    chain.follow(objects, 0)
    return Alternates(tuple(chain.found.values()), tuple(chain.missing), tuple(chain.ignored))


def alternates_of(repository: Repository) -> Alternates:
    """The alternates of the repository that we were started for."""
    return read_alternates(repository.objects_dir, os.environ.get(_ENVIRONMENT, ""))


class _Chain:
    def __init__(self, objects: Path) -> None:
        self._seen = {os.path.realpath(objects)}
        self.found: dict[str, Path] = {}
        self.missing: dict[Path, None] = {}
        self.ignored: dict[Path, None] = {}

    def follow(self, objects: Path, depth: int) -> None:
        """Add what an object directory names."""
        for entry in _read_entries(objects):
            # Git goes from the real directory, and then by the letters of the path.
            place = Path(os.path.normpath(os.path.join(os.path.realpath(objects), os.fsdecode(entry))))  # noqa: PTH118
            if depth > _DEEPEST:
                self.ignored[place] = None
            else:
                self.add(place, depth)

    def add(self, objects: Path, depth: int) -> None:
        """Add an object directory, then what it names itself. One that is there already, as in a cycle, is not new."""
        real = os.path.realpath(objects)
        if not objects.is_dir():
            self.missing[objects] = None
        elif real not in self._seen:
            self._seen.add(real)
            self.found[real] = objects
            self.follow(objects, depth + 1)


def _read_entries(objects: Path) -> Iterator[bytes]:
    try:
        lines = (objects / "info" / "alternates").read_bytes().split(b"\n")
    except OSError:  # none, or not ours to read: Git passes over it too
        return
    for line in lines:
        if line and not line.startswith(b"#"):
            quoted = QUOTED.match(line)
            yield unquote(quoted[1]) if quoted else line


def _split_environment(text: bytes) -> Iterator[bytes]:
    """The paths of a list that colons part; a path with a colon in it stands in quotes."""
    while text:
        quoted = QUOTED.match(text)
        if quoted:
            entry, text = unquote(quoted[1]), text[quoted.end() :].removeprefix(b":")
        else:
            entry, _, text = text.partition(b":")
        if entry and not entry.startswith(b"#"):
            yield entry
