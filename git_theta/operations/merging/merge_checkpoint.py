"""A plan of a checkpoint carried out: its shards, built like those of the heads, and an index that says where they are.

Never a parameter in two shards, nor an index that names another place than where it is (L13).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from git_theta.checkpoints.index_file import merge_indexes
from git_theta.errors import ConflictError
from git_theta.manifest.model import Entry, Manifest
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.planning.decisions import Decision, identity_of, names_of
from git_theta.merging.planning.shard_layouts import merge_layouts
from git_theta.merging.policies.policy import CONFLICT, Choice
from git_theta.operations.context import Context
from git_theta.operations.merging.apply_plan import settle_plan
from git_theta.operations.merging.assemble import assemble_file, merged_entries
from git_theta.operations.merging.checkpoint_plans import CheckpointPlan, choose_leader, contest_metadata
from git_theta.operations.merging.merge_results import Choose, MergeResult, MergeSettings
from git_theta.tensors.dtypes import BY_NAME

_METADATA_CONTESTED = "the sides changed what the files say beside their tensors"


class MergedCheckpoint(NamedTuple):
    """A merged checkpoint.

    Attributes:
        shards: by path.
        index_text: of its index; None where it is a single file that needs none.
        result: what came of the plan; its manifest has all parameters.
    """

    shards: Mapping[str, Manifest]
    index_text: bytes | None
    result: MergeResult


def merge_checkpoint(
    made: CheckpointPlan, choose: Choose, settings: MergeSettings, context: Context
) -> MergedCheckpoint:
    """Carry out a plan; the errors are those of ``apply_plan``. What is left contested is as the first head has it."""
    refuse_quantised(made)
    made, alike = contest_metadata(made, context)
    settled = settle_plan(made.parameters, _keep_ours(choose), settings, context, contested=_METADATA_CONTESTED)
    entries = {entry.name or "": entry for entry in merged_entries(settled.plan, settled.computed)}
    layout = place_parameters(made, entries)
    shards = {
        path: _assemble_shard(list(_likes_for(path, made, settled.plan.frame.source or 0, alike)), held, made, context)
        for path, held in _group_by_shard(layout, entries).items()
    }
    whole = Manifest(settled.plan.format, sum(entry.size for entry in entries.values()), tuple(entries.values()))
    result = MergeResult(whole, settled.plan, settled.applied, settled.left)
    return MergedCheckpoint(shards, _write_index(made, shards, whole), result)


def refuse_quantised(made: CheckpointPlan) -> None:
    """Raise ConflictError where heads have other tensors that torch quantised: their scales may be in the pickles."""
    found = {
        frozenset(
            (path, manifest.frame and manifest.frame.oid, tuple(map(identity_of, manifest.parameters())))
            for path, manifest in head.shards.items()
            if any(entry.dtype in BY_NAME and BY_NAME[entry.dtype].kind == "quantized" for entry in manifest.entries)
        )
        for head in made.heads
    }
    if len(found) > 1:
        raise ConflictError(
            "the heads have other tensors that torch quantised, whose scales are in the shards' pickles",
            hint="Take all files of the checkpoint from one side: git checkout --ours, or --theirs; then git add.",
        )


def _keep_ours(choose: Choose) -> Choose:
    """The same choices; ours for contested metadata, where a strategy that computes was chosen."""

    def choose_or_keep(decision: Decision) -> Choice | None:
        choice = choose(decision)
        if (
            choice is None
            or decision.names
            or choice.strategy == CONFLICT
            or not load_strategy(choice.strategy).numeric
        ):
            return choice
        return Choice("ours", {}, choice.origin)

    return choose_or_keep


def place_parameters(made: CheckpointPlan, names: Iterable[str]) -> dict[str, str]:
    """The path of the shard that each of these parameters of the merged checkpoint goes to."""
    return merge_layouts(made.base.layout if made.base else None, [head.layout for head in made.heads], names)


def _group_by_shard(layout: Mapping[str, str], entries: Mapping[str, Entry]) -> dict[str, dict[str, Entry]]:
    """Path of each shard to its parameters by name; in the order of paths."""
    shards: dict[str, dict[str, Entry]] = {path: {} for path in sorted(set(layout.values()))}
    for name, path in layout.items():
        shards[path][name] = entries[name]
    return shards


def _assemble_shard(
    likes: Sequence[Manifest], held: Mapping[str, Entry], made: CheckpointPlan, context: Context
) -> Manifest:
    """A shard with these parameters: one of ``likes`` that has just those, else built like the first."""
    wanted = {name: identity_of(entry) for name, entry in held.items()}
    for like in likes:
        if {entry.name: identity_of(entry) for entry in like.parameters()} == wanted:
            return like
    own = [entry.name or "" for entry in likes[0].parameters()]
    ordered = dict.fromkeys(name for name in (*own, *held) if name in held)
    known = [manifest for version in (*made.heads, made.base) if version for manifest in version.shards.values()]
    return assemble_file(likes[0], [held[name] for name in ordered], known, context)


def _likes_for(path: str, made: CheckpointPlan, source: int, alike: Sequence[int]) -> Iterator[Manifest]:
    """Shards that the one at ``path`` may be like: at the head whose frame counts, and at those that say the same."""
    chosen = made.version_at(source) or made.heads[0]
    versions = [chosen, *(made.heads[index] for index in alike)]
    yield from (version.shards[path] for version in versions if path in version.shards)
    yield from chosen.shards.values()


def _write_index(made: CheckpointPlan, shards: Mapping[str, Manifest], whole: Manifest) -> bytes | None:
    """The index of the merged shards; None where the head whose files they are has none."""
    leader = made.heads[choose_leader(made.base, made.heads)]
    if leader.index is None:
        return None
    indexes = [leader.index, *(head.index for head in made.heads if head is not leader)]
    named = {name for version in (*made.heads, made.base) if version for name in version.named}
    layout = {
        name: path
        for path, manifest in shards.items()
        for entry in manifest.parameters()
        for name in names_of(entry)
        if name == entry.name or name in named
    }
    totals = whole.size, sum(math.prod(entry.shape) for entry in whole.entries)
    return merge_indexes(made.index_path, layout, totals, made.base.index if made.base else None, indexes)
