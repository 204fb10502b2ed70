"""What Git's configuration asks of merges, and we have to heed where we make them ourselves."""

from __future__ import annotations

import os
from collections.abc import Sequence

from git_theta.errors import UsageError
from git_theta.vcs.config import read_last_values
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import ask_git, git, git_succeeds
from git_theta.vcs.heads import HEAD, Head
from git_theta.vcs.remembered_settings import has_true_setting, is_false


def require_true_merges(repository: Repository) -> None:
    """Raise UsageError where ``merge.ff=only`` forbids merges that are no fast-forwards."""
    if _read_fast_forwards(repository) == "only":
        raise UsageError(
            "merge.ff is only, and this is no fast-forward", hint="Allow it: git -c merge.ff=true theta merge ..."
        )


def forbids_fast_forwards(repository: Repository) -> bool:
    """Whether ``merge.ff`` asks for a commit where a fast-forward would do."""
    return is_false(_read_fast_forwards(repository))


def _read_fast_forwards(repository: Repository) -> str:
    return read_last_values(["merge.ff"], cwd=repository.worktree).get("merge.ff", "")


def require_signatures(heads: Sequence[Head], repository: Repository) -> None:
    """Raise UsageError for a head without a good signature, where ``merge.verifySignatures`` asks for one."""
    if not has_true_setting("merge.verifysignatures", repository.worktree):
        return
    for head in heads:
        if not _is_well_signed(head.commit, repository):
            raise UsageError(
                f"{head.name}: its commit has no signature that is good and trusted, and merge.verifySignatures is set",
                hint=f"Look at it: git verify-commit {head.commit}",
            )


def needs_git(repository: Repository) -> bool:
    """Whether merges are asked for what `git merge` alone does.

    Its options for this branch, another strategy, line ends made alike, or stashing meanwhile.
    """
    branch = os.fsdecode(ask_git("symbolic-ref", "--quiet", "--short", HEAD, cwd=repository.worktree) or b"").strip()
    options = read_last_values([f"branch.{branch}.mergeoptions", "pull.twohead"], cwd=repository.worktree)
    asked = (has_true_setting(f"merge.{name}", repository.worktree) for name in ("renormalize", "autostash"))
    return bool(options) or any(asked)


def _is_well_signed(commit: str, repository: Repository) -> bool:
    """Whether `git merge --verify-signatures` takes a commit: U, whose key nobody vouches for, where a level is set."""
    top = repository.worktree
    enough = "GU" if read_last_values(["gpg.mintrustlevel"], cwd=top) else "G"
    said = git("log", "-1", "--no-show-signature", "--format=%G?", commit, cwd=top).decode().strip()
    return said in enough and git_succeeds("verify-commit", commit, cwd=top)
