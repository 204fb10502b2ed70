"""A branch that keeps the last few of the checkpoints that a training loop commits, and drops those before."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from git_theta.vcs.branches import move_branch, replace_parent
from git_theta.vcs.git import read_fields, run_git
from git_theta.words import escape_unprintable

_TRAILER = "Theta-Checkpointer"
"""What marks the commits that may be dropped, with the path of the checkpoint."""


class _MarkedCommit(NamedTuple):
    """A commit, its only parent, and the mark that a training loop gave it; "" for neither."""

    commit: str
    parent: str
    marker: str


def mark_message(message: str, path: str) -> str:
    """A commit's message that says that the commit may be dropped when later ones have been made."""
    return f"{message.rstrip()}\n\n{_TRAILER}: {_marker_of(path)}"


def thin_branch(ref: str, tip: str, path: str, keep: int, top: Path) -> str:
    """Have a branch keep the last commits that are marked, and drop those right below them; returns its new tip.

    The commits that stay are made anew on what the first dropped one stood on: with the same trees, messages, authors
    and dates, without signatures. Nobody's own commit is ever dropped: what is not marked ends the row.

    Args:
        ref: the full name of the branch.
        tip: where it is.
        path: of the checkpoint whose commits count.
        keep: how many stay.
        top: where git works.

    Raises BranchMoved where somebody moved the branch meanwhile.
    """
    with closing(_walk_down(tip, top)) as walked:
        marked = list(takewhile(lambda one: one.marker == _marker_of(path), walked))
    if len(marked) <= keep:
        return tip
    parent = marked[-1].parent
    for one in reversed(marked[:keep]):
        parent = replace_parent(one.commit, parent, top)
    move_branch(ref, parent, tip, f"checkpointer: keep {keep}", top)
    return parent


def _marker_of(path: str) -> str:
    return escape_unprintable(path)


def _walk_down(tip: str, top: Path) -> Generator[_MarkedCommit, None, None]:
    """The commits from the tip down, by first parents, as far as somebody asks. Merges have no mark."""
    form = f"%H%x00%P%x00%(trailers:key={_TRAILER},valueonly,separator=%x2C)"
    with run_git("log", "--first-parent", "-z", f"--format=tformat:{form}", tip, "--", cwd=top) as output:
        fields = read_fields(output)
        for commit in fields:
            parents, marker = next(fields).split(), next(fields)
            is_single = len(parents) == 1
            yield _MarkedCommit(commit, parents[0] if is_single else "", marker if is_single else "")
