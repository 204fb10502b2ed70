"""Two versions, evaluated and compared: by hand, and by the gates that a project has set up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.evaluation.comparison import ComparisonSettings, ScoreComparison
from git_theta.evaluation.gates import GateVerdict, judge_gates
from git_theta.repository.evaluating.evaluated_versions import EvaluatedVersion
from git_theta.repository.evaluating.evaluations import EvaluatedCheckpoint, EvaluationSession
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice
from git_theta.repository.evaluating.meant_checkpoints import is_meant


class VersionComparison(NamedTuple):
    """Two versions by one evaluation, compared, and whether each gate of it holds."""

    before: EvaluatedCheckpoint
    after: EvaluatedCheckpoint
    compared: ScoreComparison
    gates: tuple[GateVerdict, ...]

    @property
    def passed(self) -> bool:
        """Whether all gates hold, as they do where there is none."""
        return all(gate.passed for gate in self.gates)


def compare_versions(
    session: EvaluationSession,
    before: Sequence[EvaluatedVersion],
    after: Sequence[EvaluatedVersion],
    choices: Sequence[EvaluationChoice],
    settings: ComparisonSettings,
) -> Iterator[VersionComparison]:
    """Compare every checkpoint that both sides have, by each evaluation that is for it.

    ``settings``: its direction is that of each evaluation. Raises UsageError where there is nothing to compare.
    """
    pairs = pair_versions(before, after)
    for choice in choices:
        fitting = [pair for pair in pairs if all(is_meant(choice.definition, one) for one in pair)]
        if not fitting:
            raise UsageError(
                f"no checkpoint that both sides have is one for the evaluation {choice.name}",
                hint=f"It is for: {', '.join(choice.definition.checkpoints)}",
            )
        for pair in fitting:
            earlier, later = (session.evaluate(one, choice) for one in pair)
            yield judge_versions(session, earlier, later, settings)


def judge_versions(
    session: EvaluationSession, before: EvaluatedCheckpoint, after: EvaluatedCheckpoint, settings: ComparisonSettings
) -> VersionComparison:
    """Two evaluated versions, compared, with the gates of the evaluation."""
    definition = after.choice.definition
    compared = session.compare(before, after, settings._replace(direction=definition.direction))
    return VersionComparison(before, after, compared, tuple(judge_gates(definition.gates, compared)))


def pair_versions(
    before: Sequence[EvaluatedVersion], after: Sequence[EvaluatedVersion]
) -> list[tuple[EvaluatedVersion, EvaluatedVersion]]:
    """The checkpoints of two sides that are one: of the same path, or all there is. Raises UsageError for none."""
    if len(before) == len(after) == 1:
        return [(before[0], after[0])]
    earlier = {one.path: one for one in before}
    pairs = [(earlier[one.path], one) for one in after if one.path in earlier]
    if not pairs:
        raise UsageError(
            "the two sides have no checkpoint of the same path", hint="Name the one that is meant, behind --."
        )
    return pairs
