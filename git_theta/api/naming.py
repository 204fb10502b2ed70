"""What callers name: repositories, revisions and files; and where warnings go."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from git_theta.errors import UsageError
from git_theta.repository.history.checkpoint_lookup import path_from_top
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.git import work_in_folder
from git_theta.vcs.heads import resolve_head

if TYPE_CHECKING:
    import git

    RepositoryLike = str | os.PathLike[str] | git.Repo
    """A folder of a repository, as ``git -C`` takes one, a bare repository too; or GitPython's."""
    RevisionLike = str | git.Commit
    """What Git takes for a commit: a branch, a tag, an id, ``HEAD~2``; or GitPython's."""
    PathLike = str | os.PathLike[str]


class EnteredRepository(NamedTuple):
    """A repository that somebody named, and the folder in it that relative paths start at."""

    repository: Repository
    folder: Path

    @property
    def top(self) -> Path | None:
        """Of the worktree; None in a bare repository."""
        return self.repository.worktree


@contextmanager
def enter_repository(repo: RepositoryLike) -> Iterator[EnteredRepository]:
    """Work in a repository while the ``with`` block runs.

    Raises UsageError for what is no folder and no ``git.Repo``, GitError where it is in no repository.
    """
    folder = _folder_of(repo)
    if not folder.is_dir():
        raise UsageError(f"{os.fspath(folder)!r} is no folder", hint="Name a folder of the repository: repo='path'.")
    with work_in_folder(folder):
        yield EnteredRepository(discover_repository(), folder)


def resolve_revision(revision: RevisionLike) -> str:
    """The id of a commit. Raises UsageError for what is none here."""
    return resolve_head(spell_revision(revision)).commit


def spell_revision(revision: RevisionLike) -> str:
    """A revision as Git takes it: a branch's name stays its name, for people. Raises UsageError for what is none."""
    text = revision if isinstance(revision, str) else getattr(revision, "hexsha", None)
    if not isinstance(text, str):
        raise UsageError(f"{revision!r} is no revision", hint="A branch, a tag or an id as a str, or a git.Commit.")
    return text


def resolve_path(path: PathLike) -> str:
    """A path from the top of the repository. Raises UsageError for what is outside."""
    return path_from_top(os.fspath(path))


def list_words(words: str | Sequence[str]) -> list[str]:
    """Globs, names of measures and the like, of which there may be one alone: a str is a sequence of its letters."""
    return [words] if isinstance(words, str) else list(words)


def list_revisions(revisions: RevisionLike | Sequence[RevisionLike]) -> list[RevisionLike]:
    """Revisions, of which there may be one alone."""
    return list(revisions) if isinstance(revisions, Iterable) and not isinstance(revisions, str) else [revisions]


def warn_caller(message: str) -> None:
    """Say one thing to whoever calls the API, as Python does."""
    warnings.warn(message, stacklevel=2)


def _folder_of(repo: RepositoryLike) -> Path:
    if isinstance(repo, (str, os.PathLike)):
        return Path(repo).absolute()
    if not hasattr(repo, "git_dir"):
        raise UsageError(f"{repo!r} is no repository", hint="A folder as a str or a Path, or a git.Repo.")
    return Path(repo.working_tree_dir or repo.git_dir).absolute()
