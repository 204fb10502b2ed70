"""What the commands that list files have in common: which files, how their names and sizes are printed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from git_theta.errors import UsageError
from git_theta.manifest.text import LARGEST, is_manifest
from git_theta.operations.survey import Tracked, tracked
from git_theta.vcs import history
from git_theta.vcs.attributes import IndexEntry, indexed_files, tracked_files
from git_theta.vcs.git import git, nul_separated
from git_theta.vcs.repository import Repository, discover

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
nul_option = click.option("-z", "nul", is_flag=True, help="End each record with NUL, not with a newline.")


def worktree() -> tuple[Repository, Path]:
    """The repository we are in, and the top of its worktree. Raises UsageError where it has none."""
    repository = discover()
    if repository.worktree is None:
        raise UsageError("this must be run in a worktree", hint="A bare repository has no files checked out")
    return repository, repository.worktree


def listed(repository: Repository, pathspecs: Sequence[str] = (), *, must_match: bool = False) -> list[Tracked]:
    """The tracked files that match, in Git's order.

    Args:
        repository: one with a worktree.
        pathspecs: Git's, relative to the current folder; none for all files of the worktree.
        must_match: whether a pathspec that matches no file is an error (GitError).
    """
    entries = tracked_files(repository)
    if pathspecs:
        strict = ["--error-unmatch"] if must_match else []
        matching = set(nul_separated(git("ls-files", "-z", "--full-name", *strict, "--", *pathspecs)))
        entries = [entry for entry in entries if entry.path in matching]
    chosen: dict[str, IndexEntry] = {}
    for entry in entries:
        if entry.stage in (0, 2) or entry.path not in chosen:
            chosen[entry.path] = entry
    texts = _texts({entry.oid for entry in chosen.values()})
    return [tracked(path, entry.oid, entry.stage > 0, texts.get(entry.oid)) for path, entry in chosen.items()]


def _texts(oids: set[str]) -> dict[str, bytes]:
    """The blobs' bytes, or the start of those that are no manifests."""
    if not oids:
        return {}
    wanted = [blob for blob in history.indexed() if blob.oid in oids]
    texts = {found.blob.oid: found.data for found in history.contents(wanted, is_manifest, LARGEST)}
    return {blob.oid: texts.get(blob.oid, bytes(1)) for blob in wanted}  # what is too large is no manifest


def untracked_manifests(repository: Repository) -> list[str]:
    """Files of the index that hold manifests, though no pattern tracks them: Git checks them out as they are."""
    ours = {entry.path for entry in tracked_files(repository)}
    others = [entry for entry in indexed_files(repository) if entry.path not in ours]
    oids = {entry.oid for entry in others}
    blobs = (blob for blob in history.indexed() if blob.oid in oids)
    found = {one.blob.oid for one in history.contents(blobs, is_manifest, LARGEST) if is_manifest(one.data)}
    return list(dict.fromkeys(entry.path for entry in others if entry.oid in found))


def shown(path: str, top: Path) -> str:
    """A path as a person sees it: relative to the current folder."""
    return os.path.relpath(top / path)


def echo_json(data: Any) -> None:
    """Print JSON as all commands do."""
    click.echo(json.dumps(data, indent=2))
