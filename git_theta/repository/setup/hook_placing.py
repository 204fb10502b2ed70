"""Our hooks, where nobody has put them: a push would leave objects behind, a merge commit what no driver has seen."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable

from git_theta.errors import ThetaError
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import is_below_merge


def ensure_hooks(repository: Repository) -> None:
    """Place the hook of pushes where there is none, and below a `git merge` that of merges: a look at a file each."""
    ensure_hook(repository)
    if is_below_merge():
        ensure_hook(repository, "pre-merge-commit")


def ensure_hook(repository: Repository, name: str = "pre-push") -> None:
    """Place a hook if there is none: one look at a file where there is."""
    if not (repository.hooks_dir / name).exists():
        place_hook(repository, name)


def prepare_pushes(repository: Repository, warn: Callable[[str], None]) -> None:
    """Place the hook if there is none; ``warn`` where another one is in force, which leaves objects behind."""
    ensure_hook(repository)
    if found := find_push_warning(repository):
        warn(". ".join(found))


def find_push_warning(repository: Repository) -> tuple[str, str] | None:
    """What to tell a person whose pushes carry no objects, since the hook in force does not run us; and the hint."""
    from git_theta.vcs import hooks
    from git_theta.vcs.hook_managers import find_push_hook

    with contextlib.suppress(OSError):
        found = find_push_hook(repository.hooks_dir, hooks.hook_command(sys.executable), repository.worktree)
        if not found.carries_objects:
            where = repository.hooks_dir / hooks.HOOK_NAME
            return (
                f"pushes will not carry what is stored here: the pre-push hook ({where}) {found.state.value}",
                found.hint,
            )
    return None


def place_hook(repository: Repository, name: str = "pre-push", *, edits: bool = False) -> None:
    """Place a hook, or bring ours up to date. New repositories and clones have none, and ask nobody to install it.

    A folder outside of the repository's own (core.hooksPath) is somebody's to keep: `git theta doctor` tells of it.

    ``edits``: whether our lines go into a hook of somebody else's, too, where they can.
    """
    from git_theta.vcs import hooks

    command = hooks.hook_command(sys.executable)
    with contextlib.suppress(OSError, ThetaError):
        if repository.common_dir in repository.hooks_dir.parents:
            found = hooks.hook_state(repository.hooks_dir, command, name)
            if found in (hooks.HookState.ABSENT, hooks.HookState.OUTDATED) or (edits and found.is_editable):
                hooks.install_hook(repository.hooks_dir, command, name)
