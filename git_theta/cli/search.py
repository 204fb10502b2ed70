"""``git theta search``: the settings of a merge, found with the user's own evaluator."""

from __future__ import annotations

import os
import sys
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary
from git_theta.cli.cluster_option import on_option
from git_theta.cli.eval_session import open_session
from git_theta.cli.listing import echo_json, echo_line, json_option, require_worktree
from git_theta.cli.merge_ending import Ending
from git_theta.cli.merge_session import merge_as_asked
from git_theta.cli.progress import Meter
from git_theta.cli.revision_arguments import RevisionCommand, split_known
from git_theta.cli.search_output import RunLines, render_result, result_json
from git_theta.errors import UsageError
from git_theta.evaluation.searching.merge_candidate import MergeCandidate
from git_theta.evaluation.searching.search_outcome import SearchSettings
from git_theta.evaluation.searching.weight_evolution import can_evolve
from git_theta.merging.devices import CPU, device
from git_theta.operations.merging.merge_results import MergeSettings
from git_theta.repository.clustering.clusters import reach_cluster, require_address
from git_theta.repository.evaluating.evaluations import EvaluationSettings
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice, choose_evaluations
from git_theta.repository.evaluating.merge_search import SearchResult, SearchTools, run_search
from git_theta.repository.evaluating.search_plan import SearchPlan, SearchRequest, plan_search
from git_theta.repository.merging.merge_request import MergeInputs, MergeRequest
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import resolve_head
from git_theta.vcs.merges import git_merge
from git_theta.words import join_some

_LARGEST_HOLDOUT = 0.9


class SearchOrders(NamedTuple):
    """What a person wants of a search, beyond what it is about.

    ``cluster``: the address of a scheduler whose workers compute candidates; "" for the cores of this machine.
    """

    settings: SearchSettings
    resume: bool
    commit: bool
    as_json: bool
    cluster: str


@click.command("search", cls=RevisionCommand)
@click.argument("words", nargs=-1, metavar="HEAD... [--] [PATH]")
@click.option("-s", "--strategy", "strategies", metavar="STRATEGY,...", help="Among these; without it all that fit.")
@click.option("--eval", "evaluation", metavar="NAME", help="By this evaluation; without it the only one.")
@click.option("--over", metavar="WORD,...", help="Options to search, and weights; by default lambda and weights.")
@click.option(
    "--budget", type=click.IntRange(1), default=50, metavar="N", help="Evaluations of all searched items (default 50)."
)
@click.option("--seed", type=click.IntRange(0), default=0, metavar="SEED", help="Of all that is drawn (default 0).")
@click.option("--items-per-step", type=click.IntRange(1), metavar="N", help="Items that all are compared on at first.")
@click.option(
    "--holdout", type=click.FloatRange(0, _LARGEST_HOLDOUT), default=0.5, metavar="VALUE",
    help="Of the items, which the search never sees (default 0.5).",
)  # fmt: skip
@click.option("--base", metavar="REV", help="What changes are measured from, in place of the merge base.")
@click.option(
    "--device", "chosen_device", default=CPU, metavar="DEVICE", help="cpu (the default), cuda, cuda:N or auto."
)
@on_option
@click.option("--greedy", is_flag=True, help="Average heads, from the best on, as long as each helps.")
@click.option("--resume", is_flag=True, help="Go on with what was begun before.")
@click.option("--commit", is_flag=True, help="Merge with the best settings, as git theta merge does.")
@json_option
def command(
    words: tuple[str, ...], strategies: str | None, evaluation: str | None, over: str | None, budget: int, seed: int,
    items_per_step: int | None, holdout: float, base: str | None, chosen_device: str, cluster: str, greedy: bool,
    resume: bool, commit: bool, as_json: bool,
) -> int:  # fmt: skip
    """Search for the strategy and settings that merge heads best, by an evaluation.

    Strategies are tried as they are first, then an option of the best three, then weights of heads. Candidates are
    built in a temporary folder; nothing is merged without --commit. The gain is told on items that the search never
    saw.
    """
    os.environ.setdefault(*UNTHREADED)
    heads, paths = split_known(words)
    if len(paths) > 1 or not heads:
        raise UsageError("a search is about heads, and one checkpoint", hint="git theta search BRANCH... [-- PATH]")
    if greedy and (strategies or over):
        raise UsageError("--greedy averages, and searches nothing else", hint="Leave -s and --over out.")
    request = SearchRequest(
        tuple(heads), paths[0] if paths else None, _split_names(strategies), _split_names(over), base,
        MergeSettings(None, seed, device(chosen_device)), greedy,
    )  # fmt: skip
    settings = SearchSettings("up", budget, seed, items_per_step or 0, holdout)
    return _search(request, evaluation, SearchOrders(settings, resume, commit, as_json, require_address(cluster)))


def _split_names(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


def _search(request: SearchRequest, evaluation: str | None, orders: SearchOrders) -> int:
    repository, top = require_worktree()
    if orders.commit:
        git_merge.require_clean_index(repository)
    choice = _choose_evaluation(repository, evaluation)
    plan = plan_search(request, choice.definition, repository, top, boundary.warn)
    for name, reason in plan.unfit:
        boundary.say(f"{name} does not fit: {reason}")
    if plan.over_weights and not can_evolve():
        boundary.warn(
            "weights are not searched: that takes cma, which is not installed",
            hint=f"Install it there: {sys.executable} -m pip install 'git-theta[search]'",
        )
    found = _run(plan, choice, repository, orders)
    words = _list_merge_words(found.outcome.best.candidate, request)
    data = result_json(found, plan, choice, words)
    if not orders.as_json:
        for line in render_result(found, plan, choice, words):
            echo_line(line)
    code = _commit(found.outcome.best.candidate, request, plan, orders, data) if orders.commit else 0
    if orders.as_json:
        echo_json(data)
    return code


def _choose_evaluation(repository: Repository, name: str | None) -> EvaluationChoice:
    found = choose_evaluations(repository, [name] if name else [])
    if len(found) > 1:
        raise UsageError(
            f"there are {len(found)} evaluations: {', '.join(one.name for one in found)}",
            hint="Choose one: --eval NAME",
        )
    return found[0]


def _run(plan: SearchPlan, choice: EvaluationChoice, repository: Repository, orders: SearchOrders) -> SearchResult:
    lines = RunLines(boundary.say, [head.name for head in plan.made.heads])
    try:
        with (
            open_session(repository, EvaluationSettings(), Meter()) as (session, opened),
            reach_cluster(orders.cluster, repository, opened) as context,
        ):
            tools = SearchTools(repository, context, session, lines)
            return run_search(plan, orders.settings, choice, tools, resume=orders.resume)
    except KeyboardInterrupt:
        boundary.say_hint("What was evaluated is kept. Go on: the same, with --resume")
        raise


def _require_unmoved(made: MergeInputs) -> None:
    """Raise UsageError where a name is another commit by now: a search takes hours, and found nothing about that."""
    named = [*made.heads, *([made.base] if made.base else [])]
    if moved := [one.name for one in named if resolve_head(one.name).commit != one.commit]:
        raise UsageError(
            f"{join_some(moved)} moved while the search ran: nothing was merged",
            hint="Search again, or merge what was searched by the ids of its commits: git reflog tells them.",
        )


def _list_merge_words(best: MergeCandidate, request: SearchRequest) -> list[str]:
    """The command that merges so; none for a head alone."""
    if best.head is not None:
        return []
    seed, on = request.settings.seed, request.settings.device
    words = ["git", "theta", "merge", *best.list_arguments()]
    words += ["--base", request.base] if request.base else []
    words += ["--seed", str(seed)] if seed else []
    words += ["--device", on] if on != CPU else []
    return [*words, *request.heads]


def _commit(
    best: MergeCandidate, request: SearchRequest, plan: SearchPlan, orders: SearchOrders, data: dict[str, Any]
) -> int:
    """Merge with the best settings, by the door of all merges; the exit code."""
    if best.head is not None:
        boundary.say("no mean is better than one head alone: nothing was merged")
        return 1
    _require_unmoved(plan.made)
    asked = MergeOptions(
        best.strategy, best.spell_options(), settings=request.settings._replace(weights=best.weights),
        cluster=orders.cluster,
    )  # fmt: skip

    def keep_merge(merged: Any) -> None:
        data["merge"] = merged

    ending = Ending(as_json=orders.as_json, print_data=keep_merge)
    return merge_as_asked(MergeRequest(request.heads, asked, request.base), ending)
