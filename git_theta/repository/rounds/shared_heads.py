"""A head as its round sees it: the shared parameters alone, in the files of the start.

Private parameters, and what files have beside parameters, are as at the start, wherever a head keeps its own. What a
head has changed otherwise is not for a round to take: it is told, and keeps the head out. On ids alone (L8).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index
from git_theta.checkpoints.shards import Shard
from git_theta.errors import ThetaError, UsageError
from git_theta.manifest.model import Entry
from git_theta.manifest.text import entry_names
from git_theta.merging.round_policy import RoundPolicy
from git_theta.repository.history.checkpoint_lookup import CheckpointVersion, list_checkpoints
from git_theta.repository.rounds.round_refs import Round, read_round_policy
from git_theta.tensors.dtypes import BY_NAME
from git_theta.vcs import trees
from git_theta.vcs.ref_listing import is_ancestor
from git_theta.words import join_some, shorten_text

_MOST_NAMES = 5

Checkpoints = Mapping[str, CheckpointVersion]
"""By path."""
_NONE: Checkpoints = MappingProxyType({})


class RoundStart(NamedTuple):
    """What all heads of a round start from.

    Attributes:
        round: the round.
        policy: what the round's file says.
        files: all files of the commit, by path.
        checkpoints: those that are merged.
    """

    round: Round
    policy: RoundPolicy
    files: Mapping[str, trees.TreeFile]
    checkpoints: Checkpoints

    @property
    def commit(self) -> str:
        """Its id."""
        return self.round.start


class SharedHead(NamedTuple):
    """What a round takes of a head.

    Attributes:
        commit: of the head.
        checkpoints: those of the start, with the head's shared parameters.
        own: as the head has them.
        private: the names of private parameters that the head has otherwise.
        faults: why nothing is taken of it, in words; () where it can be.
    """

    commit: str
    checkpoints: Checkpoints = _NONE
    own: Checkpoints = _NONE
    private: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def read_start(one: Round, top: Path) -> RoundStart:
    """The start of a round. Raises UsageError where it has no checkpoint that could be merged."""
    checkpoints = {found.path: found for found in list_checkpoints(one.start)}
    if not any(map(_list_entries, checkpoints.values())):
        raise UsageError(
            f"{one.start[:12]} has no checkpoint that is stored by parameters",
            hint="Files are versioned once tracked: git theta track",
        )
    return RoundStart(one, read_round_policy(one, top), trees.files_of(one.start, top), checkpoints)


def share_head(commit: str, start: RoundStart, top: Path) -> SharedHead:
    """What the round takes of a head, or why nothing: nobody's head keeps a round from its end."""
    if not is_ancestor(start.commit, commit, top):
        return SharedHead(commit, faults=(f"it does not start from {start.round.tag}",))
    try:
        own = {found.path: found for found in list_checkpoints(commit)}
    except ThetaError as error:
        return SharedHead(commit, faults=(f"{error.path or 'a checkpoint'}: {error.message}",))
    files = trees.files_of(commit, top)
    faults = [*_find_other_files(files, own, start), *_find_changed_layouts(files, own, start)]
    if faults:
        return SharedHead(commit, own=own, faults=tuple(faults))
    shared = {path: _take_shared(was, own[path], start.policy) for path, was in start.checkpoints.items()}
    private = [name for path, was in start.checkpoints.items() for name in _find_private(was, own[path], start.policy)]
    head = SharedHead(commit, shared, own, tuple(private))
    if head.checkpoints == start.checkpoints:
        beside = " but private ones" if private else ""
        return head._replace(faults=(f"it changes no parameter{beside}",))
    return head


def list_private(start: RoundStart) -> list[str]:
    """The names of the private parameters at the start."""
    return [name for found in start.checkpoints.values() for name in _list_private(found, start.policy)]


def _find_other_files(files: Mapping[str, trees.TreeFile], own: Checkpoints, start: RoundStart) -> Iterator[str]:
    """What a head changed that is no checkpoint: code and settings, of which nobody looks at a merge's."""
    known = {path for held in (start.checkpoints, own) for found in held.values() for path in _list_paths(found)}
    changed = trees.differing_files([start.files, files])
    others = [path for path in changed if path not in known]
    if others:
        yield f"it changes files that are no checkpoints: {join_some(others, _MOST_NAMES)}"


def _list_paths(found: CheckpointVersion) -> Iterator[str]:
    yield from (shard.path for shard in found.shards)
    if is_index(found.path):
        yield found.path


def _find_changed_layouts(files: Mapping[str, trees.TreeFile], own: Checkpoints, start: RoundStart) -> Iterator[str]:
    """What keeps the shared parameters of a head out of the start's files."""
    for path, was in start.checkpoints.items():
        if path in own:
            yield from (f"{path}: it {fault}" for fault in _compare_layouts(was, own[path], start.policy))
        elif path in files:
            yield f"{path}: Git has it as it is, not by parameters (git theta install, and commit it again)"
        else:
            yield f"it has no checkpoint {path}"
    yield from (f"it adds the checkpoint {path}" for path in own if path not in start.checkpoints)


def _compare_layouts(was: CheckpointVersion, found: CheckpointVersion, policy: RoundPolicy) -> Iterator[str]:
    """How the names, dtypes and shapes of shared parameters differ from those of the start."""
    wholes = [[shard for shard in one.shards if shard.manifest.is_opaque] for one in (was, found)]
    if wholes[0] != wholes[1]:
        yield "is kept whole, and has no parameters to merge"
        return
    before, after = (_describe_parameters(one, policy) for one in (was, found))
    differing = {
        "lacks": [name for name in before if name not in after],
        "adds": [name for name in after if name not in before],
        "has with another dtype, shape or tie": [
            name for name in before if before[name] != after.get(name, before[name])
        ],
        "has quantised by torch, with scales elsewhere in the file": _find_quantised(was, found),
    }
    for verb, names in differing.items():
        if names:
            yield f"{verb}: {join_some(list(map(shorten_text, names)), _MOST_NAMES)}"


def _describe_parameters(found: CheckpointVersion, policy: RoundPolicy) -> dict[str, tuple[object, ...]]:
    """Of each name that is shared, all but its values: dtype, shape, and what it shares these with."""
    described: dict[str, tuple[object, ...]] = {}
    private = _list_private(found, policy)
    for name, entry in _list_entries(found).items():
        if name not in private:
            view = next((view for view in entry.views if view.name == name), None)
            window = view and (view.dtype, view.shape, view.stride, view.offset)
            described[name] = (entry.name, entry.dtype, entry.shape, entry.size, window)
    return described


def _find_quantised(was: CheckpointVersion, found: CheckpointVersion) -> list[str]:
    """Parameters that mean nothing without what stands beside them in the head's file, where they changed."""
    before = _list_entries(was)
    return [
        name
        for name, entry in _list_entries(found).items()
        if entry.dtype in BY_NAME
        and BY_NAME[entry.dtype].kind == "quantized"
        and name in before
        and entry.oid != before[name].oid
    ]


def _list_entries(found: CheckpointVersion) -> dict[str, Entry]:
    """The entry of each name."""
    return {
        name: entry for shard in found.shards for entry in shard.manifest.parameters() for name in entry_names(entry)
    }


def _list_private(found: CheckpointVersion, policy: RoundPolicy) -> dict[str, Entry]:
    """The entries that are private, by each of their names: one private name makes its values private."""
    is_private = policy.match_private()
    return {name: entry for name, entry in _list_entries(found).items() if any(map(is_private, entry_names(entry)))}


def _find_private(was: CheckpointVersion, found: CheckpointVersion, policy: RoundPolicy) -> Iterator[str]:
    """The names of private parameters that two versions do not have alike."""
    before, after = (_list_private(one, policy) for one in (was, found))
    for name in dict.fromkeys((*before, *after)):
        if name not in before or name not in after or before[name].oid != after[name].oid:
            yield name


def _take_shared(was: CheckpointVersion, found: CheckpointVersion, policy: RoundPolicy) -> CheckpointVersion:
    """The start's checkpoint, with the values that a head has of what is shared."""
    own, private = _list_entries(found), _list_private(was, policy)

    def take(entry: Entry) -> Entry:
        if entry.name is None or entry.name in private or own[entry.name].oid == entry.oid:
            return entry
        return entry._replace(oid=own[entry.name].oid, storage=own[entry.name].storage)

    return was._replace(
        shards=tuple(
            [
                Shard(path, manifest._replace(entries=tuple(map(take, manifest.entries))))
                for path, manifest in was.shards
            ]
        )
    )
