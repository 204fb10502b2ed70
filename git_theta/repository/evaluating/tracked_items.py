"""The ids of items that an evaluation's definition names a tracked file of."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path, PurePosixPath

from git_theta.errors import GitError, UsageError
from git_theta.evaluation.definitions import EvaluationDefinition
from git_theta.evaluation.item_files import LARGEST_ITEMS, parse_items, read_items
from git_theta.operations.worktree_files import find_regular_file
from git_theta.vcs.blobs import read_small_blob
from git_theta.vcs.trees import file_at, require_safe_path


def read_tracked_items(definition: EvaluationDefinition, revision: str, top: Path) -> tuple[str, ...] | None:
    """The ids in the file that a definition names; None where it names none.

    Args:
        definition: whoever can push writes it, and results are pushed (L10).
        revision: whose file counts; "" for that of the worktree.
        top: of the worktree.

    Raises UsageError for what is no regular file there.
    """
    if not definition.items:
        return None
    path = PurePosixPath(definition.items).as_posix()
    with suppress(GitError):
        require_safe_path(path)
        if not revision and (file := find_regular_file(top, path)):
            return read_items(file)
        if revision and (held := file_at(revision, path, top)) and held.is_regular:
            return parse_items(read_small_blob(f"{revision}:{path}", LARGEST_ITEMS, top) or b"", path)
    raise UsageError(
        f"its items, {definition.items!r}, are no file of {revision or 'the worktree'}",
        hint="Name one from the top, without .. and symbolic links; or any: --items FILE",
        path=f"eval.{definition.name}",
    )
