"""The plan of a checkpoint of several files: of all its parameters at once, wherever heads keep them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from git_theta.checkpoints.sharded import ShardedCheckpoint
from git_theta.errors import FormatError, PluginError
from git_theta.formats.guarded_format import load_format
from git_theta.manifest.model import Manifest
from git_theta.merging.planning.decisions import BASE, Decision, DecisionState, trivial_merge
from git_theta.merging.planning.plan import Plan, plan_merge, settle_contested
from git_theta.merging.planning.shard_layouts import choose_files
from git_theta.operations.context import Context
from git_theta.operations.templates import read_template

Metadata = frozenset[tuple[str, object]]
"""What the files of a checkpoint say beside their tensors, as pairs of key and value."""


class CheckpointPlan(NamedTuple):
    """How a checkpoint is merged.

    Attributes:
        index_path: the path of its index, which it is called by.
        base, heads: the checkpoint at the merge base (None where there is none) and at each head.
        parameters: the plan of all its parameters, as of those of one file.
        paths: of all its files, its index among them, at whatever version.
        kept_whole: of those that only the whole checkpoint's plan has by parameters, as each is kept whole everywhere.
    """

    index_path: str
    base: ShardedCheckpoint | None
    heads: tuple[ShardedCheckpoint, ...]
    parameters: Plan
    paths: frozenset[str] = frozenset()
    kept_whole: frozenset[str] = frozenset()

    @property
    def is_moved(self) -> bool:
        """Whether any version keeps a parameter in a file in which another one does not."""
        layouts = [version.layout for version in (*self.heads, self.base) if version]
        return any(layout != layouts[0] for layout in layouts)

    def version_at(self, source: int) -> ShardedCheckpoint | None:
        """The checkpoint at a head, or at BASE."""
        return self.base if source == BASE else self.heads[source]

    def path_of(self, decision: Decision) -> str:
        """The file in which a parameter is, at the first version that has it; the first file for the frame."""
        versions = [version for version in (*self.heads, self.base) if version]
        layouts = [version.layout for version in versions]
        found = (layout[name] for name in decision.names for layout in layouts if name in layout)
        return next(found, next(iter(versions[0].shards)))


def plan_checkpoint(
    index_path: str, base: ShardedCheckpoint | None, heads: Sequence[ShardedCheckpoint], labels: Sequence[str]
) -> CheckpointPlan:
    """The plan that merges the heads. Raises ConflictError for a head whose shards are of different formats."""
    made = plan_merge(base.joined if base else None, [head.joined for head in heads], labels)
    return CheckpointPlan(index_path, base, tuple(heads), settle_contested(made, {}, frame=choose_leader(base, heads)))


def choose_leader(base: ShardedCheckpoint | None, heads: Sequence[ShardedCheckpoint]) -> int:
    """The head whose files the merged checkpoint has."""
    return choose_files(base.layout if base else None, [head.layout for head in heads])


def contest_metadata(made: CheckpointPlan, context: Context) -> tuple[CheckpointPlan, list[int]]:
    """The plan with a frame that is contested where heads changed what files say beside their tensors differently.

    Settled, it is that of the head whose files are kept, unless another one changed what they say. With it come the
    heads that say the same as the one whose frame counts: the first, while it is contested.
    """
    leader = choose_leader(made.base, made.heads)
    said = [_read_metadata(head, context) for head in made.heads]
    by, source = trivial_merge(_read_metadata(made.base, context) if made.base else None, said)
    if source is None:
        frame = Decision((), DecisionState.CONTESTED, by, None, (), ((),) * len(made.heads))
        settled = made.parameters._replace(frame=frame)
    else:
        settled = settle_contested(made.parameters, {}, frame=leader if said[leader] == said[source] else source)
    kept = said[settled.frame.source or 0]
    return made._replace(parameters=settled), [index for index, head in enumerate(said) if head == kept]


def _read_metadata(checkpoint: ShardedCheckpoint, context: Context) -> Metadata:
    return frozenset(chain.from_iterable(_pairs_of(manifest, context) for manifest in checkpoint.shards.values()))


def _pairs_of(manifest: Manifest, context: Context) -> Iterator[tuple[str, object]]:
    try:
        yield from load_format(manifest.format).metadata(read_template(manifest, context))
    except (FormatError, PluginError) as error:
        context.warn(f"what a file says beside its tensors cannot be read: {error.message}")
