"""Our hooks, where nobody has put them: a push would leave objects behind, a merge commit what no driver has seen.

All are placed at once: a merge may come before anything that would run us again, as one in a sparse checkout.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable

from git_theta.errors import ThetaError
from git_theta.vcs.discovery import Repository

_HOOK_NAMES = ("pre-push", "pre-merge-commit", "prepare-commit-msg")
"""``hooks.CLONE_HOOK_NAMES``, whose module a filter does not import (L12)."""


def ensure_hooks(repository: Repository) -> None:
    """Place each of our hooks that is not there: a look at a file each."""
    for name in _HOOK_NAMES:
        if not (repository.hooks_dir / name).exists():
            place_hook(repository, name)


def prepare_pushes(repository: Repository, warn: Callable[[str], None]) -> None:
    """Place the hooks if there are none; ``warn`` where another one is in force, which leaves objects behind."""
    ensure_hooks(repository)
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


def place_hooks(repository: Repository, *, edits: bool = False) -> None:
    """Place each of our hooks, or bring it up to date; as ``place_hook``."""
    for name in _HOOK_NAMES:
        place_hook(repository, name, edits=edits)


def place_hook(repository: Repository, name: str, *, edits: bool = False) -> None:
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
