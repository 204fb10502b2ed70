"""What losses say of more tokens: versions of a token book that an evaluation has measured, and the curve through them.

Nothing runs: results that are kept are looked up. A loss is what an evaluation of direction "down" says: the mean over
its items, or where it scores none each of its metrics.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_theta.evaluation.result_lines import EvaluationResult
from git_theta.operations.comparing.loss_curves import CurveEstimate, LossCurve, LossPoint, fit_curve
from git_theta.operations.comparing.token_counts import DataSet, TokenEntry, accumulate_worth
from git_theta.repository.evaluating.evaluated_versions import list_tree_versions
from git_theta.repository.evaluating.evaluations import EvaluationSession
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice
from git_theta.repository.evaluating.meant_checkpoints import is_meant
from git_theta.repository.history.token_books import TokenBook, TokenStep

MEAN = "mean"


class LossSeries(NamedTuple):
    """One loss of one checkpoint, along the version's own line.

    Attributes:
        evaluation: its name.
        path: of the checkpoint.
        figure: ``mean``, of the scores; or the name of a metric.
        points: the versions that were measured, the oldest first.
        curve: through them; None where there is none.
        reason: why there is none.
        forecasts: what the curve says of more training.
    """

    evaluation: str
    path: str
    figure: str
    points: tuple[LossPoint, ...]
    curve: LossCurve | None
    reason: str
    forecasts: tuple[LossForecast, ...]


class LossForecast(NamedTuple):
    """A loss after more training.

    Attributes:
        data: the data set that the version was trained on last.
        is_repeated: whether it is seen once more; else as many tokens of new data.
        effective: D' then.
        loss: what the curve says.
    """

    data: DataSet
    is_repeated: bool
    effective: float
    loss: CurveEstimate


def list_losses(book: TokenBook, choices: Sequence[EvaluationChoice], session: EvaluationSession) -> list[LossSeries]:
    """The losses that versions of a book are known to have, by evaluation, checkpoint and figure."""
    found: dict[tuple[str, str, str], list[LossPoint]] = {}
    losses = [one for one in choices if one.definition.direction == "down"]
    for step in book.steps if losses else ():
        if step.effective:
            for key, loss in _list_known(step, losses, session):
                found.setdefault(key, []).append(LossPoint(step.effective, loss))
    return [_fit_series(key, points, book.steps) for key, points in found.items()]


def _list_known(
    step: TokenStep, choices: Sequence[EvaluationChoice], session: EvaluationSession
) -> Iterator[tuple[tuple[str, str, str], float]]:
    for version in list_tree_versions(step.commit, step.commit):
        for choice in choices:
            known = session.find_known(version, choice) if is_meant(choice.definition, version) else None
            for figure, loss in _list_figures(known.result).items() if known else ():
                yield (choice.name, version.path, figure), loss


def _list_figures(result: EvaluationResult) -> dict[str, float]:
    return result.metrics if result.mean is None else {MEAN: result.mean}


def _fit_series(key: tuple[str, str, str], points: Sequence[LossPoint], steps: Sequence[TokenStep]) -> LossSeries:
    curve, reason = fit_curve(points)
    return LossSeries(*key, tuple(points), curve, reason, tuple(_list_forecasts(curve, steps) if curve else ()))


def _list_forecasts(curve: LossCurve, steps: Sequence[TokenStep]) -> Iterator[LossForecast]:
    """One more epoch of what the version was trained on last, and as many tokens of new data."""
    entries = [step.entry for step in steps]
    last = entries[-1].data
    if last is None or steps[-1].effective is None:
        return
    *_, repeated = accumulate_worth([*entries, TokenEntry(last.unique, last)])
    for is_repeated, effective in ((True, repeated), (False, steps[-1].effective + last.unique)):
        assert effective  # as it was before
        yield LossForecast(last, is_repeated, effective, curve.forecast(effective))
