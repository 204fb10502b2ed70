"""The line that a rebase has come to: what it picks, and whether that still waits for its commit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from git_theta.vcs.merges.merge_sides import MergeSides, find_pick_sides

MELDING = ("squash", "fixup")
"""Lines of a rebase that pick a commit into the one before; no CHERRY_PICK_HEAD tells of these."""
PICKING = ("pick", "reword", "edit", *MELDING)
"""Lines of a rebase that pick a commit."""
_SHORT = {word[0]: word for word in PICKING}
"""What people may write for these; Git writes so, too, where ``rebase.abbreviateCommands`` is set."""


def find_rebase_sides(git_dir: Path, commands: Sequence[str], cwd: Path | None) -> MergeSides | None:
    """The sides of what a rebase picks right now, if it does so by one of these commands."""
    command, *words = _last_of_rebase(git_dir)
    return find_pick_sides(words[0], cwd) if words and command in commands else None


def waits_for_pick(git_dir: Path) -> bool:
    """Whether a rebase has still to commit what REBASE_HEAD names. Git keeps that name when the rebase has ended."""
    rebase = git_dir / "rebase-merge"
    is_edited = _last_of_rebase(git_dir)[0] == "edit" and (rebase / "amend").exists()  # it was committed to be amended
    return (git_dir / "rebase-apply").is_dir() or (rebase.is_dir() and not is_edited)


def _last_of_rebase(git_dir: Path) -> list[str]:
    """The words of the line that a rebase has come to, its command in full first; that is "" where there is none."""
    with suppress(OSError, IndexError):
        last = (git_dir / "rebase-merge" / "done").read_text().split("\n")[-2]
        command, *words = [word for word in last.split() if not word.startswith("-")] or [""]
        return [_SHORT.get(command, command), *words]
    return [""]
