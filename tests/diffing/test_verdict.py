"""What a change looks like as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from git_theta.diffing.base import MeasuredChange, Report
from git_theta.diffing.modules import relative_of
from git_theta.diffing.verdict import ChangeKind, Look, judge_report, kind_of
from tests.diffing.render.sample_reports import (
    added,
    changed,
    encoder,
    measures,
    removed,
    renamed,
    report,
    respecified,
    unchanged,
)


def adapter() -> list[MeasuredChange]:
    """Low rank wherever anything changed."""
    return [changed(f"layers.{layer}.q.weight", rank=8, rank_limit=32) for layer in range(4)]


NAN = changed("b.weight", nonfinite_after=(3, 0))
WORSE = changed("a.weight", nonfinite_before=(3, 0), nonfinite_after=(3, 1))
LOOKS: list[tuple[Look, Sequence[MeasuredChange], str]] = [
    (Look.UNCHANGED, [unchanged("a")], "no parameter changed"),
    (Look.RENAMED, [renamed("a", "b"), unchanged("c")], "other names"),
    (Look.CREATED, [added("a"), added("b")], "new checkpoint"),
    (Look.DELETED, [removed("a"), removed("b")], "removed"),
    (Look.BROKEN, [*encoder(2), NAN], "1 parameter"),
    (Look.BROKEN, [WORSE], "1 parameter"),
    (Look.ONE, [changed("a"), unchanged("b")], "one parameter"),
    (Look.CONVERTED, [respecified(name, ("F32", (4, 4)), ("BF16", (4, 4))) for name in "ab"], "2 parameters"),
    (Look.STRUCTURE, [unchanged("a"), added("b"), removed("c")], "added, removed or reshaped"),
    (Look.STRUCTURE, [unchanged("a"), respecified("b", ("F32", (4, 4)), ("F32", (5, 4)))], "reshaped"),
    (Look.ADAPTER, [*adapter(), unchanged("norm.weight")], "4 changes of rank ~8"),
    (Look.SPARSE, [changed(name, differing=1500) for name in "ab"], "1.02% of the elements"),
    (Look.RETRAINED, [changed(name, relative=1.4, cosine=0.01) for name in "ab"], "cosine near 0"),
    (Look.FINE_TUNE, encoder(4), "34 of 34 floating-point parameters"),
    (Look.FINE_TUNE, [changed(name, relative=1e-7) for name in "ab"], "moved a little (less than 0.01% together)"),
    (Look.PARTIAL, [*encoder(1), *(unchanged(f"x.{n}") for n in range(5))], "10 of 15"),
    (Look.MIXED, [changed("a", relative=0.9, cosine=0.5), changed("b")], "no way that one word fits"),
]


@pytest.mark.parametrize(("look", "rows", "words"), LOOKS, ids=[f"{look}" for look, _, _ in LOOKS])
def test_a_change_looks_like(look: Look, rows: Sequence[MeasuredChange], words: str) -> None:
    found = judge_report(report(rows))
    assert (found.look, words in found.text) == (look, True), found


def test_every_look_is_seen_above_or_below() -> None:
    assert {look for look, _, _ in LOOKS} | {Look.REST, Look.WHOLE, Look.UNKNOWN} == set(Look)


def test_metadata_alone() -> None:
    assert judge_report(report([unchanged("a")], rest=True)).look is Look.REST


def test_names_alone_tell_nothing_of_values() -> None:
    assert judge_report(report([row._replace(measures=None) for row in encoder(2)])).look is Look.UNKNOWN


def test_a_nan_that_was_there_before_breaks_nothing() -> None:
    row = changed("a", nonfinite_before=(3, 0), nonfinite_after=(3, 0))
    assert judge_report(report([row, changed("b")])).look is Look.FINE_TUNE


def test_a_few_rows_of_an_embedding_are_sparse_though_their_rank_is_low() -> None:
    rows = [changed(name, differing=1500, rank=4, rank_limit=32) for name in "ab"]
    assert judge_report(report(rows)).look is Look.SPARSE


def test_a_rank_as_high_as_the_shape_allows_is_no_adapter() -> None:
    assert kind_of(changed("a", (16, 384), rank=12, rank_limit=32)) is ChangeKind.DENSE
    assert kind_of(changed("a", (384, 384), rank=12, rank_limit=32)) is ChangeKind.LOW_RANK


def test_it_says_when_it_saw_only_a_part() -> None:
    whole = report(encoder(2))
    assert judge_report(whole._replace(rows=whole.rows[:5], limited=13)).text.startswith("of what is shown: ")


def test_it_says_what_could_not_be_read() -> None:
    rows: list[MeasuredChange] = [*encoder(2), changed("bad")._replace(measures=None, failure="its object is missing")]
    assert judge_report(report(rows)).text.endswith("; 1 could not be measured")


def test_changes_of_several_parameters_add_up_as_one_vector() -> None:
    rows = [changed("a", norm=3.0, norm_before=30.0), changed("b", norm=4.0, norm_before=40.0)]
    assert relative_of(rows) == pytest.approx(0.1, rel=1e-15)
    assert relative_of([MeasuredChange(rows[0].change, measures(norm=1e200, norm_before=1e200))]) == 1
    empty: Report = report([])
    assert relative_of(empty.rows) is None
