"""Picks and reverts of merges (``-m``): Git notes no parent that they are relative to, but the index shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from git_theta.vcs.git import git, split_nul
from git_theta.vcs.trees import files_of

_Blob = tuple[str, str]
"""Mode and id."""


def explains_index(commits: Sequence[str], cwd: Path | None = None) -> bool:
    """Whether the index may come from the merge of these commits: the base, ours and theirs.

    Git takes what one side alone changed, and the stages of a conflict are what all three have: of the parents of a
    merge that is picked, only one explains all of that.
    """
    index = _read_index(cwd)
    versions = [_read_commit(commit, cwd) for commit in commits]
    return all(
        _may_become(index.get(path, {}), [version.get(path) for version in versions])
        for path in set(index).union(*versions)
    )


def _may_become(stages: Mapping[str, _Blob], versions: Sequence[_Blob | None]) -> bool:
    """Whether a merge makes these stages of a file at the base, ours and theirs."""
    base, ours, theirs = versions
    if stages and "0" not in stages:
        return [stages.get(stage) for stage in "123"] == versions
    if theirs in (base, ours):
        return stages.get("0") == ours
    return stages.get("0") == theirs if ours == base else True


def _read_commit(commit: str, cwd: Path | None) -> dict[str, _Blob]:
    return {path: (file.mode, file.oid) for path, file in files_of(commit, cwd).items()}


def _read_index(cwd: Path | None) -> dict[str, dict[str, _Blob]]:
    """By path from the top and by stage, what the index has."""
    found: dict[str, dict[str, _Blob]] = {}
    for item in split_nul(git("ls-files", "-z", "--stage", "--full-name", ":/", cwd=cwd)):
        facts, _, path = item.partition("\t")
        mode, oid, stage = facts.split(" ")
        found.setdefault(path, {})[stage] = mode, oid
    return found
