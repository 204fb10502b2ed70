"""A search for the settings of a merge: what it is about, its candidates built and evaluated, and what it found."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from git_theta.errors import ConflictError, EvaluationError, UsageError
from git_theta.evaluation.searching.journal_lines import AskedScores, JournalEntry
from git_theta.evaluation.searching.merge_candidate import MergeCandidate
from git_theta.evaluation.searching.sampling import list_defaults, sample_candidates, sample_soups
from git_theta.evaluation.searching.search_outcome import SearchOutcome, SearchSettings
from git_theta.evaluation.searching.search_run import KnownScores, SearchRun
from git_theta.evaluation.searching.weight_evolution import can_evolve, evolve_weights
from git_theta.operations.context import Context
from git_theta.repository.evaluating.candidate_building import BuiltCandidate, CandidateBuilder
from git_theta.repository.evaluating.evaluations import EvaluationSession
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice
from git_theta.repository.evaluating.search_journal import open_journal
from git_theta.repository.evaluating.search_plan import SearchPlan
from git_theta.vcs.discovery import Repository


class SearchResult(NamedTuple):
    """What a search found, and the file of its journal."""

    outcome: SearchOutcome
    journal: Path


class SearchTools(NamedTuple):
    """What a search works with: the repository, a context, a session with evaluators, and who is told of each run."""

    repository: Repository
    context: Context
    session: EvaluationSession
    tell: Callable[[JournalEntry], object]


def run_search(
    plan: SearchPlan, settings: SearchSettings, choice: EvaluationChoice, tools: SearchTools, *, resume: bool
) -> SearchResult:
    """Search. Nothing is merged, and nothing stays but the journal.

    Args:
        plan: of what, and among what.
        settings: how; the direction is that of the evaluation.
        choice: the evaluation.
        tools: what to work with.
        resume: whether a search that was begun before goes on.

    Raises UsageError, EvaluationError, StoreError.
    """
    settings = settings._replace(direction=choice.definition.direction)
    request = _describe_request(plan, settings, choice, tools.session)
    builder = CandidateBuilder(plan.item, plan.made, plan.settings, tools.repository, tools.context)
    evaluate = _CandidateEvaluation(builder, choice, tools.session)
    with open_journal(tools.repository, request, resume=resume) as journal:
        run = SearchRun(settings, evaluate, journal, tools.tell)
        count = len(plan.made.heads)
        if plan.is_greedy:
            alone = [MergeCandidate("", head=number) for number in range(count)]
            return SearchResult(run.run(alone, sample_soups(count)), journal.file)
        evolve = partial(evolve_weights, count, settings.seed) if plan.over_weights and can_evolve() else None
        found = run.run(list_defaults(plan.spaces), sample_candidates(plan.spaces, evolve))
        return SearchResult(found, journal.file)


def _describe_request(
    plan: SearchPlan, settings: SearchSettings, choice: EvaluationChoice, session: EvaluationSession
) -> dict[str, Any]:
    """All that decides where a search goes, but for its budget: with a larger one it goes on."""
    return {
        "checkpoint": plan.item.path,
        "heads": [head.commit for head in plan.made.heads],
        "base": plan.made.base and plan.made.base.commit,
        "strategies": [
            {"name": space.strategy, "options": [option.name for option in space.options]} for space in plan.spaces
        ],
        "weights": plan.over_weights,
        "greedy": plan.is_greedy,
        "evaluation": choice.name,
        "digest": session.digest(choice),
        "direction": settings.direction,
        "seed": settings.seed,
        "items_per_step": settings.items_per_step,
        "holdout": settings.holdout,
    }


class _CandidateEvaluation:
    """Builds candidates, and has them scored."""

    def __init__(self, builder: CandidateBuilder, choice: EvaluationChoice, session: EvaluationSession) -> None:
        self._builder, self._choice, self._session = builder, choice, session

    def __call__(self, asked: AskedScores, items: Sequence[str] | None, known: KnownScores) -> JournalEntry:
        begun = time.monotonic()
        with ExitStack() as opened:
            try:
                candidate = opened.enter_context(self._builder.build(asked.candidate))
            except (ConflictError, UsageError) as error:
                entry = JournalEntry(asked, failed="building", error=str(error))
            else:
                entry = self._score(asked, candidate, items, known)
        return entry._replace(seconds=time.monotonic() - begun)

    def _score(
        self, asked: AskedScores, candidate: BuiltCandidate, items: Sequence[str] | None, known: KnownScores
    ) -> JournalEntry:
        entry = JournalEntry(asked, hashlib.sha256(candidate.identity).hexdigest())
        before = known(entry.identity)
        if items is not None and all(item in before for item in items):
            return entry._replace(scores=tuple([before[item] for item in items]))
        try:
            scores = self._session.score_file(candidate.place, self._choice, items)
        except EvaluationError as error:
            return entry._replace(cost=1, failed="evaluating", error=str(error))
        if not scores.items:
            raise UsageError(
                f"{self._choice.name} scores no items, and a search goes by their mean",
                hint="Have it print a score per item.",
            )
        return entry._replace(cost=1, scores=scores.items)
