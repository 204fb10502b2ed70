"""What one version changed since another, as an adapter in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from git_theta.checkpoints.sharded import ShardedCheckpoint
from git_theta.errors import StoreError, UsageError
from git_theta.globs import name_matcher
from git_theta.manifest.model import Entry
from git_theta.manifest.text import MAX_MANIFEST
from git_theta.operations.context import Progress
from git_theta.operations.updating.difference_plan import plan_difference
from git_theta.operations.updating.exported_adapter import (
    AdapterExport,
    ExportedParameter,
    count_bytes,
    export_adapter,
)
from git_theta.repository.history.checkpoint_lookup import read_checkpoint_at, refuse_globs
from git_theta.repository.stores.opening import open_context
from git_theta.tensors.adapter_arithmetic import require_torch
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.discovery import Repository


class ExportRequest(NamedTuple):
    """What a person asks for.

    Attributes:
        before, after: revisions.
        path: the checkpoint, or the index of its shards, from the top.
        rank: of the products.
        folder: where the adapter is written: one that is not there yet, or is empty.
        whole: globs of names that are not factored.
        fan_in_first: whether layers store their weights as [in, out].
    """

    before: str
    after: str
    path: str
    rank: int
    folder: Path
    whole: tuple[str, ...] = ()
    fan_in_first: bool = False


def export_update(
    request: ExportRequest, repository: Repository, warn: Callable[[str], None], progress: Progress
) -> list[ExportedParameter]:
    """Write the adapter; what it says of each parameter that differs.

    Raises:
        ThetaError: torch is not installed.
        UsageError: no adapter can say this difference, or there is none; the folder has files.
        MissingObject, CorruptObject: a parameter cannot be read.
        StoreError: the folder cannot be written.
    """
    require_torch()
    with BlobReader(MAX_MANIFEST) as blobs:
        before, after = (_read_entries(blobs, revision, request.path) for revision in (request.before, request.after))
    _require_matches(request, after)
    is_whole = name_matcher(request.whole) if request.whole else lambda _: False
    plan = plan_difference(before, after, request.rank, is_whole)
    if not plan.factored:
        what = "the versions are the same"
        if plan.saved or plan.biases:
            what = f"no matrix differs that is larger than its factors of rank {request.rank}; embeddings are none"
        raise UsageError(f"there is nothing to factor: {what}", hint="What differs: git theta diff A B")
    try:
        _prepare_folder(request.folder)
        export = AdapterExport(plan, request.rank, request.fan_in_first)
        with (
            open_context(repository, warn, progress) as context,
            progress.show_work("Factoring", count_bytes(plan, after)),
        ):
            return list(export_adapter(export, before, after, request.folder, context))
    except OSError as error:
        raise StoreError(
            f"cannot write the adapter: {error.strerror}",
            hint="Name another folder: -o FOLDER",
            path=str(request.folder),
        ) from error


def _require_matches(request: ExportRequest, names: Iterable[str]) -> None:
    """Raises UsageError for a glob that matches no name: it is misspelled."""
    known = list(names)
    for glob in request.whole:
        if not any(map(name_matcher([glob]), known)):
            refuse_globs(request.path, [glob])


def _read_entries(blobs: BlobReader, revision: str, path: str) -> Mapping[str, Entry]:
    """The parameters of a checkpoint by their names; of one that stands in several shards, that which is loaded."""
    found = read_checkpoint_at(blobs, revision, path)
    index = blobs.find(f"{revision}:{found.path}") if len(found.shards) > 1 else None
    text = blobs.read(index[0]) if index else None
    shards = {shard.path: shard.manifest for shard in found.shards}
    return {entry.name or "": entry for entry in ShardedCheckpoint(shards, found.path, text).joined.parameters()}


def _prepare_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UsageError("the folder has files", hint="Name a new one: -o FOLDER", path=str(folder))
