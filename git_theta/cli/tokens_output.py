"""How ``git theta tokens`` says what it found, to people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from git_theta.cli.listing import align_table
from git_theta.operations.comparing.loss_curves import CONFIDENCE, FEWEST, CurveEstimate
from git_theta.operations.comparing.token_counts import MANY_EPOCHS, DataUse
from git_theta.repository.evaluating.token_losses import MEAN, LossForecast, LossSeries
from git_theta.repository.history.token_books import TokenBook
from git_theta.words import pluralize

OID_DIGITS = 8
_COLUMNS = ("data", "seen", "unique", "epochs", "worth", "next epoch")
_UNKNOWN = "not known"


def render_book(book: TokenBook) -> Iterator[str]:
    """The data sets of a version and of the branches that were merged into it."""
    own, *merged = book.branches
    yield f"tokens of {book.version.name}, along first parents"
    yield from _render_uses(own.uses)
    for branch in merged:
        yield ""
        yield f"merged by {(branch.merge or '')[:OID_DIGITS]}: {branch.tip[:OID_DIGITS]} {branch.subject}"
        yield from _render_uses(branch.uses)
    if merged:
        yield ""
        yield "data sets of all of them"
        yield from _render_table([row[:3] for row in (_COLUMNS, *map(_list_cells, book.union))])
    if any(use.is_repeated for branch in book.branches for use in branch.uses):
        yield ""
        yield f"* more than {MANY_EPOCHS} epochs: repeating it is worth less and less (constants of C4)"


def _render_uses(uses: Sequence[DataUse]) -> Iterator[str]:
    if not uses:
        yield "  no commit says how many tokens it has seen"
        return
    yield from _render_table([_COLUMNS, *map(_list_cells, uses)])


def _list_cells(use: DataUse) -> list[str]:
    if use.data is None or use.epochs is None or use.effective is None or use.next_epoch is None:
        return ["not said", f"{use.seen:,}", "", "", "", ""]
    mark = "*" if use.is_repeated else ""
    return [
        f"{use.data.name}@{use.data.digest}",
        f"{use.seen:,}",
        f"{use.data.unique:,}",
        f"{use.epochs:.3g}{mark}",
        f"{use.effective:,.0f}",
        f"{use.next_epoch:.0%}",
    ]


def _render_table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield from (f"  {line}" for line in align_table(rows))


def render_losses(losses: Sequence[LossSeries]) -> Iterator[str]:
    """The curve through the versions whose losses are known, and what it says of more training."""
    for series in losses:
        yield ""
        figure = "" if series.figure == MEAN else f" {series.figure},"
        measured = f"{series.evaluation},{figure} of {series.path}: {pluralize(len(series.points), 'measured version')}"
        if not series.curve:
            yield f"{measured}, no forecast: {series.reason}"
            continue
        yield f"{measured}, E + B / worth^beta"
        numbers = [(name, "", *_estimate_cells(one)) for name, one in series.curve.list_numbers().items()]
        yield from _render_table(
            [("", "worth", "loss", f"{CONFIDENCE:.0%}"), *numbers, *map(_forecast_cells, series.forecasts)]
        )
        if len(series.points) == FEWEST:
            yield f"  {FEWEST} versions fix the curve: how far off it is, only more can tell"


def _forecast_cells(forecast: LossForecast) -> tuple[str, ...]:
    what = f"one more epoch of {forecast.data.name}" if forecast.is_repeated else "as many new tokens"
    return (what, f"{forecast.effective:,.0f}", *_estimate_cells(forecast.loss))


def _estimate_cells(estimate: CurveEstimate) -> tuple[str, str]:
    ends = ["..." if end is None else f"{end:.4g}" for end in (estimate.low, estimate.high)]
    return f"{estimate.value:.4g}", _UNKNOWN if estimate.low is estimate.high is None else " to ".join(ends)
