"""How a person has pathspecs read: `git --literal-pathspecs`, `--icase-pathspecs` ..., which reach us as variables.

They are about words that the person wrote. Git reads ours by them, too, and would find no ``:(top,literal)a/b``: so
each process of ours takes them out of its environment, and says in the person's words what they said.
"""

from __future__ import annotations

import os
import re

from git_theta.vcs.remembered_settings import is_true

_LITERAL, _GLOB, _NO_GLOB, _ICASE = (f"GIT_{word}_PATHSPECS" for word in ("LITERAL", "GLOB", "NOGLOB", "ICASE"))
_VARIABLES = (_LITERAL, _GLOB, _NO_GLOB, _ICASE)
_LONG = re.compile(r":\(([^)]*)\)(.*)", re.DOTALL)
_SHORT = re.compile(r":([/!^]*):?(.*)", re.DOTALL)
_SHORT_WORDS = {"/": "top", "!": "exclude", "^": "exclude"}
_TAKEN: list[str] = []
"""Those that were true in the environment of this process."""


def take_pathspec_variables() -> None:
    """Take the variables out of our environment, and that of all we start, and remember them for the person's words."""
    _TAKEN.extend(name for name in _VARIABLES if is_true(os.environ.pop(name, "")))


def read_pathspec(word: str) -> str:
    """The pathspec that says of itself what the variables said of a person's word, by Git's rules (pathspec.c)."""
    if not _TAKEN:
        return word
    if _LITERAL in _TAKEN:
        return f":(literal){word}"
    magic, path = _split_magic(word)
    if _GLOB in _TAKEN and "literal" not in magic:
        magic.append("glob")
    if _NO_GLOB in _TAKEN and "glob" not in magic:
        magic.append("literal")
    if _ICASE in _TAKEN:
        magic.append("icase")
    return f":({','.join(magic)}){path}"


def _split_magic(word: str) -> tuple[list[str], str]:
    """The magic words before a pathspec's path, and that path."""
    if found := _LONG.fullmatch(word):
        return list(filter(None, found[1].split(","))), found[2]
    if found := _SHORT.fullmatch(word):
        return [_SHORT_WORDS[sign] for sign in found[1]], found[2]
    return [], word
