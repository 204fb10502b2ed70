"""Manifests that stand in the worktree in the place of their files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ManifestError, ThetaError, UsageError
from git_theta.manifest.model import Manifest
from git_theta.operations.context import Context
from git_theta.operations.restoring.deferred import DeferredFiles
from git_theta.operations.restoring.partial_file import find_lost, write_partial
from git_theta.operations.restoring.restore import describe_inflation, is_inflated, missing_objects, require_objects
from git_theta.operations.worktree_files import find_regular_file, read_manifest_file
from git_theta.vcs.index import WorktreeIndex
from git_theta.words import join_some, pluralize


class WaitingManifest(NamedTuple):
    """A manifest in the worktree: path, what it says, its text, and what the file has: Git may have converted it."""

    path: str
    manifest: Manifest
    text: bytes
    content: bytes


def waiting_manifest(path: str, top: Path) -> WaitingManifest | None:
    """The manifest that stands in the place of a file of the worktree; None where there is none.

    Raises ManifestError, with the path, for what was a manifest.
    """
    file = find_regular_file(top, path)
    try:
        found = read_manifest_file(file) if file else None
    except ManifestError as error:
        raise error.add_location(path=path) from None
    return WaitingManifest(path, *found) if found else None


def check_out(
    waiting: Iterable[WaitingManifest],
    top: Path,
    context: Context,
    report: Callable[[ThetaError], object],
    begin_file: Callable[[], None],
    *,
    named: bool = False,
    partial: Path | None = None,
) -> list[str]:
    """Put the files in the place of their manifests; the paths of those written. What fails is reported.

    ``begin_file`` is called before each file is written. ``named``: a person asked for these very files, so that a
    manifest is believed that claims far more than is stored. ``partial``: where to note files that are written with
    zeros in the place of lost parameters; None: none is. Raises StoreError where there is no room for all of them.
    """
    # One question to each remote, not one per file.
    missing = {oid: one.manifest.objects()[oid] for one in waiting for oid in missing_objects(one.manifest, context)}
    if missing:
        context.fetch(missing)
    deferred = DeferredFiles(top, context, report)
    incomplete: list[WaitingManifest] = []
    for one in waiting:
        path, manifest, text, content = one
        try:
            if not named and is_inflated(manifest, context):
                raise UsageError(describe_inflation(manifest), hint=f"If it is meant: git theta checkout {path}")
            if partial and missing_objects(manifest, context):
                incomplete.append(one)
            else:
                require_objects(manifest, context)
                deferred.add(path, manifest, text, content)
        except ThetaError as error:
            report(error.add_location(path=path))
    written = deferred.write(WorktreeIndex(top), begin_file)
    if partial:
        for one in incomplete:
            begin_file()
            if _write_incomplete(one, top, context, report, partial):
                written.append(one.path)
    return written


def _write_incomplete(
    waiting: WaitingManifest, top: Path, context: Context, report: Callable[[ThetaError], object], notes: Path
) -> bool:
    """Write a file with zeros in the place of what is lost, and say so; whether it could be written."""
    path, manifest, _, content = waiting
    try:
        file = find_lost(path, manifest, context)
        if not write_partial(file, content, top, notes, context):
            return False
    except ThetaError as error:
        report(error.add_location(path=path))
        return False
    context.warn(
        f"{path}: zeros stand in the place of {pluralize(len(file.lost), 'lost parameter')}: {join_some(file.names)}\n"
        "Git calls the file modified, and `git add` refuses it as long as they stand there. For the whole file, once "
        f"its objects can be had: git restore {path}"
    )
    return True
