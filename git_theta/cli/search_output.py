"""How ``git theta search`` says what it does, and what it found."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from git_theta.cli.eval_output import format_p
from git_theta.evaluation.running import weigh_mean
from git_theta.evaluation.searching.journal_lines import JournalEntry
from git_theta.evaluation.searching.merge_candidate import MergeCandidate, candidate_json
from git_theta.evaluation.searching.search_outcome import ScoredCandidate, SearchOutcome
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice
from git_theta.repository.evaluating.merge_search import SearchResult
from git_theta.repository.evaluating.search_plan import SearchPlan
from git_theta.words import pluralize

_MOST_FAILURES_SHOWN = 5


class RunLines:
    """A line for every evaluation that is made now.

    Args:
        say: says a line.
        heads: what they are called.
    """

    def __init__(self, say: Callable[[str], object], heads: Sequence[str]) -> None:
        self._say, self._heads = say, heads

    def __call__(self, entry: JournalEntry) -> None:
        """Tell of one."""
        asked, name = entry.asked, entry.asked.candidate.describe(self._heads)
        if entry.scores is None:
            self._say(f"{name}: {entry.failed} failed: {entry.error}")
            return
        on = "held-out items" if asked.part == "held out" else pluralize(len(entry.scores), "item")
        known = "" if entry.cost else ", known: the same as before"
        self._say(f"{name}: {weigh_mean(entry.scores):.4f} on {on}{known}")


def render_result(
    found: SearchResult, plan: SearchPlan, choice: EvaluationChoice, words: Sequence[str]
) -> Iterator[str]:
    """What a search found, in lines."""
    outcome = found.outcome
    searched, held = outcome.items
    yield f"{plan.item.path}: {pluralize(len(outcome.tried), 'candidate')} by {choice.name}, {_describe_spent(outcome)}"
    yield f"{pluralize(searched, 'item')} searched, {held:,} held out"
    names = [head.name for head in plan.made.heads]
    for title, scored in (("start", outcome.start), ("best ", outcome.best)):
        yield f"{title}  {scored.score:.4f}  {scored.candidate.describe(names)}"
    yield _describe_gain(outcome, 1 if choice.definition.direction == "up" else -1)
    for candidate, reason in outcome.failures[:_MOST_FAILURES_SHOWN]:
        yield f"not scored: {candidate.describe(names)}: {reason}"
    if len(outcome.failures) > _MOST_FAILURES_SHOWN:
        yield f"not scored: {len(outcome.failures) - _MOST_FAILURES_SHOWN} more, in the journal"
    if outcome.cut_short:
        untried = _list_untried(outcome, plan)
        yield f"not tried: {', '.join(untried)}" if untried else "the search was not through"
        yield "the budget ended it: go on with --resume and a larger --budget"
    yield f"journal: {os.path.relpath(found.journal)}"
    if words:
        yield f"merge so: {shlex.join(words)}"


def _describe_spent(outcome: SearchOutcome) -> str:
    runs = pluralize(outcome.runs, "run")
    return f"{runs} that count for {outcome.spent:.4g} evaluations, {outcome.seconds:.1f} s"


def _describe_gain(outcome: SearchOutcome, sign: int) -> str:
    """How much better the best is than the start; ``sign``: -1 where a lower score is better."""
    gain = outcome.gain
    if outcome.start.candidate == outcome.best.candidate:
        scored = " of what was scored on all searched items" if outcome.cut_short else ""  # some had to wait for that
        return f"gain: none, nothing{scored} was better than the start"
    if gain is None:
        reason = "none were held out" if not outcome.items[1] else "one of both could not be evaluated there"
        return f"gain: not measured on items that the search did not see: {reason}"
    low, high = sorted(sign * end for end in gain.interval or (0.0, 0.0))
    interval = f" (95 %: {low:+.4f} to {high:+.4f})" if gain.interval else ""
    where = f"{pluralize(gain.n, 'item')} that the search never saw"
    return f"gain: {sign * gain.change:+.4f}{interval}, p {format_p(gain.p)}, on {where}"


def _list_untried(outcome: SearchOutcome, plan: SearchPlan) -> list[str]:
    """Strategies that the budget did not reach as they are."""
    reached = {one.candidate for one in outcome.tried} | {candidate for candidate, _ in outcome.failures}
    return [space.strategy for space in plan.spaces if MergeCandidate(space.strategy) not in reached]


def result_json(
    found: SearchResult, plan: SearchPlan, choice: EvaluationChoice, words: Sequence[str]
) -> dict[str, Any]:
    """The same for programs."""
    outcome = found.outcome
    return {
        "path": plan.item.path,
        "evaluation": choice.name,
        "direction": choice.definition.direction,
        "heads": [head._asdict() for head in plan.made.heads],
        "base": plan.made.base and plan.made.base._asdict(),
        "journal": os.fspath(found.journal),
        "start": _scored_json(outcome.start),
        "best": _scored_json(outcome.best),
        "gain": outcome.gain and {**outcome.gain._asdict(), "change": outcome.gain.change},
        "items": {"searched": outcome.items[0], "held_out": outcome.items[1]},
        "spent": {"evaluations": outcome.spent, "runs": outcome.runs, "seconds": outcome.seconds},
        "cut_short": outcome.cut_short,
        "untried": _list_untried(outcome, plan),
        "tried": list(map(_scored_json, outcome.tried)),
        "failures": [{**candidate_json(one), "reason": reason} for one, reason in outcome.failures],
        "unfit": [{"strategy": name, "reason": reason} for name, reason in plan.unfit],
        "command": list(words),
        "merge": None,
    }


def _scored_json(scored: ScoredCandidate) -> dict[str, Any]:
    return {**candidate_json(scored.candidate), "score": scored.score, "n": scored.n}
