"""What an evaluation says of the heads of a round, beside what it says of the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from git_theta.errors import EvaluationError, ThetaError, UsageError
from git_theta.evaluation.comparison import ComparisonSettings, ScoreComparison
from git_theta.manifest.identity_text import write_identity
from git_theta.operations.context import Context
from git_theta.repository.evaluating.evaluated_versions import EvaluatedVersion
from git_theta.repository.evaluating.evaluations import EvaluatedCheckpoint, EvaluationSession
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice, list_evaluations, require_known
from git_theta.repository.evaluating.meant_checkpoints import is_meant
from git_theta.repository.rounds.shared_files import build_checkpoints, write_checkpoints
from git_theta.repository.rounds.shared_heads import Checkpoints, RoundStart, SharedHead
from git_theta.vcs.discovery import Repository

Evaluate = Callable[[EvaluatedVersion, EvaluationChoice], EvaluatedCheckpoint | None]
"""What is said of a version; None where nothing is known, and nothing runs."""


class HeadScore(NamedTuple):
    """A head, scored.

    Attributes:
        evaluation: its name.
        before, after: the means of the start and of the head; None where they are not known.
        fault: why the head cannot be merged, in words; "" where it can.
    """

    evaluation: str
    before: float | None = None
    after: float | None = None
    fault: str = ""


class HeadScorer:
    """Scores heads by an evaluation that the round's start defines: what a head says of it does not count (L10).

    Args:
        name: of the evaluation.
        start: of the round.
        session: what evaluates.
        context: what to build files with.
        repository: where.
        runs: whether what is not known is run.
    """

    def __init__(
        self,
        name: str,
        start: RoundStart,
        session: EvaluationSession,
        context: Context,
        repository: Repository,
        *,
        runs: bool,
    ) -> None:
        self.choice = choose_evaluation(name, start, repository)
        self._start, self._session, self._context, self._top = start, session, context, repository.home
        self._evaluate: Evaluate = session.evaluate if runs else session.find_known
        self._versions = [
            one for one in _list_versions(start.round.tag, start.round.start, start.checkpoints) if self._is_meant(one)
        ]
        if not self._versions:
            raise UsageError(f"the evaluation {name} is for no checkpoint of {start.round.tag}")

    def score_head(self, label: str, shared: SharedHead) -> HeadScore:
        """Compare what the round takes of a head with the start. Raises the errors of evaluating the start."""
        befores = [self._evaluate(one, self.choice) for one in self._versions]
        built = build_checkpoints(shared, self._start, self._context)
        tree = write_checkpoints(built, self._start, self._top)
        afters = filter(self._is_meant, _list_versions(label, tree, built))
        score = HeadScore(self.choice.name)
        for before, version in zip(befores, afters, strict=True):
            try:
                after = self._evaluate(version, self.choice)
            except EvaluationError as error:
                return score._replace(fault=f"{self.choice.name}: {error}")
            if before is None or after is None:
                return score
            score = _compare(score, self._compare(before, after))
            if score.fault:
                return score
        return score

    def _compare(self, before: EvaluatedCheckpoint, after: EvaluatedCheckpoint) -> ScoreComparison:
        return self._session.compare(before, after, ComparisonSettings(self.choice.definition.direction))

    def _is_meant(self, version: EvaluatedVersion) -> bool:
        return is_meant(self.choice.definition, version)


def choose_evaluation(name: str, start: RoundStart, repository: Repository) -> EvaluationChoice:
    """An evaluation as the round's start defines it, or the person's configuration. Raises UsageError for none."""
    try:
        return require_known(name, list_evaluations(repository, start.round.start))
    except ThetaError as error:
        raise error.add_location(path=start.round.tag) from error.__cause__


def _list_versions(label: str, tree: str, checkpoints: Checkpoints) -> Iterator[EvaluatedVersion]:
    for path, found in checkpoints.items():
        yield EvaluatedVersion(label, tree, path, write_identity([shard.manifest for shard in found.shards]))


def _compare(score: HeadScore, compared: ScoreComparison) -> HeadScore:
    """The score of a head by one more checkpoint: the first counts for people, and any for whether it is worse."""
    overall = compared.overall
    if overall.before is None or overall.after is None:
        return score._replace(fault=f"{score.evaluation}: it scores no items, and so compares nothing")
    fault = (
        f"{score.evaluation}: {overall.after:.4g}, and the start has {overall.before:.4g}" if overall.is_worse else ""
    )
    if score.before is None or fault:
        score = score._replace(before=overall.before, after=overall.after)
    return score._replace(fault=fault)
