"""What the checks of `git theta doctor` look at, and what they find."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from git_theta.cli.listing import display_path
from git_theta.errors import GitError
from git_theta.operations.keeping.file_states import FileState, TrackedFile, survey_file
from git_theta.repository.index.tracked_files import list_tracked
from git_theta.repository.stores.object_stores import open_store
from git_theta.vcs.attribute_files import attributes
from git_theta.vcs.discovery import Repository, discover_repository

MAX_NAMED = 3
"""Paths, and other things, that a finding names."""


@dataclass(frozen=True)
class Finding:
    """The result of one check. ``note``: nothing is wrong, but worth knowing."""

    check: str
    state: Literal["ok", "note", "problem"]
    text: str
    hint: str = ""


CheckResult = tuple[Literal["note", "problem"], str, str] | None
"""None when all is well; else (state, text, hint)."""


class Setup:
    """What the checks look at."""

    @cached_property
    def found(self) -> Repository | GitError:
        """The repository around the current folder, or why there is none."""
        try:
            return discover_repository()
        except GitError as error:
            return error

    @property
    def repository(self) -> Repository | None:
        """The same; None where there is none."""
        return self.found if isinstance(self.found, Repository) else None

    @cached_property
    def patterns(self) -> list[str]:
        """Patterns that are tracked here."""
        return [one.pattern for one in attributes.tracked_patterns(self.repository)] if self.repository else []

    @cached_property
    def files(self) -> list[TrackedFile]:
        """Files that are tracked here."""
        return list_tracked(self.repository) if self.repository and self.repository.worktree else []

    def files_in(self, *states: FileState) -> list[TrackedFile]:
        """The tracked files in one of these states."""
        if self.repository is None or self.repository.worktree is None:
            return []
        top, store = self.repository.worktree, open_store(self.repository)
        return [file for file in self.files if survey_file(file, top, store).state in states]

    def list_paths(self, paths: Sequence[str]) -> str:
        """Paths of the worktree as an enumeration; "" for none."""
        if self.repository is None or self.repository.worktree is None:
            return ""
        names = [shlex.quote(display_path(path, self.repository.worktree)) for path in paths[:MAX_NAMED]]
        return ", ".join(names) + (f" and {len(paths) - MAX_NAMED} more" if len(paths) > MAX_NAMED else "")


class SetupCheck(NamedTuple):
    """One check.

    Attributes:
        name: what its finding is called.
        look: looks, and tells what is not well. What it raises is a problem, too.
        needs_repository: whether there is nothing to look at elsewhere.
    """

    name: str
    look: Callable[[Setup], CheckResult]
    needs_repository: bool = True
