"""Versions that were evaluated, compared on one page that needs nothing else: no network, no fonts, no script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_theta.diffing.render.markup import Markup, element, join_markup
from git_theta.diffing.render.report_page import build_page
from git_theta.evaluation.comparison import BucketRow, ScoreComparison
from git_theta.evaluation.gates import GateVerdict
from git_theta.words import pluralize

_TITLES = ("bucket", "verdict", "n", "before", "after", "change", "interval", "lost", "won", "p (Holm)")
_VERDICTS = {-1: "worse", 0: "", 1: "better"}
_FIRST_NUMBER = 2


class ScoreSection(NamedTuple):
    """A comparison: by which evaluation, of which versions, what came of it and of its gates, and the buckets shown."""

    evaluation: str
    before: str
    after: str
    compared: ScoreComparison
    gates: Sequence[GateVerdict]
    rows: Sequence[BucketRow]


def render_score_page(sections: Sequence[ScoreSection]) -> str:
    """The page, to be written as UTF-8."""
    return build_page("git theta eval", join_markup([_section(one, at) for at, one in enumerate(sections)]))


def _section(one: ScoreSection, number: int) -> Markup:
    compared, name = one.compared, f"evaluation-{number}"
    return element(
        "section",
        element("h2", one.evaluation, id=name),
        element("p", "From ", element("b", one.before), " to ", element("b", one.after), class_="versions"),
        *(element("p", line, class_="versions") for line in _describe_scores(compared)),
        *(
            element("p", f"{gate.gate.text}: {gate.reason}", class_="versions" if gate.passed else "versions alarm")
            for gate in one.gates
        ),
        _table((*one.rows, compared.overall)),
        *(element("p", _describe_metric(metric, pair)) for metric, pair in compared.metrics.items()),
        aria_labelledby=name,
    )


def _describe_scores(compared: ScoreComparison) -> Iterator[str]:
    test = "exact sign test" if compared.test == "sign" else "paired permutation test"
    both, alpha = pluralize(compared.overall.n, "item"), compared.settings.alpha
    yield f"{both} on both sides, {test}, Holm over buckets at {alpha:g}."
    before, after = (pluralize(count, "item") for count in (compared.only_before, compared.only_after))
    yield f"Before alone: {before}; after alone: {after}."
    if any(compared.ties):
        yield f"Ties count half: {compared.ties[0]:,} before, {compared.ties[1]:,} after."


def _table(shown: Sequence[BucketRow]) -> Markup:
    heads = [
        element("th", title, scope="col", class_="number" if at >= _FIRST_NUMBER else None)
        for at, title in enumerate(_TITLES)
    ]
    rows = [_row(row) for row in shown if row.n]
    table = element("table", element("thead", element("tr", *heads)), element("tbody", *rows), class_="sheet")
    return element("div", table, class_="scroll", tabindex=0, role="region", aria_label="Buckets")


def _row(row: BucketRow) -> Markup:
    interval = f"{row.interval[0]:+.4f} to {row.interval[1]:+.4f}" if row.interval else ""
    figures = [
        f"{row.n:,}", f"{row.before:.4f}", f"{row.after:.4f}", f"{row.change:+.4f}", interval, f"{row.lost:,}",
        f"{row.won:,}", "" if row.adjusted is None else f"{row.adjusted:.2g}",
    ]  # fmt: skip
    return element(
        "tr",
        element("th", row.bucket or "all items", scope="row"),
        element("td", element("span", _VERDICTS[row.verdict], class_="alarm" if row.is_worse else None)),
        *(element("td", figure, class_="number") for figure in figures),
    )


def _describe_metric(name: str, pair: tuple[float | None, float | None]) -> str:
    before, after = ("none" if value is None else f"{value:.6g}" for value in pair)
    return f"{name}: {before} before, {after} after"
