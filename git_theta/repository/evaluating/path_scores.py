"""Scores along the line between two versions: what an evaluation says of mixes, and how far these fall short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from git_theta.diffing.weight_path import WeightPath
from git_theta.errors import EvaluationError, UsageError
from git_theta.evaluation.barriers import Barrier, find_barrier
from git_theta.manifest.identity_text import write_identity
from git_theta.operations.context import Context, Progress
from git_theta.repository.evaluating.evaluated_versions import EvaluatedVersion, list_tree_versions
from git_theta.repository.evaluating.evaluations import EvaluatedCheckpoint, EvaluationSession
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice
from git_theta.repository.evaluating.meant_checkpoints import match_evaluations
from git_theta.repository.merging.version_mean import merge_mean, plan_mean
from git_theta.vcs import trees
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import Head

_MODE = "100644"


class PathScores(NamedTuple):
    """What an evaluation says of each point of a path.

    Attributes:
        evaluation: its name.
        direction: "up" or "down": which scores are better.
        scores: the mean score of each point.
        barrier: between the ends.
    """

    evaluation: str
    direction: str
    scores: tuple[float, ...]
    barrier: Barrier


def score_path(
    path: WeightPath,
    choice: EvaluationChoice,
    session: EvaluationSession,
    repository: Repository,
    context: Context,
    progress: Progress,
) -> PathScores:
    """Evaluate every point. What is known of the same contents is not run again.

    Mixes are stored as results of merges are, and named by nothing. Raises EvaluationError for an evaluation that
    scores no items, UsageError for one that is for other checkpoints, and for a shard; the errors of ``plan_mean``.
    """
    evaluated: list[EvaluatedCheckpoint] = []
    means: list[float] = []
    for version in _list_versions(path, choice, repository, context, progress):
        evaluated.append(session.evaluate(version, choice))
        if (mean := evaluated[-1].result.mean) is None:
            raise EvaluationError(
                f"{choice.name} scores no items, and a path is of their means", hint="Have it print a score per item."
            )
        means.append(mean)
    direction, places = choice.definition.direction, [point.t for point in path.points]
    barrier = find_barrier(places, means, direction, lambda number: session.read_scores(evaluated[number]))
    return PathScores(choice.name, direction, tuple(means), barrier)


def _list_versions(
    path: WeightPath, choice: EvaluationChoice, repository: Repository, context: Context, progress: Progress
) -> Iterator[EvaluatedVersion]:
    """The ends as they are committed, and between them the mixes. Raises UsageError for an evaluation of others."""
    heads = tuple([Head(member.label, member.commit) for member in path.map.versions])
    item = plan_mean(path.map.path, heads, repository, context.warn)
    if item.path != path.map.path:
        raise UsageError(
            f"an evaluation is of whole checkpoints, and this is a file of {item.path}",
            hint="Name the index of its shards.",
            path=path.map.path,
        )
    ends = [_find_end(head, item.path) for head in heads]
    match_evaluations(ends, [choice])
    yield ends[0]
    for point in path.points[1:-1]:
        merged = merge_mean(item, (1 - point.t, point.t), context, progress)
        tree = _write_tree(heads[0], merged.texts(), repository)
        identity = write_identity(list(merged.manifests.values()))
        yield EvaluatedVersion(f"t={point.t:.4g}", tree, item.path, identity)
    yield ends[1]


def _find_end(head: Head, path: str) -> EvaluatedVersion:
    return next(one for one in list_tree_versions(head.commit, head.name) if one.path == path)


def _write_tree(head: Head, texts: Mapping[str, bytes | None], repository: Repository) -> str:
    top = repository.home
    files = {
        name: None if text is None else trees.TreeFile(_MODE, trees.write_blob(text, top))
        for name, text in texts.items()
    }
    return trees.write_changed_tree(head.commit, files, top)
