"""The mean of several versions of a checkpoint, written to a file: a start for training, and no merge of anything."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ConflictError, StoreError, UsageError
from git_theta.manifest.model import Manifest
from git_theta.merging.planning.decisions import Decision
from git_theta.merging.policies.policy import Choice
from git_theta.operations.context import Context, Progress
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.merge_results import MergeSettings
from git_theta.operations.merging.merged_files import MergedFiles, merge_files
from git_theta.operations.restoring.materialise import require_room
from git_theta.operations.restoring.restore import restore_pieces
from git_theta.repository.history.checkpoint_lookup import choose_path, read_checkpoint_at
from git_theta.repository.history.scratch_context import open_scratch_context
from git_theta.repository.history.version_history import open_history
from git_theta.repository.merging.merge_cases import find_cases
from git_theta.repository.merging.merge_request import MergeInputs, check_weights, label_heads
from git_theta.repository.stores.opening import open_context
from git_theta.tensors.arrays import Buffer
from git_theta.vcs import atomic
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import Head, resolve_heads
from git_theta.words import join_some


class CentroidRequest(NamedTuple):
    """What is asked for.

    Attributes:
        revisions: of the versions.
        paths: of the checkpoint, relative to the current folder; none for the only one of the first version.
        output: the file to write; of a checkpoint of several files, the folder.
        weights: how much each version counts, None for all alike.
    """

    revisions: Sequence[str]
    paths: Sequence[str]
    output: Path
    weights: tuple[float, ...] | None = None


class Centroid(NamedTuple):
    """What was written.

    Attributes:
        path: what the versions call the checkpoint, from the top.
        versions: those that it is the mean of.
        files: what was written.
        averaged, same: how many parameters differ between versions, and how many do not.
    """

    path: str
    versions: tuple[Head, ...]
    files: tuple[Path, ...]
    averaged: int
    same: int


def write_centroid(
    request: CentroidRequest, repository: Repository, warn: Callable[[str], None], progress: Progress
) -> Centroid:
    """Write the mean of these versions. What is missing here is fetched.

    Every parameter that is not the same everywhere is averaged, whether one version changed it or all; what is no
    weight is merged as the merge treats its kind. Raises UsageError for less than two versions, for one that lacks a
    parameter, and where something is written already; ConflictError for what has no mean.
    """
    _check_request(request)
    heads = tuple(resolve_heads(request.revisions))
    check_weights(request.weights, heads, "version")
    item = plan_mean(choose_path(request.paths, request.revisions[0]), heads, repository, warn)
    assert item.plan
    with (
        open_context(repository, warn, progress) as opened,
        open_scratch_context(opened, repository) as context,
    ):
        merged = merge_mean(item, request.weights, context, progress)
        files = _write_files(merged, request.output, context)
    contested = len(item.plan.contested)
    return Centroid(item.path, heads, files, contested, len(item.plan.decisions) - contested)


def merge_mean(item: FilePlan, weights: tuple[float, ...] | None, context: Context, progress: Progress) -> MergedFiles:
    """The mean that was planned, stored. Raises ConflictError for what has none."""
    assert item.plan
    total = sum(entry.size for decision in item.plan.contested for entry in decision.heads[0])
    choice = Choice("weighted" if weights else "average", {}, "a mean")
    with progress.show_work(f"Averaging {item.path}", total):
        merged = merge_files(item, lambda _: choice, MergeSettings(weights), context)
    _require_settled(merged, item.path)
    return merged


def _check_request(request: CentroidRequest) -> None:
    if len(request.revisions) < 2:
        raise UsageError("a mean takes two versions or more", hint="git theta centroid A B -o FILE")
    if os.path.lexists(request.output):
        raise UsageError("is there already", hint="Name a new file.", path=str(request.output))


def _require_settled(merged: MergedFiles, path: str) -> None:
    if merged.result.left:
        reasons = [f"{one.decision.name or 'what is no parameter'}: {one.reason}" for one in merged.result.left]
        hint = "A mean is of numbers of one dtype and shape, and of files that say the same beside their tensors."
        raise ConflictError(f"not all of it has a mean: {join_some(reasons)}", hint=hint, path=path)


def plan_mean(path: str, heads: tuple[Head, ...], repository: Repository, warn: Callable[[str], None]) -> FilePlan:
    """The plan of a checkpoint, by its path from the top, without a merge base: a mean takes nothing from one version.

    Raises UsageError for versions that lack it, or a parameter; ConflictError for what has no mean.
    """
    _require_checkpoints(path, heads, warn)
    made = MergeInputs(heads, None, None, label_heads(heads))
    item = next((one for one in find_cases(made, repository, warn) if path in one.paths or one.path == path), None)
    if item is None:
        raise UsageError("these versions of it are the same", hint="Take any of them: git checkout.", path=path)
    if item.plan is None or item.plan.whole:
        reason = item.reason or "not all versions have it by parameters"
        raise ConflictError(f"it has no mean: {reason}", hint="What each is: git theta show REV:PATH", path=item.path)
    for decision in item.plan.decisions:
        _require_everywhere(decision, item, heads)
    return item


def _require_checkpoints(path: str, heads: Sequence[Head], warn: Callable[[str], None]) -> None:
    """Raise UsageError where a version has no checkpoint there."""
    with open_history(warn) as history:
        for head in heads:
            read_checkpoint_at(history.blobs, head.commit, path, head.name)


def _require_everywhere(decision: Decision, item: FilePlan, heads: Sequence[Head]) -> None:
    for position, held in zip(item.among, decision.heads, strict=True):
        if decision.names and not held:
            raise UsageError(
                f"{heads[position].name} has no such parameter",
                hint="A mean is of what all versions have.",
                path=item.path,
                parameter=decision.name,
            )


def _write_files(merged: MergedFiles, output: Path, context: Context) -> tuple[Path, ...]:
    """The files of the mean: one, or in a folder those of a checkpoint of several."""
    require_room(sum(manifest.size for manifest in merged.manifests.values()), output.absolute().parent)
    pieces = _list_files(merged.manifests, merged.others, context)
    if len(pieces) == 1:
        ((_, content),) = pieces.items()
        _write_file(output, content)
        return (output,)
    # An index may name shards in folders beside its own: the folder that all are in is what ``output`` becomes.
    folder = posixpath.commonpath([posixpath.dirname(name) for name in pieces])
    targets = {name: output / posixpath.relpath(name, folder or ".") for name in pieces}
    for name, content in pieces.items():
        _write_file(targets[name], content)
    return tuple(targets.values())


def _list_files(
    manifests: Mapping[str, Manifest], others: Mapping[str, bytes | None], context: Context
) -> dict[str, Iterable[Buffer]]:
    found: dict[str, Iterable[Buffer]] = {path: restore_pieces(one, context) for path, one in manifests.items()}
    return found | {path: [text] for path, text in others.items() if text is not None}


def _write_file(target: Path, pieces: Iterable[Buffer]) -> None:
    """A new file. Raises StoreError."""
    try:
        atomic.create_file(target, pieces)
    except OSError as error:
        raise StoreError(f"cannot write {os.fspath(target)!r}: {error.strerror}", hint="Name another place.") from error
