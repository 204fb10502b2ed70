"""A head as its round sees it: the checkpoints alone, with private parameters as they are at the start.

What a head has changed otherwise is not for a round to take: it is told, and keeps the head out. On ids alone (L8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index
from git_theta.checkpoints.shards import Shard
from git_theta.errors import ThetaError, UsageError
from git_theta.manifest.model import Entry
from git_theta.manifest.text import encode_manifest, entry_names
from git_theta.merging.round_policy import RoundPolicy
from git_theta.repository.history.checkpoint_lookup import CheckpointVersion, list_checkpoints
from git_theta.repository.rounds.round_refs import Round, read_round_policy
from git_theta.vcs import trees
from git_theta.vcs.ref_listing import is_ancestor
from git_theta.words import join_some

_MOST_NAMES = 5

Checkpoints = Mapping[str, CheckpointVersion]
"""By path."""


class RoundStart(NamedTuple):
    """What all heads of a round start from.

    Attributes:
        round: the round.
        policy: what its file says.
        files: all files of the commit, by path.
        checkpoints: those that are merged.
    """

    round: Round
    policy: RoundPolicy
    files: Mapping[str, trees.TreeFile]
    checkpoints: Checkpoints


class SharedHead(NamedTuple):
    """What a round takes of a head.

    Attributes:
        commit: of the head.
        checkpoints: with private parameters as at the start.
        private: the names of those that the head has otherwise.
        faults: why nothing is taken of it, in words; () where it can be.
    """

    commit: str
    checkpoints: Checkpoints = MappingProxyType({})
    private: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def read_start(one: Round, top: Path) -> RoundStart:
    """The start of a round. Raises UsageError where it has no checkpoint that could be merged."""
    checkpoints = {found.path: found for found in list_checkpoints(one.start)}
    if not any(_list_entries(found) for found in checkpoints.values()):
        raise UsageError(
            f"{one.start[:12]} has no checkpoint that is stored by parameters",
            hint="Files are versioned once tracked: git theta track",
        )
    return RoundStart(one, read_round_policy(one, top), trees.files_of(one.start, top), checkpoints)


def share_head(commit: str, start: RoundStart, top: Path) -> SharedHead:
    """What the round takes of a head, or why nothing: nobody's head keeps a round from its end."""
    tag = start.round.tag
    if not is_ancestor(start.round.start, commit, top):
        return SharedHead(commit, faults=(f"it does not start from {tag}",))
    try:
        checkpoints = {found.path: found for found in list_checkpoints(commit)}
    except ThetaError as error:
        return SharedHead(commit, faults=(f"{error.path or 'a checkpoint'}: {error.message}",))
    files = trees.files_of(commit, top)
    faults = [*_find_other_files(files, checkpoints, start)]
    for path, was in start.checkpoints.items():
        if path in checkpoints:
            faults += _compare_layouts(path, was, checkpoints[path])
        elif path in files:
            faults.append(f"{path}: Git has it as it is, not by parameters (git theta install, and commit it again)")
        else:
            faults.append(f"it has no checkpoint {path}")
    faults += [f"it adds the checkpoint {path}" for path in checkpoints if path not in start.checkpoints]
    if faults:
        return SharedHead(commit, faults=tuple(faults))
    is_private = start.policy.match_private()
    kept = {path: _keep_private(found, start.checkpoints[path], is_private) for path, found in checkpoints.items()}
    private = tuple([name for _, names in kept.values() for name in names])
    shared = SharedHead(commit, {path: found for path, (found, _) in kept.items()}, private)
    if not _changes_parameters(shared, start):
        beside = " but private ones" if private else ""
        return shared._replace(faults=(f"it changes no parameter{beside}",))
    return shared


def write_shared_tree(shared: SharedHead, start: RoundStart, top: Path) -> str:
    """The id of a tree, or of the head's commit, that has what the round takes of a head."""
    if not shared.private:
        return shared.commit
    files, is_private = trees.files_of(shared.commit, top), start.policy.match_private()
    changes = {
        shard.path: trees.TreeFile(files[shard.path].mode, trees.write_blob(encode_manifest(shard.manifest), top))
        for found in shared.checkpoints.values()
        for shard in found.shards
        if any(is_private(name) for entry in shard.manifest.parameters() for name in entry_names(entry))
    }
    return trees.write_changed_tree(shared.commit, changes, top)


def list_private(start: RoundStart) -> list[str]:
    """The names of the private parameters at the start."""
    names = (name for found in start.checkpoints.values() for name in _list_entries(found))
    return list(filter(start.policy.match_private(), names))


def _find_other_files(
    files: Mapping[str, trees.TreeFile], checkpoints: Checkpoints, start: RoundStart
) -> Iterator[str]:
    """What a head changed that is no checkpoint: code and settings, of which nobody looks at a merge's."""
    known = {
        path for held in (start.checkpoints, checkpoints) for found in held.values() for path in _list_paths(found)
    }
    changed = trees.differing_files([start.files, files])
    others = [path for path in changed if path not in known]
    if others:
        yield f"it changes files that are no checkpoints: {join_some(others, _MOST_NAMES)}"


def _list_paths(found: CheckpointVersion) -> Iterator[str]:
    yield from (shard.path for shard in found.shards)
    if is_index(found.path):
        yield found.path


def _compare_layouts(path: str, was: CheckpointVersion, found: CheckpointVersion) -> Iterator[str]:
    """How the names, dtypes and shapes of a checkpoint differ from those of the start."""
    before, after = _describe_parameters(was), _describe_parameters(found)
    wholes = [[shard for shard in one.shards if shard.manifest.is_opaque] for one in (was, found)]
    if any(wholes) and wholes[0] != wholes[1]:
        yield f"{path}: it is kept whole, and has no parameters to merge"
        return
    differing = {
        "lacks": [name for name in before if name not in after],
        "adds": [name for name in after if name not in before],
        "has with another dtype, shape or tie": [
            name for name, spec in before.items() if after.get(name, spec) != spec
        ],
    }
    for verb, names in differing.items():
        if names:
            yield f"{path}: it {verb}: {join_some(names, _MOST_NAMES)}"


def _describe_parameters(found: CheckpointVersion) -> dict[str, tuple[object, ...]]:
    """Of each name, all but its values: dtype, shape, and what it shares these with."""
    described: dict[str, tuple[object, ...]] = {}
    for name, entry in _list_entries(found).items():
        view = next((view for view in entry.views if view.name == name), None)
        described[name] = (
            entry.name,
            entry.dtype,
            entry.shape,
            view and (view.dtype, view.shape, view.stride, view.offset),
        )
    return described


def _list_entries(found: CheckpointVersion) -> dict[str, Entry]:
    """The entry of each name."""
    return {
        name: entry for shard in found.shards for entry in shard.manifest.parameters() for name in entry_names(entry)
    }


def _keep_private(
    found: CheckpointVersion, was: CheckpointVersion, is_private: Callable[[str], bool]
) -> tuple[CheckpointVersion, list[str]]:
    """A checkpoint with private parameters as they were, and the names of those that it had otherwise."""
    before = _list_entries(was)
    changed: list[str] = []

    def restore(entry: Entry) -> Entry:
        if entry.name is None or not any(map(is_private, entry_names(entry))) or entry.oid == before[entry.name].oid:
            return entry
        changed.append(entry.name)
        old = before[entry.name]
        return entry._replace(oid=old.oid, size=old.size, storage=old.storage)

    shards = [
        Shard(path, manifest._replace(entries=tuple(map(restore, manifest.entries)))) for path, manifest in found.shards
    ]
    return found._replace(shards=tuple(shards)), changed


def _changes_parameters(shared: SharedHead, start: RoundStart) -> bool:
    return any(
        {name: entry.oid for name, entry in _list_entries(found).items()}
        != {name: entry.oid for name, entry in _list_entries(start.checkpoints[path]).items()}
        for path, found in shared.checkpoints.items()
    )
