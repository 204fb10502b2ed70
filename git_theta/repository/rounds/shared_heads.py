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
from git_theta.errors import ThetaError, UsageError
from git_theta.merging.policies.round_policy import RoundPolicy
from git_theta.repository.history.checkpoint_lookup import CheckpointVersion, list_checkpoints
from git_theta.repository.rounds.round_refs import Round, read_round_policy
from git_theta.repository.rounds.shared_parameters import (
    compare_layouts,
    find_private_changes,
    list_entries,
    list_private_entries,
    take_shared,
)
from git_theta.vcs import trees
from git_theta.vcs.ref_listing import is_ancestor
from git_theta.vcs.shallow_clones import is_cut_off
from git_theta.words import join_some

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
    files = trees.files_of(one.start, top)
    checkpoints = {found.path: found for found in list_checkpoints(one.start, files)}
    if not any(map(list_entries, checkpoints.values())):
        raise UsageError(
            f"{one.start[:12]} has no checkpoint that is stored by parameters",
            hint="Files are versioned once tracked: git theta track",
        )
    return RoundStart(one, read_round_policy(one, top), files, checkpoints)


def share_head(commit: str, start: RoundStart, top: Path) -> SharedHead:
    """What the round takes of a head, or why nothing: nobody's head keeps a round from its end."""
    if not is_ancestor(start.commit, commit, top):
        return SharedHead(commit, faults=(_describe_other_start(commit, start.round, top),))
    try:
        files = trees.files_of(commit, top)
        own = {found.path: found for found in list_checkpoints(commit, files)}
    except ThetaError as error:
        return SharedHead(commit, faults=(f"{error.path or 'a checkpoint'}: {error.message}",))
    faults = [*_find_other_files(files, own, start), *_find_changed_layouts(files, own, start)]
    if faults:
        return SharedHead(commit, own=own, faults=tuple(faults))
    shared = {path: take_shared(was, own[path], start.policy) for path, was in start.checkpoints.items()}
    private = [
        name for path, was in start.checkpoints.items() for name in find_private_changes(was, own[path], start.policy)
    ]
    head = SharedHead(commit, shared, own, tuple(private))
    if head.checkpoints == start.checkpoints:
        beside = " but private ones" if private else ""
        return head._replace(faults=(f"it changes no parameter{beside}",))
    return head


def _describe_other_start(commit: str, one: Round, top: Path) -> str:
    if is_cut_off(commit, one.start, top):
        return f"history ends here before it is known to start from {one.tag} (git fetch --unshallow)"
    return f"it does not start from {one.tag}"


def list_private(start: RoundStart) -> list[str]:
    """The names of the private parameters at the start."""
    return [name for found in start.checkpoints.values() for name in list_private_entries(found, start.policy)]


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
            yield from (f"{path}: it {fault}" for fault in compare_layouts(was, own[path], start.policy))
        elif path in files:
            yield f"{path}: Git has it as it is, not by parameters (git theta install, and commit it again)"
        else:
            yield f"it has no checkpoint {path}"
    yield from (f"it adds the checkpoint {path}" for path in own if path not in start.checkpoints)
