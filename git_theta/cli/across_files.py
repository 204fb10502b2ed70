"""What is said of checkpoints that are contested across files which Git merged one by one."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from git_theta.cli import boundary
from git_theta.repository.merging.contested_across import ContestedLines, foresee_contested
from git_theta.repository.merging.mixed_commit import MixedCommit
from git_theta.repository.merging.policy_sources import OPTIONS_VARIABLE
from git_theta.vcs.discovery import Repository
from git_theta.vcs.hooks import MERGE_HOOK_NAME
from git_theta.words import list_some

_SETTLE = "Settle it: git theta resolve -s STRATEGY, or --ours, --theirs, -i."
_HINT = f"{_SETTLE} Or give the merge up: git merge --abort"
_WITHOUT_ALL = "The index is locked. Commit what is staged, and it is put into conflict: git commit, without -a"
_BASELESS = """\
Its merge bases contradict each other. Name one of them, or what they come from, and merge by parameters:
    git merge --abort; git theta merge --base REV {0}"""
_WAYS = {
    "rebase-merge": ("git commit; git rebase --continue", "git rebase --abort"),
    "CHERRY_PICK_HEAD": ("git cherry-pick --continue", "git cherry-pick --abort"),
    "REVERT_HEAD": ("git revert --continue", "git revert --abort"),
    "MERGE_HEAD": ("git commit", "git merge --abort"),
    "SQUASH_MSG": ("git commit", "git reset --merge"),
}
"""How a person goes on, or gives up, by what Git has in its folder."""


def warn_unasked(repository: Repository) -> None:
    """Name the checkpoints that the `git merge` above us will mix up, where the hook in force does not ask us."""
    if OPTIONS_VARIABLE in os.environ:  # `git theta merge` looks itself
        return
    hook = repository.hooks_dir / MERGE_HOOK_NAME
    for path in foresee_contested(repository):
        boundary.warn(
            f"{path}: it is contested across its files, and the hook {hook} does not ask us: Git mixes it up",
            hint="Undo the merge: git reset --merge ORIG_HEAD. Then merge with git theta merge, or have that hook run: "
            "git theta pre-merge-commit",
        )


def warn_mixed(mixed: MixedCommit, repository: Repository) -> None:
    """Name the checkpoints that a commit would mix up, and what of each."""
    here = (ways for name, ways in _WAYS.items() if (repository.git_dir / name).exists())
    go_on, give_up = next(here, ("git commit", "git reset --merge"))
    hint = f"{_SETTLE} Then: {go_on}\nOr give it up: {give_up}" if mixed.is_marked else _WITHOUT_ALL
    if mixed.baseless:
        hint = _BASELESS.format(mixed.baseless[:12])
    _warn_each(mixed.lines, "Git merged its files one by one, and mixed up what belongs together", hint)


def warn_across(found: ContestedLines, several: Sequence[str] = ()) -> None:
    """Name the checkpoints, and what is contested of each. ``several``: the heads, where Git merged them at once."""
    hint = f"Merge them by parameters: git merge --abort; git theta merge {shlex.join(several)}" if several else _HINT
    _warn_each(found, "Git merged its files one by one, but the checkpoint is contested", hint)


def _warn_each(found: ContestedLines, said: str, hint: str) -> None:
    for path, lines in found.items():
        boundary.warn(f"{path}: {said}", hint=hint)
        for line in list_some(lines):
            boundary.say(f"  {line}")
