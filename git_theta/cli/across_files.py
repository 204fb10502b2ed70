"""What is said of checkpoints that are contested across files which Git merged one by one."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from git_theta.cli import boundary
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.repository.merging.contested_across import ContestedLines, find_own_sides, foresee_contested
from git_theta.repository.merging.mixed_commit import MixedCommit
from git_theta.repository.merging.policy_sources import OPTIONS_VARIABLE
from git_theta.vcs.callers.parent_checkout import applied_stash
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import is_below_merge
from git_theta.vcs.hooks import COMMIT_HOOK_NAME, MERGE_HOOK_NAME, runs_git_theta
from git_theta.vcs.merges.merge_sides import find_stash_sides
from git_theta.vcs.merges.running_sides import find_applied_sides, find_driver_sides
from git_theta.vcs.merges.uncommitted_picks import find_uncommitted_sides
from git_theta.words import list_some

_SETTLE = "Settle it: git theta resolve -s STRATEGY, or --ours, --theirs, -i."
_HINT = f"{_SETTLE} Or give the merge up: git merge --abort"
_MERGE_HINT = """\
Undo the merge: git reset --merge ORIG_HEAD. Then merge with git theta merge.
For other merges, have {0} run: git theta pre-merge-commit"""
_REBASE_HINT = """\
Undo the rebase: git rebase --abort, or git reset --hard ORIG_HEAD where it has ended. Then merge: git theta merge
For other rebases, have {0} run: git theta prepare-commit-msg "$@\""""
_APPLY_HINT = """\
Undo the rebase: git rebase --abort, or git reset --hard ORIG_HEAD where it has ended. Then: git rebase --merge"""
_STASH_HINT = "Take all its files from one side: git checkout HEAD -- FILES, or git checkout {0} -- FILES"
_PICK_HINT = """\
Take it back, with all that is staged: git reset --merge
Without -n it stops where it mixes something up, and git theta resolve settles that."""
_WITHOUT_ALL = "The index is locked. Commit what is staged, and it is put into conflict: git commit, without -a"
_BASELESS = """\
Its merge bases contradict each other. Name one of them, or what they come from, and merge by parameters:
    git merge --abort; git theta merge --base REV {0}"""
_TAKE_HINT = "Take all files of the checkpoint from one side: git theta resolve --ours, or --theirs"
_WAYS = {
    "rebase-merge": ("git commit; git rebase --continue", "git rebase --abort"),
    "CHERRY_PICK_HEAD": ("git cherry-pick --continue", "git cherry-pick --abort"),
    "REVERT_HEAD": ("git revert --continue", "git revert --abort"),
    "MERGE_HEAD": ("git commit", "git merge --abort"),
    "SQUASH_MSG": ("git commit", "git reset --merge"),
}
"""How a person goes on, or gives up, by what Git has in its folder."""


def warn_unasked(repository: Repository) -> None:
    """Name the checkpoints that the Git command above us will mix up, where no hook in force asks us."""
    if OPTIONS_VARIABLE in os.environ:  # `git theta merge` looks itself
        return
    git_dir, top, hooks = repository.git_dir, repository.worktree, repository.hooks_dir
    asked = [name for name in (MERGE_HOOK_NAME, COMMIT_HOOK_NAME) if runs_git_theta(hooks, name)]
    if stash := applied_stash():
        _warn_of(find_stash_sides(stash, top), _STASH_HINT.format(shlex.quote(stash)), repository)
    elif picks := find_uncommitted_sides(top):
        for picked in picks:
            _warn_of(picked, _PICK_HINT, repository)
    elif sides := find_applied_sides(git_dir, top):
        _warn_of(sides, _APPLY_HINT, repository)
    elif is_below_merge() and not asked:
        hint = _MERGE_HINT.format(hooks / MERGE_HOOK_NAME)
        _warn_of(find_own_sides(repository), hint, repository)
    elif (git_dir / "rebase-merge").is_dir() and COMMIT_HOOK_NAME not in asked:
        _warn_of(find_driver_sides(git_dir, top), _REBASE_HINT.format(hooks / COMMIT_HOOK_NAME), repository)


def _warn_of(sides: Sequence[str | None] | None, hint: str, repository: Repository) -> None:
    for path in foresee_contested(sides, repository) if sides else ():
        boundary.warn(f"{path}: it is contested across its files, and nobody asks us: Git mixes it up", hint=hint)


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


def warn_contested_as_one(item: FilePlan) -> None:
    """Name a checkpoint that is one conflict, not one by parameters, and say why."""
    boundary.warn(f"{item.path}: {item.reason}", hint=_TAKE_HINT)


def _warn_each(found: ContestedLines, said: str, hint: str) -> None:
    for path, lines in found.items():
        boundary.warn(f"{path}: {said}", hint=hint)
        for line in list_some(lines):
            boundary.say(f"  {line}")
