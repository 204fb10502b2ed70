"""What a search is about: the heads, the checkpoint that they contest, and the strategies that fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import PluginError, UsageError
from git_theta.evaluation.definitions import EvaluationDefinition
from git_theta.evaluation.searching.search_space import SearchedOption, StrategySpace
from git_theta.merging.base import Strategy
from git_theta.merging.catalogue import load_strategy, strategy_names
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.merge_results import MergeSettings
from git_theta.repository.evaluating.meant_checkpoints import is_meant_path
from git_theta.repository.history.checkpoint_lookup import path_from_top
from git_theta.repository.merging.merge_cases import find_cases
from git_theta.repository.merging.merge_request import MergeInputs, MergeRequest, gather_inputs
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.repository.merging.request_checks import check_request
from git_theta.vcs.discovery import Repository
from git_theta.words import suggest_names

OVER_WEIGHTS = "weights"
"""What ``--over`` calls the weights of heads, beside names of options."""
_SOUP = "weighted"
"""The strategy of a greedy soup."""


class SearchRequest(NamedTuple):
    """What a person asks for.

    Attributes:
        heads: revisions; HEAD is merged too, unless it is in their history.
        path: of the checkpoint, relative to the current folder; None for the only one that is contested.
        strategies: names; none for all that compute.
        over: names of options, and "weights"; none for the first option of each strategy, lambda where it has that, and
            weights.
        base: a revision to measure changes from; None for the merge base.
        settings: seed and device of merges.
        greedy: whether heads are added to a soup one by one, and nothing else is searched.
    """

    heads: tuple[str, ...]
    path: str | None = None
    strategies: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    base: str | None = None
    settings: MergeSettings = MergeSettings()
    greedy: bool = False


class SearchPlan(NamedTuple):
    """What is searched.

    Attributes:
        item: how the checkpoint is merged.
        made: the heads and the base.
        settings: seed and device of merges.
        spaces: the strategies that fit, in the order of trying.
        over_weights: whether the weights of heads are searched.
        is_greedy: whether this is about a soup.
        unfit: strategies that do not fit, and why.
    """

    item: FilePlan
    made: MergeInputs
    settings: MergeSettings
    spaces: tuple[StrategySpace, ...]
    over_weights: bool
    is_greedy: bool
    unfit: tuple[tuple[str, str], ...] = ()


def plan_search(
    request: SearchRequest,
    definition: EvaluationDefinition,
    repository: Repository,
    top: Path,
    warn: Callable[[str], None],
) -> SearchPlan:
    """What a request is about. The one plan of the merge, for all candidates.

    Raises UsageError for one head, for heads that contest nothing, or more than one checkpoint, and where no strategy
    fits, or has an option that is to be searched.
    """
    asked = MergeRequest(request.heads, MergeOptions(settings=request.settings), request.base)
    made = gather_inputs(asked, top)
    if len(made.heads) < 2:
        raise UsageError(
            f"there is one head, {made.heads[0].name}: nothing to merge it with",
            hint="Name others, that are not in its history: git theta search BRANCH...",
        )
    item = _find_contested(request, find_cases(made, repository, warn), definition)
    unfit: list[tuple[str, str]] = []
    strategies = _load_strategies(request, unfit)
    fitting = [one for one in strategies if _is_fitting(one, item, asked, made, top, unfit)]
    if not fitting:
        raise UsageError("no strategy fits: " + "; ".join(f"{name}: {reason}" for name, reason in unfit))
    _require_searchable(request.over, fitting)
    spaces = [_describe_space(strategy, request.over) for strategy in fitting]
    over_weights = not request.greedy and (not request.over or OVER_WEIGHTS in request.over)
    return SearchPlan(item, made, request.settings, tuple(spaces), over_weights, request.greedy, tuple(unfit))


def _load_strategies(request: SearchRequest, unfit: list[tuple[str, str]]) -> list[Strategy]:
    """Those that are asked for; else all that compute: of others, that take a side, there is nothing to search.

    Raises UsageError for a name that is none, PluginError for one that does not load.
    """
    if request.greedy or request.strategies:
        return [load_strategy(name) for name in ((_SOUP,) if request.greedy else request.strategies)]
    found = []
    for name in strategy_names():
        try:
            found.append(load_strategy(name))
        except PluginError as error:
            unfit.append((name, error.message))
    return [strategy for strategy in found if strategy.numeric]


def _is_fitting(
    strategy: Strategy,
    item: FilePlan,
    asked: MergeRequest,
    made: MergeInputs,
    top: Path,
    unfit: list[tuple[str, str]],
) -> bool:
    """Whether a strategy takes these heads; why not is added to ``unfit``."""
    try:
        check_request([item], asked._replace(asked=asked.asked._replace(strategy=strategy.name)), made, top)
    except UsageError as error:
        unfit.append((strategy.name, error.message.removeprefix(f"{asked.asked.origins[0]}: ")))
        return False
    return True


def _find_contested(request: SearchRequest, found: Sequence[FilePlan], definition: EvaluationDefinition) -> FilePlan:
    contested = [item for item in found if item.plan and not item.plan.whole and item.plan.contested]
    if request.path is not None:
        path = path_from_top(request.path)
        contested = [item for item in contested if item.path == path or path in item.paths]
    elif len(contested) > 1:
        contested = [item for item in contested if is_meant_path(definition, item.path)] or contested
    if not contested:
        where = f" of {request.path}" if request.path is not None else ""
        raise UsageError(
            f"these heads contest no parameter{where}: there is nothing to search for",
            hint="What a merge would do: git theta merge --plan HEAD...",
        )
    if len(contested) > 1:
        names = ", ".join(item.path for item in contested)
        raise UsageError(f"these heads contest {names}: a search is about one", hint="Name it last, behind --.")
    if not is_meant_path(definition, contested[0].path):
        raise UsageError(
            f"the evaluation {definition.name} is for {', '.join(definition.checkpoints)}, and not for this",
            hint="Choose another: --eval NAME",
            path=contested[0].path,
        )
    return contested[0]


def _require_searchable(over: Sequence[str], strategies: Sequence[Strategy]) -> None:
    known = {option.name for strategy in strategies for option in strategy.options if option.range}
    known |= {OVER_WEIGHTS} if any(strategy.takes_weights for strategy in strategies) else set()
    for name in over:
        if name not in known:
            raise UsageError(
                f"{name} is nothing of these strategies that can be searched over",
                hint=suggest_names(name, sorted(known)),
            )


def _describe_space(strategy: Strategy, over: Sequence[str]) -> StrategySpace:
    options = {
        option.name: SearchedOption(option.name, float(option.default), *option.range, option.scale)
        for option in strategy.options
        if option.range
    }
    leading = ["lambda"] if "lambda" in options else list(options)[:1]
    names = [name for name in over if name in options] if over else leading
    return StrategySpace(strategy.name, tuple([options[name] for name in names]), strategy.takes_weights)
