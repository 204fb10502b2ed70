"""Halving history as ``git bisect`` does: Git itself says where."""

from __future__ import annotations

from collections.abc import Sequence

from git_theta.vcs.git import git
from git_theta.vcs.heads import all_merge_bases


def list_bisection_points(bad: str, goods: Sequence[str], pathspecs: Sequence[str]) -> list[str]:
    """The commits that may be the first bad one, those first whose test tells most.

    Args:
        bad: a commit that is bad: what it does not reach is none of them.
        goods: commits that are good, and with them all that they reach.
        pathspecs: only commits count that changed matching files, by Git's simplification of history.
    """
    excluded = [f"^{oid}" for oid in goods]
    lines = git("rev-list", "--bisect-all", bad, *excluded, "--", *pathspecs).decode().splitlines()
    return [line.split(" ", 1)[0] for line in lines]


def merge_bases_below(bad: str, goods: Sequence[str]) -> list[str]:
    """The best commits that ``bad`` has in common with ``goods``, without these themselves: what both sides began at.

    None where all of ``goods`` are in the history of ``bad``.
    """
    return [oid for oid in all_merge_bases(bad, *goods) if oid not in goods] if goods else []
