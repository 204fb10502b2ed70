"""A search under way: what the sampler asks for is looked up in the journal, or evaluated and written there.

Nothing but the journal decides where it goes: gone through again, it stands where it stood.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import ItemScore
from git_theta.evaluation.comparison import ALPHA, BucketRow, ComparisonSettings, compare_scores
from git_theta.evaluation.running import CheckpointScores, weigh_mean
from git_theta.evaluation.searching.halving import list_steps, score_batch
from git_theta.evaluation.searching.held_items import SplitItems, split_items
from git_theta.evaluation.searching.journal_lines import AskedScores, JournalEntry
from git_theta.evaluation.searching.merge_candidate import MergeCandidate
from git_theta.evaluation.searching.sampling import Sampler
from git_theta.evaluation.searching.search_outcome import ScoredCandidate, SearchOutcome, SearchSettings

_TRIES = 2
"""Times that an evaluation is tried before its candidate is given up."""
MOST_FAILURES = 3
"""Candidates in a row that may fail before the search is given up: then it is not them."""
_ROUNDING = 1e-9
"""Of a budget that is spent in shares."""


KnownScores = Callable[[str], Mapping[str, ItemScore]]
"""By a candidate's identity, the scores of its items that are known: other settings may come to the same bytes."""


class EvaluateCandidate(Protocol):
    """Builds and evaluates a candidate. Its failures are in what it returns; others are raised."""

    def __call__(self, asked: AskedScores, items: Sequence[str] | None, known: KnownScores, /) -> JournalEntry:
        """Score these items, None for all there are. The cost is for the caller to say."""
        ...


class SearchRecord(Protocol):
    """Where evaluations are written, and read again."""

    def replay(self, asked: AskedScores, /) -> JournalEntry | None:
        """What came of the next evaluation, if it was made before. Raises EvaluationError where that was another."""
        ...

    def append(self, entry: JournalEntry, /) -> None:
        """Write an evaluation; it is durable."""
        ...


class _BudgetSpent(Exception):
    """The next evaluation is one too many."""


class SearchRun:
    """A search.

    Args:
        settings: how it is done.
        evaluate: scores candidates.
        record: where that is written.
        tell: told of every evaluation that is made now.
    """

    def __init__(
        self,
        settings: SearchSettings,
        evaluate: EvaluateCandidate,
        record: SearchRecord,
        tell: Callable[[JournalEntry], object] = lambda _: None,
    ) -> None:
        self._settings, self._evaluate, self._record, self._tell = settings, evaluate, record, tell
        self._items = SplitItems((), ())
        self._scores: dict[MergeCandidate, dict[str, ItemScore]] = {}
        self._contents: dict[str, dict[str, ItemScore]] = {}
        self._identities: dict[MergeCandidate, str] = {}
        self._failures: dict[MergeCandidate, str] = {}
        self._in_a_row = self._runs = 0
        self._spent = self._seconds = 0.0

    def run(self, first: Sequence[MergeCandidate], sampler: Sampler) -> SearchOutcome:
        """Go through what a sampler gives, as far as the budget goes.

        ``first``: candidates of which one is evaluated before all others, on all items, so that these are known.

        Raises EvaluationError where none of them, or too many in a row, can be evaluated.
        """
        start = self._score_first(first)
        cut_short = False
        try:
            self._exhaust(sampler)
        except _BudgetSpent:
            cut_short = True
        return self._conclude(start, cut_short=cut_short)

    def _score_first(self, first: Sequence[MergeCandidate]) -> MergeCandidate:
        hint = "Choose other strategies: -s"
        try:
            for candidate in first:
                entry = self._ask(AskedScores(candidate, "all"), None)
                if entry and entry.scores:
                    ids = [item.id for item in entry.scores]
                    self._items = split_items(ids, self._settings.holdout, self._settings.seed)
                    return candidate
        except _BudgetSpent:
            hint = "The budget is spent. Mend the evaluator, or grant more: --budget"
        told = "; ".join(f"{one.describe()}: {why}" for one, why in self._failures.items())
        raise EvaluationError(f"no candidate can be evaluated: {told}", hint=hint)

    def _exhaust(self, sampler: Sampler) -> None:
        steps = list_steps(len(self._items.searched), self._settings.items_per_step)
        batch = next(sampler)
        with suppress(StopIteration):
            while True:
                found = score_batch(batch.candidates, batch.least, steps, self._score, self._identities.__getitem__)
                batch = sampler.send(found)

    def _score(self, candidate: MergeCandidate, count: int) -> float | None:
        """How good a candidate is on the first so many items; the higher, the better."""
        if candidate in self._failures:
            return None
        wanted = self._items.searched[:count]
        known = self._scores.get(candidate, {})
        first = next((at for at, item in enumerate(wanted) if item not in known), count)
        if first < count and not self._ask(AskedScores(candidate, "searched", first, count), wanted[first:]):
            return None
        mean = weigh_mean([self._scores[candidate][item] for item in wanted])
        assert mean is not None
        return mean if self._settings.direction == "up" else -mean

    def _ask(self, asked: AskedScores, items: Sequence[str] | None) -> JournalEntry | None:
        """Have a candidate scored; None where it is given up."""
        for _ in range(_TRIES):
            entry = self._fetch_entry(asked, items)
            self._spent += entry.cost if asked.part != "held out" else 0
            self._seconds += entry.seconds
            self._runs += bool(entry.cost)
            if entry.scores is not None:
                found = {item.id: item for item in entry.scores}
                self._scores.setdefault(asked.candidate, {}).update(found)
                self._contents.setdefault(entry.identity, {}).update(found)
                self._identities[asked.candidate] = entry.identity
                self._failures.pop(asked.candidate, None)
                return entry
            self._failures[asked.candidate] = entry.error  # said, too, where the budget is spent before the next try
            if entry.failed == "building":
                break
        if self._in_a_row >= MOST_FAILURES * _TRIES:
            raise EvaluationError(
                f"{entry.error}; so did {MOST_FAILURES} candidates in a row", hint="Mend the evaluator, then: --resume"
            )
        return None

    def _fetch_entry(self, asked: AskedScores, items: Sequence[str] | None) -> JournalEntry:
        """What came of an evaluation: before, or now."""
        share = len(items) / len(self._items.searched) if items is not None else 1.0
        if asked.part != "held out" and self._spent + share > self._settings.budget + _ROUNDING:
            raise _BudgetSpent
        if entry := self._record.replay(asked):
            return entry
        entry = self._evaluate(asked, items, lambda identity: self._contents.get(identity, {}))
        entry = entry._replace(cost=entry.cost and share)
        self._record.append(entry)
        self._tell(entry)
        self._in_a_row = self._in_a_row + 1 if entry.failed == "evaluating" else 0
        return entry

    def _conclude(self, start: MergeCandidate, *, cut_short: bool) -> SearchOutcome:
        alone = [one for one in self._scores if one.head is not None]
        best = self._find_best(list(self._scores), start)
        start = self._find_best(alone, start)
        gain = self._measure_gain(start, best)
        return SearchOutcome(
            self._summarize(start),
            self._summarize(best),
            gain,
            tuple(map(self._summarize, self._scores)),
            tuple(self._failures.items()),
            (len(self._items.searched), len(self._items.held_out)),
            self._runs,
            self._spent,
            self._seconds,
            cut_short,
        )

    def _find_best(self, candidates: Sequence[MergeCandidate], start: MergeCandidate) -> MergeCandidate:
        """The best that was scored on all items; of equals the first one."""
        total = len(self._items.searched)
        whole = [one for one in candidates if self._summarize(one).n == total]
        sign = 1 if self._settings.direction == "up" else -1
        return max(whole, key=lambda one: sign * self._summarize(one).score, default=start)

    def _summarize(self, candidate: MergeCandidate) -> ScoredCandidate:
        found = [self._scores[candidate][item] for item in self._items.searched if item in self._scores[candidate]]
        return ScoredCandidate(candidate, weigh_mean(found) or 0.0, len(found))

    def _measure_gain(self, start: MergeCandidate, best: MergeCandidate) -> BucketRow | None:
        held = self._items.held_out
        if start == best or not held:
            return None
        sides = []
        for candidate in (start, best):
            known = self._scores[candidate]
            if not all(item in known for item in held) and not self._ask(AskedScores(candidate, "held out"), held):
                return None
            sides.append(CheckpointScores(tuple([self._scores[candidate][item] for item in held]), {}))
        settings = ComparisonSettings(self._settings.direction, ALPHA, self._settings.seed)
        return compare_scores(sides[0], sides[1], settings).overall
