"""Where this repository keeps things."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from git_theta.vcs.git import git


@dataclass(frozen=True)
class Repository:
    """Paths of a repository, absolute.

    Attributes:
        git_dir: this worktree's own directory (``.git``, or ``.git/worktrees/NAME``).
        common_dir: what all its worktrees share.
        hooks_dir: where Git looks for hooks (core.hooksPath honoured).
        worktree: top of the checked-out files, or None in a bare repository.
    """

    git_dir: Path
    common_dir: Path
    hooks_dir: Path
    worktree: Path | None

    @property
    def theta_dir(self) -> Path:
        """Everything of ours that belongs to the clone: objects, state, temporary files."""
        return self.common_dir / "theta"

    def alternates(self) -> list[Path]:
        """Object directories this repository borrows from (``git clone --shared``), as their theta directories."""
        listing = self.common_dir / "objects" / "info" / "alternates"
        if not listing.is_file():
            return []
        lines = listing.read_text(errors="surrogateescape").splitlines()
        objects = [self.common_dir / "objects" / line for line in lines if line and not line.startswith("#")]
        return [folder.resolve().parent / "theta" for folder in objects]


def discover(cwd: Path | None = None) -> Repository:
    """The repository around ``cwd``. Raises GitError outside of one."""
    answer = git(
        "rev-parse", "--path-format=absolute", "--git-dir", "--git-common-dir", "--git-path", "hooks",
        "--is-inside-work-tree", "--show-cdup", cwd=cwd,
    )  # fmt: skip
    git_dir, common, hooks, inside, *up = os.fsdecode(answer).split("\n")
    top = ((cwd or Path()) / up[0]).resolve() if inside == "true" else None
    return Repository(Path(git_dir), Path(common), Path(hooks), top)
