"""What the policy chooses for a decision: of a file, or of a checkpoint of several."""

from __future__ import annotations

from pathlib import Path

from git_theta.merging.policies.treatments import choose_by_policy
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.merge_results import Choose
from git_theta.repository.merging.policy_sources import MergeOptions, policy_for


def chooser_for(path: str, top: Path | None, asked: MergeOptions) -> Choose:
    """What the policy says about a decision of this file."""
    policy = policy_for(path, top, asked)
    return choose_by_policy(policy, path)


def chooser_of(item: FilePlan, top: Path | None, asked: MergeOptions) -> Choose:
    """What the policy says about a decision; of a checkpoint of several files, by the file that has the parameter."""
    whole = item.checkpoint
    if whole is None:
        return chooser_for(item.path, top, asked)
    choosers = {path: chooser_for(path, top, asked) for path in whole.paths}
    return lambda decision: choosers[whole.path_of(decision)](decision)
