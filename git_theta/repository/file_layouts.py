"""Versions of a checkpoint in one layout, where the installed formats can have it so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from git_theta.checkpoints.shards import Shard
from git_theta.operations.adding.layouts_alike import has_several_layouts, unify_layouts
from git_theta.repository.opening import open_context
from git_theta.vcs.discovery import Repository


def unify_versions(
    files: Sequence[Shard | None], repository: Repository, warn: Callable[[str], None]
) -> list[Shard | None]:
    """The files of versions of a checkpoint in the richest layout that there is for them; see ``unify_layouts``.

    The repository's store is opened only where they differ in their layouts.
    """
    if not has_several_layouts(files):
        return list(files)
    with open_context(repository, warn) as context:
        return unify_layouts(files, context)
