"""Picks and reverts that Git was told not to commit (``-n``): it notes them nowhere, only its command line has them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from git_theta.vcs.heads import HEAD, all_merge_bases
from git_theta.vcs.merge_sides import MergeSides
from git_theta.vcs.parent_process import parent_command
from git_theta.vcs.revisions import find_commit

_OPTIONS_WITH_VALUE = ("-X", "--strategy", "--strategy-option", "--cleanup")
_FLAGS = re.compile("-([enrsx]*)(m?)([0-9]*)")
"""One-letter options, of which the last may be that of the parent, with its number or the next word."""


class _Picks(NamedTuple):
    """What is picked, or else reverted: words that name commits or ranges; of merges, relative to which parent."""

    is_revert: bool
    words: tuple[str, ...]
    parent: str


def is_picking_uncommitted() -> bool:
    """Whether our parent picks or reverts, and was told not to commit."""
    return _read_picks() is not None


def find_uncommitted_sides(cwd: Path | None = None) -> list[MergeSides]:
    """The sides of each pick, revert or range of these that our parent was told not to commit."""
    picks, ours = _read_picks(), find_commit(HEAD, cwd)
    ends = [_find_ends(word, picks.parent, cwd) for word in picks.words] if picks else []
    return [
        MergeSides(new, ours, old) if picks and picks.is_revert else MergeSides(old, ours, new)
        for old, new in ends
        if old and new
    ]


def _find_ends(word: str, parent: str, cwd: Path | None) -> tuple[str, str]:
    """The commits between which lies what a commit, or a range of them, has changed; "" for what is none here."""
    start, is_range, end = word.partition("..")
    if is_range:
        ends = find_commit(start or HEAD, cwd), find_commit(end or HEAD, cwd)
        bases = all_merge_bases(*ends, cwd=cwd) if all(ends) else []
        return next(iter(bases), ""), ends[1]
    name = "@{-1}" if word == "-" else word
    return find_commit(f"{name}^{parent}", cwd), find_commit(name, cwd)


def _read_picks() -> _Picks | None:
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
            parent = (flags[3] or next(words, "")) if flags[2] else parent
        is_uncommitted |= word == "--no-commit"
    return _Picks(command == "revert", tuple(named), parent) if is_uncommitted else None
