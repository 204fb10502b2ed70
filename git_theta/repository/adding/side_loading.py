"""A checkpoint of the index with an adapter's updates: staged, and in the worktree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index
from git_theta.checkpoints.sharded import ShardedCheckpoint
from git_theta.errors import ThetaError, UsageError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import encode_manifest
from git_theta.operations.context import Context, Progress
from git_theta.operations.keeping.file_states import TrackedFile
from git_theta.operations.restoring.deferred import DeferredFiles
from git_theta.operations.restoring.materialise import require_room
from git_theta.operations.updating.named_arrays import LOW_RANK, SCALE, SPARSE, open_named_arrays
from git_theta.operations.updating.nonfinite_arrays import count_nonfinite_given
from git_theta.operations.updating.peft_adapter import open_peft_adapter
from git_theta.operations.updating.peft_config import LORA
from git_theta.operations.updating.update_steps import ParameterUpdate
from git_theta.operations.updating.updated_checkpoint import (
    UpdatedFile,
    find_targets,
    measure_file,
    require_bases,
    update_file,
)
from git_theta.operations.updating.updated_parameters import TargetUpdate
from git_theta.repository.adding.updatable_files import (
    find_checkpoint_files,
    read_shard_list,
    require_manifest,
    require_nothing_lost,
)
from git_theta.repository.history.checkpoint_lookup import path_from_top
from git_theta.repository.merging.settling import ErrorReporter
from git_theta.repository.stores.opening import open_context
from git_theta.tensors.adapter_arithmetic import require_torch
from git_theta.vcs import atomic
from git_theta.vcs.discovery import Repository
from git_theta.vcs.index import WorktreeIndex, require_staged
from git_theta.vcs.merges.unmerged import stage_contents
from git_theta.words import join_some

UPDATE_KINDS = (LOW_RANK, SPARSE, SCALE)
"""What an adapter can do to parameters."""


class AdapterRequest(NamedTuple):
    """What a person asks for.

    Attributes:
        checkpoint: the file, or the index of its shards, relative to the current folder.
        kind: the update that the adapter is: one of UPDATE_KINDS.
        adapter: a folder of PEFT's, or a file of arrays.
        force: overwrite what the worktree has of its own.
        dry_run: store, stage and write nothing.
    """

    checkpoint: str
    kind: str
    adapter: Path
    force: bool = False
    dry_run: bool = False


def add_adapter(
    request: AdapterRequest,
    repository: Repository,
    top: Path,
    warn: Callable[[str], None],
    progress: Progress,
    report: ErrorReporter,
) -> dict[str, UpdatedFile]:
    """Update a checkpoint by an adapter; by path, the files of it that the adapter speaks of.

    Objects are durable before anything is staged. Stopped after that, the worktree has manifests, which `git theta
    checkout` turns into files.

    Raises:
        ThetaError: torch is not installed.
        UsageError: the adapter is none that is merged here, or does not fit; the checkpoint is not versioned, in
            conflict, or has changes that nobody staged.
        MissingObject: what the checkpoint is now cannot be had.
        ChangedFile: somebody staged another version meanwhile.
    """
    require_torch()
    whole = path_from_top(request.checkpoint)
    index = read_shard_list(whole) if is_index(whole) else None
    files = find_checkpoint_files(whole, index, repository)
    manifests = {path: require_manifest(file) for path, file in files.items()}
    checkpoint = ShardedCheckpoint(manifests, whole, index)
    with open_context(repository, warn, progress) as context, open_adapter(request.adapter, request.kind) as updates:
        targets = find_targets(updates, checkpoint)
        for path in targets:
            require_nothing_lost(path, top, force=request.force)
        require_bases([(path, manifests[path]) for path in targets], context)
        _warn_of_nonfinite([target.update for wanted in targets.values() for target in wanted], warn)
        total = sum(target.entry.size for wanted in targets.values() for target in wanted)
        with progress.show_work("Updating", total, len(targets)):
            done = _update_files(targets, manifests, context, dry_run=request.dry_run)
    if not request.dry_run:
        for path in targets:  # once more: the person may have gone on meanwhile
            require_nothing_lost(path, top, force=request.force, text=encode_manifest(done[path].manifest))
        changed = {path: file.manifest for path, file in done.items() if file.manifest != manifests[path]}
        _write_files({path: files[path] for path in changed}, changed, repository, top, warn, progress, report)
    return done


def _warn_of_nonfinite(updates: Iterable[ParameterUpdate], warn: Callable[[str], None]) -> None:
    """Say, before anything is computed, that an adapter brings numbers that would spread."""
    if found := count_nonfinite_given(updates):
        names = join_some([f"{name} ({count:,})" for name, count in found.items()], 5)
        warn(f"the adapter brings NaN or infinite numbers, which spread through parameters: {names}")


@contextmanager
def open_adapter(adapter: Path, kind: str) -> Iterator[Sequence[ParameterUpdate]]:
    """The updates that an adapter stands for; its arrays are read within the ``with`` block.

    Raises UsageError where it is another update than ``kind``, or none.
    """
    if not adapter.is_dir():
        with open_named_arrays(adapter, kind) as named:
            yield named
        return
    with open_peft_adapter(adapter) as (peft_type, updates):
        own = LOW_RANK if peft_type == LORA else SCALE
        if own != kind:
            raise UsageError(f"a {peft_type} adapter is no {kind} update", hint=f"--update {own}", path=str(adapter))
        yield updates


def _update_files(
    targets: Mapping[str, Sequence[TargetUpdate]],
    manifests: Mapping[str, Manifest],
    context: Context,
    *,
    dry_run: bool,
) -> dict[str, UpdatedFile]:
    update = measure_file if dry_run else update_file
    done = {}
    for path, wanted in targets.items():
        try:
            done[path] = update(path, manifests[path], wanted, context)
        except ThetaError as error:
            raise error.add_location(path=path) from error.__cause__
    return done


def _write_files(
    files: Mapping[str, TrackedFile],
    manifests: Mapping[str, Manifest],
    repository: Repository,
    top: Path,
    warn: Callable[[str], None],
    progress: Progress,
    report: ErrorReporter,
) -> None:
    """Manifests into the worktree and the index, then the files: stopped at any point, nothing is lost."""
    texts = {path: encode_manifest(manifest) for path, manifest in manifests.items()}
    size = sum(manifest.size for manifest in manifests.values())
    require_room(size, top)
    modes = {path: require_staged(path, file.blob, top) for path, file in files.items()}
    for path, text in texts.items():
        atomic.replace_file(top / path, text, scratch=repository.theta_dir / "tmp")
    for mode in sorted(set(modes.values())):
        stage_contents({path: text for path, text in texts.items() if modes[path] == mode}, mode, top)
    with (
        progress.show_work("Restoring", size, len(texts)),
        open_context(repository, warn, progress) as context,
    ):
        deferred = DeferredFiles(top, context, report)
        for path, text in texts.items():
            deferred.add(path, manifests[path], text)
        deferred.write(WorktreeIndex(top), progress.begin_item)
