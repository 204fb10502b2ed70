"""What stopped here, or waits for its commit: a merge, a pick, a revert, a rebase or a squash, by what Git notes."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from git_theta.errors import UsageError
from git_theta.vcs.git import git
from git_theta.vcs.heads import HEAD, all_merge_bases, resolve_head
from git_theta.vcs.merges.merge_sides import MergeSides, find_merge_sides, find_pick_sides, find_revert_sides
from git_theta.vcs.merges.rebase_lines import MELDING, find_rebase_sides, waits_for_pick

_SQUASHED = "Squashed commit of the following:"
"""How Git begins what it notes of a `git merge --squash`; a commit of each that was squashed follows, newest first."""
_REVERTED = re.compile(rb"^This reverts commit ([0-9a-f]{7,64})\b", re.MULTILINE)
"""How Git says in the message of a revert what that undoes; nothing else tells while its commit is being made."""


def find_sides(git_dir: Path, cwd: Path | None = None) -> MergeSides | None:
    """The sides of the merge, pick, revert, rebase or squash that stopped here; None where Git keeps no note of them.

    A merge of several heads has none, nor one with several merge bases that are in conflict with each other.
    """
    kinds = {
        "MERGE_HEAD": find_merge_sides,
        "CHERRY_PICK_HEAD": find_pick_sides,
        "REVERT_HEAD": find_revert_sides,
        "REBASE_HEAD": find_pick_sides,  # a rebase that stops has taken CHERRY_PICK_HEAD away
    }
    for name, find in kinds.items():
        if (git_dir / name).exists() and (name != "REBASE_HEAD" or waits_for_pick(git_dir)):
            heads = (git_dir / name).read_text().split()
            return find(heads[0], cwd) if len(heads) == 1 else None
    return find_rebase_sides(git_dir, MELDING, cwd) or _sides_of_squash(git_dir, cwd)


def find_reverted(message: bytes, cwd: Path | None = None) -> MergeSides | None:
    """The sides of the revert that a commit of this message records; None where it records none."""
    found = _REVERTED.search(message)
    with suppress(UsageError):
        return find_revert_sides(resolve_head(found[1].decode(), cwd).commit, cwd) if found else None
    return None


def find_baseless(git_dir: Path, cwd: Path | None = None) -> MergeSides | None:
    """The sides of a merge whose merge bases are in conflict with each other: nobody knows what Git began at."""
    with suppress(OSError):
        heads = (git_dir / "MERGE_HEAD").read_text().split()
        ours = resolve_head(HEAD, cwd).commit
        if len(heads) == 1 and len(all_merge_bases(ours, heads[0], cwd=cwd)) > 1:
            return MergeSides(None, ours, heads[0])
    return None


def note_revert(commit: str, cwd: Path | None = None) -> None:
    """Note that a commit is being reverted, as Git does where a revert stops by itself."""
    git("update-ref", "REVERT_HEAD", commit, cwd=cwd)


def merges_several(git_dir: Path) -> bool:
    """Whether the merge that stopped here is of several heads at once."""
    with suppress(OSError):
        return len((git_dir / "MERGE_HEAD").read_text().split()) > 1
    return False


def _sides_of_squash(git_dir: Path, cwd: Path | None) -> MergeSides | None:
    """The sides of a `git merge --squash`; None where several heads were squashed, or HEAD has moved since."""
    with suppress(OSError):
        title, *lines = (git_dir / "SQUASH_MSG").read_text(errors="replace").splitlines() or [""]
        commits = [line.split()[1] for line in lines if re.match("commit [0-9a-f]{40}", line)]
        if title == _SQUASHED and commits:
            new = git("rev-list", commits[0], f"^{HEAD}", cwd=cwd).decode().split()
            return find_merge_sides(commits[0], cwd) if set(new) == set(commits) else None
    return None
