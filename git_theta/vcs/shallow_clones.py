"""What a shallow clone cannot tell, since history ends early in it, and what brings more of that here."""

from __future__ import annotations

from pathlib import Path

from git_theta.vcs.commits import shallow_boundary
from git_theta.vcs.git import git


def describe_deepening(top: Path | None = None) -> str:
    """A hint where a commit is missing; "" where all history is here."""
    if not shallow_boundary(top):
        return ""
    return "This clone is shallow. Get more of its history: git fetch --deepen N. Or all: git fetch --unshallow --tags"


def is_cut_off(commit: str, since: str, top: Path | None = None) -> bool:
    """Whether history ends in what a commit has beyond another one: nobody knows then whether it builds on that."""
    boundary = shallow_boundary(top)
    return bool(boundary) and not boundary.isdisjoint(git("rev-list", commit, f"^{since}", cwd=top).decode().split())
