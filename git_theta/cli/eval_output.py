"""How ``git theta eval`` says what it found, to people: as lines, and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from git_theta.cli.listing import align_table
from git_theta.evaluation.comparison import BucketRow, ScoreComparison
from git_theta.globs import name_matcher
from git_theta.repository.evaluating.evaluations import EvaluatedCheckpoint
from git_theta.repository.evaluating.evaluator_choice import (
    EvaluationChoice,
    describe_permission_way,
    describe_program,
)
from git_theta.repository.evaluating.version_comparison import VersionComparison
from git_theta.words import escape_unprintable, pluralize

_SMALLEST_P = 1e-4
_MOST_NAME = 32
_TITLES = ("", "n", "before", "after", "change", "lost", "won", "p")
_MARKS = {-1: "-", 0: " ", 1: "+"}


def render_evaluated(found: EvaluatedCheckpoint, by: Sequence[str], *, with_buckets: bool) -> Iterator[str]:
    """A version in a line, and its buckets below where they are wanted."""
    result = found.result
    figures = [] if result.mean is None else [f"{result.mean:.4f}", pluralize(result.n, "item")]
    figures += [f"{name} {value:.6g}" for name, value in sorted(result.metrics.items())]
    figures += [f"{pluralize(result.ties, 'tie')} count half"] if result.ties else []
    figures += ["known" if found.was_known else f"{result.seconds:.1f} s"]
    yield f"{found.choice.name}  {found.version.title}  {', '.join(figures)}"
    if with_buckets or by:
        keep = name_matcher(by) if by else lambda _: True
        for name, (n, mean) in result.buckets.items():
            if keep(name):
                yield f"  {_shorten_bucket(name):{_MOST_NAME}}  {mean:.4f}  {n:,}"


def render_comparison(found: VersionComparison, by: Sequence[str] = ()) -> Iterator[str]:
    """Two versions as a table, led by what is worse beyond chance, and the gates."""
    compared, settings = found.compared, found.compared.settings
    versions = f"{found.before.version.title} -> {found.after.version.title}"
    yield f"{found.after.choice.name}: {versions}"
    yield from _describe_items(found)
    rows = _choose_rows(compared, by)
    worse, better = (sum(row.verdict == side for row in compared.buckets) for side in (-1, 1))
    if compared.buckets:
        of = pluralize(len(compared.buckets), "bucket")
        yield f"{worse} worse and {better} better of {of}, beyond chance (Holm, {settings.alpha:g})"
    table = [_TITLES, *(_row_cells(row) for row in (*rows, compared.overall) if row.n)]
    if len(table) > 1:
        yield from align_table(table)
    for name, values in compared.metrics.items():
        before, after = ("-" if value is None else f"{value:.6g}" for value in values)
        yield f"{name}: {before} -> {after}"
    for gate in found.gates:
        yield f"gate {'holds' if gate.passed else 'FAILS'}: {gate.gate.text}: {gate.reason}"


def _choose_rows(compared: ScoreComparison, by: Sequence[str]) -> list[BucketRow]:
    """The buckets that any of these globs matches; all for none."""
    return [row for row in compared.buckets if not by or name_matcher(by)(row.bucket)]


def _describe_items(found: VersionComparison) -> Iterator[str]:
    compared = found.compared
    test = "sign test" if compared.test == "sign" else "paired permutation test"
    if compared.overall.n:
        yield f"{pluralize(compared.overall.n, 'item')} on both sides, {test}"
    for count, side in ((compared.only_before, "before"), (compared.only_after, "after")):
        if count:
            yield f"{pluralize(count, 'item')} {side} alone: in no figure below"
    if any(compared.ties):
        yield f"ties count half: {compared.ties[0]:,} before, {compared.ties[1]:,} after"


def _row_cells(row: BucketRow) -> tuple[str, ...]:
    name = _shorten_bucket(row.bucket) if row.bucket else "all items"
    return (
        f"{_MARKS[row.verdict]} {name}", f"{row.n:,}", f"{row.before:.4f}", f"{row.after:.4f}", f"{row.change:+.4f}",
        f"{row.lost:,}", f"{row.won:,}", format_p(row.adjusted),
    )  # fmt: skip


def format_p(value: float | None) -> str:
    """A p as people read it."""
    if value is None:
        return "-"
    return f"<{_SMALLEST_P:.4f}" if value < _SMALLEST_P else f"{value:.4f}"


def _shorten_bucket(name: str) -> str:
    shown = escape_unprintable(name)
    return shown if len(shown) <= _MOST_NAME else f"{shown[: _MOST_NAME - 3]}..."


def render_choice(choice: EvaluationChoice) -> Iterator[str]:
    """An evaluation of ``--list``."""
    definition = choice.definition
    yield f"{choice.name}  {choice.permission.value}"
    yield f"  for    {', '.join(definition.checkpoints) or 'every checkpoint'}"
    if definition.runs_something:
        yield f"  runs   {describe_program(definition)}"
    for gate in definition.gates:
        yield f"  gate   {gate.text}"
    if not choice.permission.may_run:
        yield f"  to do  {describe_permission_way(choice).splitlines()[-1]}"


def write_page(file: Path, found: Sequence[VersionComparison], by: Sequence[str]) -> None:
    """Write the comparisons as a page, with the buckets that ``by`` matches; all for none."""
    from git_theta.operations.comparing.score_page import ScoreSection, render_score_page
    from git_theta.vcs import atomic

    sections = [
        ScoreSection(
            one.after.choice.name,
            one.before.version.title,
            one.after.version.title,
            one.compared,
            one.gates,
            _choose_rows(one.compared, by),
        )
        for one in found
    ]
    atomic.replace_file(file, render_score_page(sections).encode())
