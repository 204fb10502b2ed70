"""A merge that was found to mix up no checkpoint, noted: the prepare-commit-msg hook need not look at it again.

Whether it does follows from what is staged, HEAD, and what is merged. Where any of them is another one by then, the
note says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from git_theta.errors import GitError
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import HEAD
from git_theta.vcs.hooks import WHOLE_NOTE
from git_theta.vcs.merges.git_merge import read_merge_heads
from git_theta.vcs.revisions import find_commit
from git_theta.vcs.trees import tree_of_index


def note_merge(repository: Repository) -> None:
    """Note that the merge that waits for its commit is whole."""
    note_whole([find_commit(HEAD, repository.worktree), *read_merge_heads(repository)], repository)


def note_whole(heads: Sequence[str], repository: Repository) -> None:
    """Note that what is staged is a whole merge of these commits: of HEAD, and of what MERGE_HEAD has, or will have.

    The hook looks where there is no note: somebody has put a file into conflict, or the note cannot be written, on a
    disk that is full, or in a repository that several people share.
    """
    with suppress(GitError, OSError):
        text = "".join(f"{oid}\n" for oid in (tree_of_index(repository.worktree), *heads))
        note = repository.git_dir / WHOLE_NOTE
        note.parent.mkdir(exist_ok=True)
        note.write_text(text)  # half of it is no merge's: nothing waits for the disk
