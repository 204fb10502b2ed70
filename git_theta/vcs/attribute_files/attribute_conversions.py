"""What Git itself does to the bytes of a file on their way: line ends, encodings, `$Id$`.

A manifest bears none of it.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.vcs.atomic import read_or_nothing
from git_theta.vcs.attribute_files.attribute_lines import parse_attributes
from git_theta.vcs.attribute_files.nearby_attributes import ENCODING, INFO, nearby_files
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, scrubbed_environment, split_nul
from git_theta.vcs.remembered_settings import find_setting, is_true

_ATTRIBUTES = ("text", "eol", "crlf", "ident", ENCODING)
_SILENT = ("unspecified", "unset")


class Conversion(NamedTuple):
    """What Git converts a file by.

    Attributes:
        path: from the top of the worktree.
        attribute: as in ``text=auto``; ``core.autocrlf`` where the configuration alone does it.
        file: the attributes file that says so, from the top; "" where it is the person's or the system's.
    """

    path: str
    attribute: str
    file: str


def find_conversions(paths: Sequence[str], repository: Repository) -> list[Conversion]:
    """What Git converts these files by, in the order of ``paths``."""
    top = repository.worktree
    assert top
    converts = is_true(find_setting("core.autocrlf", top))  # "input" converts nothing that is here
    found = []
    for path, states in _read_states(paths, top).items():
        for name in _converting(states, autocrlf=converts):
            state = states.get(name, "")
            place = _deciding_file(path, name, repository) if name in states else ""
            found.append(Conversion(path, name if state in ("", "set") else f"{name}={state}", place))
    return found


def recoding_of(path: str, repository: Repository) -> Conversion | None:
    """What has Git take the encoding of a file's manifest for another one; None for nothing."""
    return next((one for one in find_conversions([path], repository) if one.attribute.startswith(ENCODING)), None)


def _converting(states: Mapping[str, str], *, autocrlf: bool) -> Iterator[str]:
    """The attributes that convert something. Git's rules: convert.c, convert_attrs."""
    text, eol, crlf = states["text"], states["eol"], states["crlf"]
    if text != "unset" and eol != "lf":
        if text != "unspecified":
            yield "text"
        elif eol != "unspecified":
            yield "eol"
        elif crlf not in _SILENT:
            yield "crlf"
        elif crlf == "unspecified" and autocrlf:
            yield "core.autocrlf"
    if states["ident"] not in _SILENT:
        yield "ident"
    if states[ENCODING].lower() not in (*_SILENT, "utf-8", "utf8"):
        yield ENCODING


def _read_states(paths: Sequence[str], top: Path) -> dict[str, dict[str, str]]:
    """Path to attribute to state."""
    stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
    states: dict[str, dict[str, str]] = defaultdict(dict)
    answer = split_nul(git("check-attr", "-z", "--stdin", *_ATTRIBUTES, cwd=top, stdin=stdin)) if paths else []
    for path, name, state in zip(answer[::3], answer[1::3], answer[2::3], strict=True):
        states[path][name] = state
    return states


def _deciding_file(path: str, attribute: str, repository: Repository) -> str:
    """The file of the repository whose lines decide on an attribute of a path; "" for none of them.

    Git tells no such thing; so each is put alone into a repository of its own, and Git is asked there.
    """
    files = {place: read_or_nothing(file) for place, file in nearby_files(path, repository)}
    macros = b"".join(
        line.raw.rstrip(b"\r\n") + b"\n"
        for place in (".gitattributes", INFO)
        for line in parse_attributes(files.get(place, b""))
        if line.macro
    )
    return next((place for place, content in files.items() if _decides(place, content, macros, path, attribute)), "")


def _decides(place: str, content: bytes, macros: bytes, path: str, attribute: str) -> bool:
    if not content:
        return False
    env = {**scrubbed_environment(), "GIT_ATTR_NOSYSTEM": "1"}
    with tempfile.TemporaryDirectory() as scratch:
        git("init", "--quiet", "--template=", scratch, env=env)
        info, file = Path(scratch) / ".git" / INFO, Path(scratch) / place
        for folder in (info.parent, file.parent):
            folder.mkdir(parents=True, exist_ok=True)
        info.write_bytes(macros)
        if place == INFO:
            file = info
        file.write_bytes(macros + content if file == info else content)
        none = {"core.attributesFile": os.devnull}
        answer = git("check-attr", "-z", attribute, "--", path, cwd=Path(scratch), env=env, config=none)
    return split_nul(answer)[2] != "unspecified"
