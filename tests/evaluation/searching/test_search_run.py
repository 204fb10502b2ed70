"""A search gone through with an evaluator that is a function: its budget, its failures, and its journal."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import ItemScore
from git_theta.evaluation.searching.journal_lines import AskedScores, JournalEntry, encode_entry, parse_entry
from git_theta.evaluation.searching.merge_candidate import MergeCandidate
from git_theta.evaluation.searching.sampling import list_defaults, sample_candidates
from git_theta.evaluation.searching.search_outcome import SearchOutcome, SearchSettings
from git_theta.evaluation.searching.search_run import KnownScores, SearchRun
from git_theta.evaluation.searching.search_space import SearchedOption, StrategySpace

USUAL = SearchSettings()
ITEMS = [f"q{number}" for number in range(400)]
SPACES = [
    StrategySpace(name, (SearchedOption("lambda", 1.0, 0.1, 4.0, "log"),) if name in "ab" else ())
    for name in "abcdefgh"
]


class Record:
    """A journal in memory, in the bytes of a file."""

    def __init__(self, lines: Sequence[bytes] = ()) -> None:
        self.lines, self._at = list(lines), 0

    def replay(self, asked: AskedScores) -> JournalEntry | None:
        if self._at == len(self.lines):
            return None
        self._at += 1
        entry = parse_entry(self.lines[self._at - 1])
        assert entry.asked == asked
        return entry

    def append(self, entry: JournalEntry) -> None:
        self.lines.append(encode_entry(entry))
        self._at += 1


def score(candidate: MergeCandidate, item: str) -> float:
    """0 or 1, by chance; the more often 1, the earlier the strategy, and the nearer lambda is to .5."""
    value = dict(candidate.options).get("lambda", 1.0)
    quality = 0.9 - 0.08 * "abcdefgh".index(candidate.strategy) - 0.1 * abs(value - 0.5)
    return float(random.Random(f"{candidate.strategy} {value} {item}").random() < quality)


def evaluate(asked: AskedScores, items: Sequence[str] | None, known: KnownScores) -> JournalEntry:
    scores = tuple([ItemScore(item, score(asked.candidate, item)) for item in items or ITEMS])
    return JournalEntry(asked, asked.candidate.describe(), scores, cost=1)


def run(
    record: Record,
    settings: SearchSettings = USUAL,
    with_: Callable[[AskedScores, Sequence[str] | None, KnownScores], JournalEntry] = evaluate,
) -> SearchOutcome:
    return SearchRun(settings, with_, record).run(list_defaults(SPACES), sample_candidates(SPACES, None))


def test_the_best_is_found_for_less_than_all_of_its_items() -> None:
    record = Record()
    found = run(record)
    assert found.best.candidate.strategy == "a"
    assert found.best.n == 200
    assert found.items == (200, 200)
    assert not found.cut_short
    assert {one.n for one in found.tried} == {64, 128, 200}
    assert found.spent < len(found.tried)
    assert found.runs == len([line for line in record.lines if b'"held out"' not in line]) + 1


def test_what_is_held_out_is_scored_at_the_end_and_for_two_candidates_alone() -> None:
    asked: list[tuple[AskedScores, tuple[str, ...]]] = []

    def note(one: AskedScores, items: Sequence[str] | None, known: KnownScores) -> JournalEntry:
        asked.append((one, tuple(items or ())))
        return evaluate(one, items, known)

    found = run(Record(), with_=note)
    searched = {item for one, items in asked if one.part == "searched" for item in items}
    held = [(one, items) for one, items in asked if one.part == "held out"]
    assert [one.candidate for one, _ in held] == [found.best.candidate]  # the start was scored on all
    assert asked[-1] == held[-1]
    assert searched.isdisjoint(held[0][1])
    assert found.gain and found.gain.n == 200
    interval = found.gain.interval
    assert interval and interval[0] < found.gain.change < interval[1]


@pytest.mark.parametrize("kept", [1, 2, 5, 9, 17])
def test_a_journal_leads_to_where_the_search_stood(kept: int) -> None:
    whole = Record()
    expected = run(whole)
    live: list[AskedScores] = []

    def note(one: AskedScores, items: Sequence[str] | None, known: KnownScores) -> JournalEntry:
        live.append(one)
        return evaluate(one, items, known)

    again = Record(whole.lines[:kept])
    assert run(again, with_=note) == expected
    assert again.lines == whole.lines
    assert len(live) == len(whole.lines) - kept


@pytest.mark.parametrize("budget", [1, 2, 5])
def test_a_budget_is_kept(budget: int) -> None:
    found = run(Record(), SearchSettings(budget=budget))
    assert found.cut_short
    assert budget - 1 < found.spent <= budget + 1e-6


def test_a_lower_score_may_be_better() -> None:
    found = run(Record(), SearchSettings(direction="down"))
    assert found.best.score == min(one.score for one in found.tried if one.n == 200)
    assert found.best.candidate.strategy != "a"


def test_what_fails_is_tried_twice_and_given_up() -> None:
    asked: list[MergeCandidate] = []

    def fail(one: AskedScores, items: Sequence[str] | None, known: KnownScores) -> JournalEntry:
        asked.append(one.candidate)
        if one.candidate.strategy == "a":
            return JournalEntry(one, cost=1, failed="evaluating", error="exited 3")
        if one.candidate.strategy == "b":
            return JournalEntry(one, failed="building", error="stays contested")
        return evaluate(one, items, known)

    record = Record()
    found = run(record, with_=fail)
    assert [one.strategy for one in asked[:4]] == ["a", "a", "b", "c"]
    assert [one.strategy for one in asked].count("a") == 2
    assert found.failures == ((MergeCandidate("a"), "exited 3"), (MergeCandidate("b"), "stays contested"))
    assert found.start.candidate == MergeCandidate("c")
    assert run(Record(record.lines), with_=fail) == found


def test_an_evaluator_that_always_fails_is_given_up() -> None:
    def fail(one: AskedScores, items: Sequence[str] | None, known: KnownScores) -> JournalEntry:
        return JournalEntry(one, cost=1, failed="evaluating", error="exited 3")

    record = Record()
    with pytest.raises(EvaluationError, match="exited 3; so did 3 candidates in a row"):
        run(record, with_=fail)
    assert len(record.lines) == 6
    assert run(Record(record.lines)).start.candidate == MergeCandidate("d"), "it goes on once that is mended"


@pytest.mark.parametrize(("budget", "told"), [(1, "a: exited 3"), (4, "a: exited 3; b: exited 3")])
def test_a_budget_that_failures_spend_is_told(budget: int, told: str) -> None:
    def fail(one: AskedScores, items: Sequence[str] | None, known: KnownScores) -> JournalEntry:
        return JournalEntry(one, cost=1, failed="evaluating", error="exited 3")

    with pytest.raises(EvaluationError, match=f"no candidate can be evaluated: {told}$") as caught:
        run(Record(), SearchSettings(budget=budget), fail)
    assert "--budget" in caught.value.hint


def test_heads_that_cannot_be_merged_at_all_are_told() -> None:
    def fail(one: AskedScores, items: Sequence[str] | None, known: KnownScores) -> JournalEntry:
        return JournalEntry(one, failed="building", error="stays contested: w")

    with pytest.raises(EvaluationError, match="no candidate can be evaluated: a: stays contested: w; b"):
        run(Record(), with_=fail)


def test_the_same_contents_are_known() -> None:
    seen: list[int] = []

    def share(one: AskedScores, items: Sequence[str] | None, known: KnownScores) -> JournalEntry:
        seen.append(len(known("same")))
        return evaluate(one._replace(candidate=MergeCandidate("a")), items, known)._replace(asked=one, identity="same")

    run(Record(), SearchSettings(budget=3), share)
    assert seen[0] == 0 and seen[1] == len(ITEMS)


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"candidate": 1}', encode_entry(evaluate(
    AskedScores(MergeCandidate("a"), "searched", 0, 2), ["x", "y"], lambda _: {}
))[:-20]])  # fmt: skip
def test_what_is_no_line_is_refused(line: bytes) -> None:
    with pytest.raises(EvaluationError):
        parse_entry(line)
