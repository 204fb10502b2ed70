"""What a merge will do with each file, for plans: with the companions that its heads' commits have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from git_theta.operations.context import Context
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.foreseen_merge import ForeseenMerge, foresee_merge
from git_theta.repository.merging.companion_versions import find_in_heads
from git_theta.repository.merging.merge_request import MergeInputs
from git_theta.repository.merging.policy_choosers import chooser_of
from git_theta.repository.merging.policy_sources import MergeOptions


def foresee_files(
    made: MergeInputs, found: Sequence[FilePlan], asked: MergeOptions, top: Path | None, context: Context
) -> list[ForeseenMerge]:
    """The plan of each file as it will come out; see ``foresee_merge``."""
    commits = [head.commit for head in made.heads]

    def foresee(item: FilePlan) -> ForeseenMerge:
        knowing = context._replace(find_companions=find_in_heads(item, commits, made.labels, top))
        return foresee_merge(item, chooser_of(item, top, asked), asked.settings, knowing)

    return [foresee(item) for item in found]
