"""Versions of a checkpoint in one layout, where the installed formats can have it so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from git_theta.checkpoints.shards import Shard
from git_theta.manifest.model import Manifest
from git_theta.operations.adding.layouts_alike import has_several_layouts, lay_out_raw, unify_layouts
from git_theta.operations.context import Context
from git_theta.repository.stores.opening import open_context
from git_theta.tensors.arrays import BLOCK
from git_theta.vcs.attribute_files.filtered_files import filtered_paths
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import AS_STORED, run_git


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


def adopt_raw_file(path: str, blob: str, repository: Repository, warn: Callable[[str], None]) -> Manifest | None:
    """As ``adopt_raw_blob``, with the repository's store, which is opened only where it is needed."""
    if not filtered_paths([path], repository.worktree):
        return None
    with open_context(repository, warn) as context:
        return lay_out_raw(path, blob, lambda: _read_blob(blob, repository.home), context)


def adopt_raw_blob(path: str, blob: str, top: Path | None, context: Context) -> Manifest | None:
    """A file that a commit holds as it is, by parameters: as it would be stored, were it added here now.

    None where Git would not have our filter store it, and for what stands for another file.

    Args:
        path: what it is called.
        blob: its id.
        top: of the worktree; None for the repository of the current folder.
        context: what to work with.
    """
    return lay_out_raw(path, blob, lambda: _read_blob(blob, top), context) if filtered_paths([path], top) else None


def _read_blob(blob: str, cwd: Path | None) -> Iterator[bytes]:
    with run_git(AS_STORED, "cat-file", "blob", blob, cwd=cwd) as output:
        while block := output.read(BLOCK):
            yield block
