"""A checkpoint's files with an adapter's updates: which parameters are meant, and what the files are then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

from git_theta.checkpoints.sharded import ShardedCheckpoint
from git_theta.errors import ThetaError, UsageError
from git_theta.manifest.model import Entry, Manifest
from git_theta.merging.planning.decisions import names_of
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.update_bases import SMALLEST_PART, UpdateBases
from git_theta.operations.context import Context
from git_theta.operations.merging.assemble import assemble_file
from git_theta.operations.restoring.restore import require_objects
from git_theta.operations.updating.target_names import find_shift
from git_theta.operations.updating.update_steps import ParameterUpdate
from git_theta.operations.updating.updated_parameters import (
    TargetUpdate,
    UpdatedParameter,
    measure_updates,
    prefer_factors,
    store_updates,
)
from git_theta.parameters.entry_spec import spec_of

_HINT = "Was the adapter made for this checkpoint? git theta ls-files --parameters"


class UpdatedFile(NamedTuple):
    """What became of a file: its manifest now, and each parameter that the adapter speaks of."""

    manifest: Manifest
    parameters: tuple[UpdatedParameter, ...]


def find_targets(updates: Sequence[ParameterUpdate], checkpoint: ShardedCheckpoint) -> dict[str, list[TargetUpdate]]:
    """By the path of its file, the parameters that an adapter speaks of; files without any are left out.

    Of one that stands in several shards, the one that is loaded (L13).
    Raises UsageError, with the name, for what finds no parameter, or one that it does not fit.
    """
    places = {
        name: (path, entry)
        for path, manifest in checkpoint.shards.items()
        for entry in manifest.parameters()
        if checkpoint.layout[entry.name or ""] == path
        for name in names_of(entry)
    }
    if not updates:
        raise UsageError("the adapter has no arrays", hint="Was it saved whole? Save it again.")
    shift = find_shift(updates, places.keys())
    found: dict[str, list[TargetUpdate]] = {}
    seen: dict[tuple[str, str], str] = {}
    for update in updates:
        name = shift.apply(update.name)
        if name not in places and update.optional:
            continue
        path, entry = places[name]
        if other := seen.get((path, entry.name or "")):
            raise UsageError(f"it is tied to {other}, which is updated, too", hint=_HINT, parameter=name)
        seen[path, entry.name or ""] = name
        found.setdefault(path, []).append(_fit_update(update, name, entry))
    return found


def update_file(path: str, manifest: Manifest, targets: Sequence[TargetUpdate], context: Context) -> UpdatedFile:
    """The file with its parameters updated; all of it is durable (L5). Raises as ``store_updates``, ConflictError."""
    context = _with_factors(context)
    known, bases = _open_bases(path, manifest, context)
    stored = list(store_updates(targets, known, bases, context))
    now = {target.entry.name: entry for target, entry in zip(targets, stored, strict=True)}
    entries = [now.get(entry.name, entry) for entry in manifest.parameters()]
    assembled = assemble_file(manifest, entries, [manifest], context)
    _warn_of_bases(path, bases, context.warn)
    done = (
        UpdatedParameter(target, entry.oid, entry.storage.place.size)
        for target, entry in zip(targets, stored, strict=True)
    )
    return UpdatedFile(assembled, tuple(done))


def measure_file(path: str, manifest: Manifest, targets: Sequence[TargetUpdate], context: Context) -> UpdatedFile:
    """What ``update_file`` would come to; nothing is stored, and the manifest is the one that is there."""
    context = _with_factors(context)
    _, bases = _open_bases(path, manifest, context)
    found = tuple(measure_updates(targets, bases, context))
    _warn_of_bases(path, bases, context.warn)
    return UpdatedFile(manifest, found)


def require_bases(manifests: Iterable[tuple[str, Manifest]], context: Context) -> None:
    """Have every object of these files here. Raises MissingObject, with the path, for what cannot be had."""
    for path, manifest in manifests:
        try:
            require_objects(manifest, context)
        except ThetaError as error:
            raise error.add_location(path=path) from error.__cause__


def _fit_update(update: ParameterUpdate, name: str, entry: Entry) -> TargetUpdate:
    spec = spec_of(entry)
    if any(view.stride is not None or view.offset or view.shape != entry.shape for view in entry.views):
        raise UsageError("it is a window on a storage that others share", hint=_HINT, parameter=name)
    steps = tuple(step.turn_for(spec) for step in update.steps)
    for step in steps:
        if problem := step.find_misfit(spec):
            raise UsageError(problem, hint=_HINT, parameter=name)
    return TargetUpdate(entry, update._replace(steps=steps))


def _open_bases(path: str, manifest: Manifest, context: Context) -> tuple[KnownParts, UpdateBases]:
    """An adapter belongs to the version of the index: that is the nearest base, and others come after it."""
    known = KnownParts(context, manifest)
    return known, UpdateBases(
        lambda: chain([manifest], context.earlier_manifests(path)), context, known, smallest=SMALLEST_PART
    )


def _with_factors(context: Context) -> Context:
    """The same, which stores factors where it is given some."""
    return context._replace(preferences=cache(lambda: prefer_factors(context.preferences())))


def _warn_of_bases(path: str, bases: UpdateBases, warn: Callable[[str], None]) -> None:
    for warning in bases.describe_damage():
        warn(f"{path}: {warning}")
