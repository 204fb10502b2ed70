"""A merge that waits for its commit, held to the gates of the project: better than its best head, or as good."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from git_theta.evaluation.comparison import ComparisonSettings
from git_theta.evaluation.definitions import DEFINITIONS_FILE
from git_theta.repository.evaluating.evaluated_versions import EvaluatedVersion, list_tree_versions
from git_theta.repository.evaluating.evaluations import EvaluatedCheckpoint, EvaluationSession
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice, list_evaluations
from git_theta.repository.evaluating.meant_checkpoints import is_meant
from git_theta.repository.evaluating.named_files import require_own_files
from git_theta.repository.evaluating.version_comparison import VersionComparison, judge_versions
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git
from git_theta.vcs.heads import Head
from git_theta.vcs.trees import file_at

MERGED = "merged"
"""What the result of a merge is called before it has a commit."""


def list_merge_gates(repository: Repository, revision: str) -> list[EvaluationChoice]:
    """The evaluations whose gates a merge is held to: those of its first parent's file, in which no head has a say."""
    if file_at(revision, DEFINITIONS_FILE, repository.home) is None:
        return []
    return [one for one in list_evaluations(repository, revision).values() if one.definition.gates]


def judge_merge(
    session: EvaluationSession, choices: Sequence[EvaluationChoice], heads: Sequence[Head], repository: Repository
) -> Iterator[VersionComparison]:
    """Compare each checkpoint of the index with the best of the heads, by each evaluation that is for it.

    Raises UsageError for an evaluation whose command names a file that the merge changes.
    """
    tree = git("write-tree", cwd=repository.worktree).decode().strip()
    yield from judge_tree(session, choices, heads, tree, require=lambda choice: require_own_files(choice, repository))


def judge_tree(
    session: EvaluationSession,
    choices: Sequence[EvaluationChoice],
    heads: Sequence[Head],
    tree: str,
    *,
    require: Callable[[EvaluationChoice], object] = lambda _: None,
) -> Iterator[VersionComparison]:
    """Compare each checkpoint of a tree with the best of the heads that were merged into it.

    A checkpoint that all heads have as it is was not merged, and one that none of them has has nothing before it.
    ``require``: raises where an evaluation may not be run.
    """
    merged = list_tree_versions(tree, MERGED)
    sides = [{one.path: one for one in list_tree_versions(head.commit, head.name)} for head in heads]
    for choice in choices:
        for after in (one for one in merged if is_meant(choice.definition, one)):
            before = [side[after.path] for side in sides if after.path in side]
            if any(one.identity != after.identity for one in before):
                require(choice)
                best = _find_best(session, before, choice)
                yield judge_versions(session, best, session.evaluate(after, choice), ComparisonSettings())


def _find_best(
    session: EvaluationSession, versions: Sequence[EvaluatedVersion], choice: EvaluationChoice
) -> EvaluatedCheckpoint:
    """The version with the best mean; the first of equals."""
    sign = 1 if choice.definition.direction == "up" else -1
    evaluated = [session.evaluate(one, choice) for one in versions]
    return max(evaluated, key=lambda one: -math.inf if one.result.mean is None else sign * one.result.mean)
