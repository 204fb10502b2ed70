"""The parameters of a head that its round takes, and those that are private: on ids alone (L8)."""

from __future__ import annotations

from collections.abc import Iterator

from git_theta.checkpoints.shards import Shard
from git_theta.manifest.model import Entry
from git_theta.manifest.text import entry_names
from git_theta.merging.policies.round_policy import RoundPolicy
from git_theta.repository.history.checkpoint_lookup import CheckpointVersion
from git_theta.tensors.dtypes import BY_NAME
from git_theta.words import join_some, shorten_text

_MOST_NAMES = 5


def compare_layouts(was: CheckpointVersion, found: CheckpointVersion, policy: RoundPolicy) -> Iterator[str]:
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
        "has quantised by torch, with scales elsewhere in the file": _find_quantised(was, found, policy),
    }
    for verb, names in differing.items():
        if names:
            yield f"{verb}: {join_some(list(map(shorten_text, names)), _MOST_NAMES)}"


def _describe_parameters(found: CheckpointVersion, policy: RoundPolicy) -> dict[str, tuple[object, ...]]:
    """Of each name that is shared, all but its values: dtype, shape, and what it shares these with."""
    described: dict[str, tuple[object, ...]] = {}
    private = list_private_entries(found, policy)
    for name, entry in list_entries(found).items():
        if name not in private:
            view = next((view for view in entry.views if view.name == name), None)
            window = view and (view.dtype, view.shape, view.stride, view.offset)
            described[name] = (entry.name, entry.dtype, entry.shape, entry.size, window)
    return described


def _find_quantised(was: CheckpointVersion, found: CheckpointVersion, policy: RoundPolicy) -> list[str]:
    """Parameters that mean nothing without what stands beside them in the head's file, where they changed."""
    before, private = list_entries(was), list_private_entries(found, policy)
    return [
        name
        for name, entry in list_entries(found).items()
        if entry.dtype in BY_NAME
        and BY_NAME[entry.dtype].kind == "quantized"
        and name in before
        and name not in private
        and entry.oid != before[name].oid
    ]


def list_entries(found: CheckpointVersion) -> dict[str, Entry]:
    """The entry of each name."""
    return {
        name: entry for shard in found.shards for entry in shard.manifest.parameters() for name in entry_names(entry)
    }


def list_private_entries(found: CheckpointVersion, policy: RoundPolicy) -> dict[str, Entry]:
    """The entries that are private, by each of their names: one private name makes its values private."""
    is_private = policy.match_private()
    return {name: entry for name, entry in list_entries(found).items() if any(map(is_private, entry_names(entry)))}


def find_private_changes(was: CheckpointVersion, found: CheckpointVersion, policy: RoundPolicy) -> Iterator[str]:
    """The names of private parameters that two versions do not have alike."""
    before, after = (list_private_entries(one, policy) for one in (was, found))
    for name in dict.fromkeys((*before, *after)):
        if name not in before or name not in after or before[name].oid != after[name].oid:
            yield name


def take_shared(was: CheckpointVersion, found: CheckpointVersion, policy: RoundPolicy) -> CheckpointVersion:
    """The start's checkpoint, with the values that a head has of what is shared."""
    own, private = list_entries(found), list_private_entries(was, policy)

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
