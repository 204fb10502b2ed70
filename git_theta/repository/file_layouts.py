"""Versions of a file in one layout, where the installed formats can have it so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from git_theta.manifest.model import Manifest
from git_theta.operations.adding.layouts_alike import has_several_layouts, unify_layouts
from git_theta.repository.opening import open_context
from git_theta.vcs.discovery import Repository


def unify_versions(
    versions: Sequence[Manifest | None], path: str, repository: Repository, warn: Callable[[str], None]
) -> list[Manifest | None]:
    """The versions of a file in the richest layout that there is for them; see ``unify_layouts``.

    The repository's store is opened only where they differ in their layouts.
    """
    if not has_several_layouts(versions):
        return list(versions)
    with open_context(repository, warn) as context:
        return unify_layouts(versions, path, context)
