"""What a `git cherry-pick` or `git revert` that runs us was told, where it is not to commit: it notes that nowhere."""

from __future__ import annotations

import re
from typing import NamedTuple

from git_theta.vcs.callers.parent_process import parent_command

_OPTIONS_WITH_VALUE = ("--strategy", "--strategy-option", "--cleanup")
_FLAGS = re.compile("-([enrsx]*)(?:([mX])(.*)|S.*)?")
"""One-letter options, of which the last may have a value: the rest of the word, or (but for a key) the next one."""


class UncommittedPicks(NamedTuple):
    """What is picked, or else reverted: words that name commits or ranges; of merges, relative to which parent."""

    is_revert: bool
    words: tuple[str, ...]
    parent: int


def read_uncommitted_picks() -> UncommittedPicks | None:
    """What our parent picks or reverts without a commit (``-n``); None where it does neither, or commits."""
    command, *options = parent_command() or [""]
    if command not in ("cherry-pick", "revert"):
        return None
    named, parent, is_uncommitted = [], "1", False
    words = iter(options)
    for word in words:
        option, _, value = word.partition("=")
        if option == "--mainline":
            parent = value or next(words, "")
        elif word in _OPTIONS_WITH_VALUE:
            next(words, "")
        elif word == "-" or not word.startswith("-"):
            named.append(word)
        elif flags := _FLAGS.fullmatch(word):
            is_uncommitted |= "n" in flags[1]
            value = (flags[3] or next(words, "")) if flags[2] else ""
            parent = value if flags[2] == "m" else parent
        is_uncommitted |= word == "--no-commit"
    return UncommittedPicks(command == "revert", tuple(named), int(parent)) if is_uncommitted else None
