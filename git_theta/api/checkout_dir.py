"""A version's files in a temporary folder, for libraries that want to be given a path."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from git_theta.api.naming import enter_repository, resolve_path, resolve_revision, warn_caller
from git_theta.repository.history.folder_checkout import check_out_into, choose_files
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.trees import files_of

if TYPE_CHECKING:
    from git_theta.api.naming import PathLike, RepositoryLike, RevisionLike


@contextmanager
def check_out_folder(
    rev: RevisionLike,
    path: PathLike | None = None,
    repo: RepositoryLike = ".",
    *,
    within: PathLike | None = None,
) -> Iterator[Path]:
    """The files of a commit in a temporary folder; exported as ``git_theta.checkout_dir``: a context manager.

    Checkpoints are restored, bit for bit and verified; other files are what Git holds. They are copies: writing to them
    changes nothing in the repository, and all of them are removed at the end. What is missing is fetched in one go.

    Args:
        rev: the commit.
        path: a folder or a file, relative to ``repo``: that alone, and of a shard or an index the whole checkpoint.
            None for all files.
        repo: as ``git_theta.open``.
        within: the folder that the temporary one is made in, where the usual one is too small; None for Python's.

    Yields:
        The folder. Files lie in it as in the repository; below ``path``, where that is a folder.

    Raises:
        UsageError: no such commit, or nothing there of that path.
        MissingObject, CorruptObject, ManifestError: a checkpoint cannot be had; says which.
        StoreError: there is no room.

    Example:
        >>> with git_theta.checkout_dir("v1.0") as folder:
        ...     model = AutoModel.from_pretrained(folder)
    """
    with tempfile.TemporaryDirectory(prefix="git-theta-", dir=within) as name:
        folder = Path(name)
        with enter_repository(repo) as entered:
            commit = resolve_revision(rev)
            files, below = files_of(commit), ""
            if path is not None:
                files, below = choose_files(files, commit, resolve_path(path), entered.top)
            with open_context(entered.repository, warn_caller) as context:
                check_out_into(files, folder, context)
        yield folder / below
