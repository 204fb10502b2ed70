"""The files to which Git applies our filter, by whatever rule; and those of the index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from git_theta.vcs.attribute_files.attribute_values import read_attribute
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, split_nul


@dataclass(frozen=True)
class IndexEntry:
    """A file in the index.

    Attributes:
        mode: ``100644`` or ``100755``.
        oid: the id of its blob.
        stage: 0, or 1 to 3 (base, ours, theirs) while it is in conflict.
        path: relative to the top of the worktree; undecodable bytes as surrogates.
    """

    mode: str
    oid: str
    stage: int
    path: str


def filtered_paths(paths: Sequence[str], cwd: Path | None = None, *, any_case: bool = False) -> list[str]:
    """Those of ``paths`` (relative to ``cwd``) to which Git applies our filter, by whatever rule.

    ``any_case``: or would, if upper and lower case were the same to it.
    """
    found = read_attribute("filter", paths, cwd, config={"core.ignoreCase": "true"} if any_case else {})
    return [path for path in paths if found[path] == "theta"]


def indexed_files(repository: Repository) -> list[IndexEntry]:
    """The files in the index, in Git's order; all stages of those in conflict. None in a bare repository."""
    if repository.worktree is None:
        return []
    entries = []
    for item in split_nul(git("ls-files", "-z", "--stage", cwd=repository.worktree)):
        facts, _, path = item.partition("\t")
        mode, oid, stage = facts.split(" ")
        if mode.startswith("100"):  # neither links nor submodules pass through a filter
            entries.append(IndexEntry(mode, oid, int(stage), path))
    return entries


def tracked_files(repository: Repository) -> list[IndexEntry]:
    """Those of the files in the index to which Git applies our filter."""
    entries = indexed_files(repository)
    ours = set(filtered_paths(list(dict.fromkeys(entry.path for entry in entries)), repository.worktree))
    return [entry for entry in entries if entry.path in ours]
