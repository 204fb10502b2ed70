"""``git theta merge``: heads into HEAD, all at once; what two of them contest is left to `git merge` and its driver."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary, report_file
from git_theta.cli.across_files import warn_across
from git_theta.cli.cluster_option import on_option
from git_theta.cli.environment import read_merge_options
from git_theta.cli.eval_json import comparisons_json
from git_theta.cli.gate_questions import GateOptions, ask_gates, read_gates
from git_theta.cli.listing import echo_json, echo_line, json_option, require_worktree
from git_theta.cli.merge_arguments import apply_recipe, parse_weights
from git_theta.cli.merge_plan import print_plan
from git_theta.cli.progress import Meter
from git_theta.cli.push_warning import warn_of_pushes
from git_theta.errors import UsageError
from git_theta.merging.devices import CPU, device
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.merge_report import VERSION, Record
from git_theta.operations.merging.merge_results import MergeSettings
from git_theta.repository.clustering.clusters import require_address
from git_theta.repository.evaluating.version_comparison import VersionComparison
from git_theta.repository.merging.contested_across import ContestedLines, mark_contested, mark_own_merge
from git_theta.repository.merging.merge_cases import find_cases
from git_theta.repository.merging.merge_many import ManyMerged, merge_many
from git_theta.repository.merging.merge_request import MergeInputs, MergeRequest, gather_inputs
from git_theta.repository.merging.merge_two import merge_two
from git_theta.repository.merging.merged_index import mend_indexes
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.repository.merging.request_checks import check_request, describe_idle_rules
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs import config, git_merge
from git_theta.vcs.commits import shallow_boundary
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import all_merge_bases, resolve_head
from git_theta.vcs.merge_sides import MergeSides
from git_theta.vcs.remembered_settings import remembering_settings
from git_theta.vcs.unmerged import unmerged_files
from git_theta.words import list_some, pluralize

_DRIVER = "merge.theta.driver"
_NO_CONFLICTS = """\
Conflicts of more than two heads cannot be left in the index: nothing was changed.
Choose a strategy for all of them (-s average, ties ...; --for), or merge one head after another."""

_TAKE_HINT = "Take all files of the checkpoint from one side: git theta resolve --ours, or --theirs"


class Ending(NamedTuple):
    """What becomes of a merge that was made: the commit's message, whether there is one, where and how it is told.

    ``print_data``: told the result, with ``as_json``.
    """

    message: str | None = None
    commit: bool = True
    report: Path | None = None
    as_json: bool = False
    gates: GateOptions = GateOptions()
    print_data: Callable[[Any], object] = echo_json


@click.command
@click.argument("heads", nargs=-1, metavar="[HEAD]...")
@click.option("-s", "--strategy", default="", metavar="STRATEGY", help="How contested parameters are merged.")
@click.option("-o", "--option", "options", multiple=True, metavar="OPTION=VALUE", help="An option of the strategy.")
@click.option(
    "--for", "rules", multiple=True, metavar="RULE", help="[KIND:]GLOB=STRATEGY[,OPTION=VALUE...] for some parameters."
)
@click.option("--weights", metavar="A,B,...", help="How much each head counts, HEAD first.")
@click.option("--base", metavar="REV", help="What changes are measured from, in place of the merge base.")
@click.option("--device", "chosen_device", default=CPU, metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")
@on_option
@click.option("--seed", type=int, default=0, help="Of strategies that draw at random.")
@click.option(
    "--recipe", "recipe_file", type=click.Path(path_type=Path), metavar="FILE", help="Read a mergekit recipe."
)
@click.option("--no-commit", is_flag=True, help="Stop before the commit.")
@click.option("--no-gate", is_flag=True, help="Commit without asking the gates of .theta/evals.toml.")
@click.option("--against", metavar="REV", help="Hold gates against this version, in place of the best head.")
@click.option("-m", "--message", metavar="MSG", help="The message of the commit.")
@click.option("--plan", "plan_only", is_flag=True, help="Show what would be done, and touch nothing.")
@json_option
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE", help="Tell what was done: FILE.md or FILE.json."
)
@remembering_settings()
def command(
    heads: tuple[str, ...], strategy: str, options: tuple[str, ...], rules: tuple[str, ...], weights: str | None,
    base: str | None, chosen_device: str, cluster: str, seed: int, recipe_file: Path | None, no_commit: bool,
    no_gate: bool, against: str | None, message: str | None,
    plan_only: bool, as_json: bool, report: Path | None,
) -> int:  # fmt: skip
    """Merge heads into what is checked out, checkpoints parameter by parameter.

    Heads are merged at once, into one commit with all of them as parents, and a checkpoint of several shards whole,
    wherever heads keep its parameters. Where anything stays contested, one HEAD is left to `git merge`, which leaves
    conflicts; several change nothing. Exits 1 then.
    """
    os.environ.setdefault(*UNTHREADED)
    if report and plan_only:
        raise UsageError("--plan does nothing to report", hint="Print it as JSON: --plan --json")
    if report:
        report_file.check_report_file(report)
    settings = MergeSettings(parse_weights(weights), seed, CPU if plan_only else device(chosen_device))
    asked = MergeOptions(
        strategy,
        options,
        rules,
        settings,
        measure=bool(report or as_json),
        fallback=read_merge_options().fallback,
        cluster=require_address(cluster),
    )
    request = MergeRequest(heads, asked, base)
    if recipe_file:
        request = apply_recipe(recipe_file, request)
    gates = read_gates(against, ask=not no_gate)
    if not request.heads:
        raise UsageError("no head to merge is named", hint="git theta merge BRANCH")
    if plan_only:
        repository, made, found = _plan_request(request)
        print_plan(made, found, repository, request.asked, as_data=as_json)
        return 0
    return merge_as_asked(request, Ending(message, not no_commit, report, as_json, gates))


def merge_as_asked(request: MergeRequest, ending: Ending) -> int:
    """Merge what a request asks for, checked before anything is done; the exit code."""
    repository, made, found = _plan_request(request)
    ordered = request.asked._replace(settings=request.asked.settings._replace(weights=made.weights))
    return _merge_heads(made, found, request._replace(asked=ordered), repository, ending)


def _plan_request(request: MergeRequest) -> tuple[Repository, MergeInputs, list[FilePlan]]:
    """What a request is about. Raises UsageError for one that cannot be; rules that match nothing are told."""
    repository, top = require_worktree()
    made = gather_inputs(request, top)
    found = find_cases(made, repository, boundary.warn) if len(made.heads) > 1 else []
    check_request(found, request, made, top)
    for idle in describe_idle_rules(found, request.asked):
        boundary.warn(idle, hint="Names of parameters: git theta ls-files --parameters")
    return repository, made, found


def _merge_heads(
    made: MergeInputs, found: Sequence[FilePlan], request: MergeRequest, repository: Repository, ending: Ending
) -> int:
    """Merge by what there is: at once, or as `git merge` does; the exit code: 1 where anything is left in conflict."""
    if found:
        warn_of_pushes(repository)
    many = len(made.heads) > 2 or len(made.others) > 1 or (request.base is not None and len(made.heads) > 1)
    if many and made.base is None:
        assert repository.worktree
        raise UsageError("the heads have no commit in common", hint=_unrelated_hint(repository.worktree))
    mark: Callable[[], ContestedLines] = dict
    if many or (len(made.heads) > 1 and _has_one_base(made, repository)):
        say = ending.message
        merged = merge_many(made, found, request.asked, repository, message=say, warn=boundary.warn, progress=Meter())
        if many or not merged.conflicts:
            return _finish_merge(merged, made, repository, ending)
        mark = partial(_mark_across, merged.across, found, made, repository)
        request = request._replace(asked=request.asked._replace(cluster=""))  # what it computed is remembered
    elif found:
        mark = partial(_mark_united, found, made, repository)
    if not made.others:
        if ending.as_json:
            _print_result((), (), repository, ending, committed=True)
        else:
            echo_line("Already up to date.")
        return 0
    _require_driver(repository)
    code = _merge_one(made, request.asked, repository, ending, mark)
    if code and git_merge.is_merging(repository):
        _tell_whole(found)
    return code


def _mark_across(
    across: ContestedLines, found: Sequence[FilePlan], made: MergeInputs, repository: Repository
) -> ContestedLines:
    """Put into conflict, and say, what is contested of checkpoints across files that Git merged one by one."""
    missed = mark_contested(found, _sides_of(made), across, repository)
    mend_indexes(found, _sides_of(made), repository)
    warn_across(missed)
    return missed


def _mark_united(found: Sequence[FilePlan], made: MergeInputs, repository: Repository) -> ContestedLines:
    """The same of a merge with several merge bases, which Git has united."""
    missed = mark_own_merge(repository)
    mend_indexes(found, _sides_of(made), repository)
    warn_across(missed)
    return missed


def _sides_of(made: MergeInputs) -> MergeSides:
    ours, theirs = made.heads
    return MergeSides(made.base.commit if made.base else None, ours.commit, theirs.commit)


def _tell_whole(found: Sequence[FilePlan]) -> None:
    """Say which of Git's conflicts, file by file, are one: of a checkpoint of several files that a side removed."""
    for item in found:
        if item.files and item.source is None:
            boundary.warn(f"{item.path}: {item.reason}", hint=_TAKE_HINT)


def _has_one_base(made: MergeInputs, repository: Repository) -> bool:
    """Whether two heads have one merge base: of several, `git merge` makes one first."""
    ours, theirs = made.heads
    return len(all_merge_bases(ours.commit, theirs.commit, cwd=repository.worktree)) == 1


def _finish_merge(merged: ManyMerged, made: MergeInputs, repository: Repository, ending: Ending) -> int:
    """Commit what was merged at once; the exit code: 1, with nothing changed, where anything is contested."""
    gates: tuple[VersionComparison, ...] = ()
    if ending.report:
        report_file.write_report(ending.report, merged.records)
    if merged.conflicts:
        boundary.say(
            f"{pluralize(len(merged.conflicts), 'conflict')}:", *list_some(f"  {one}" for one in merged.conflicts)
        )
        boundary.say_hint(_NO_CONFLICTS)
        code = 1
    elif ending.commit:
        code, gates = _commit_judged(made, merged.records, repository, ending)
    else:
        boundary.say("merged, and not committed as requested")
        boundary.say_hint("Commit it: git commit. Or give it up: git merge --abort")
        code = 0
    if ending.as_json:
        done = ending.commit and not code
        _print_result(merged.records, merged.conflicts, repository, ending, committed=done, gates=gates)
    return code


def _merge_one(
    made: MergeInputs, asked: MergeOptions, repository: Repository, ending: Ending, mark: Callable[[], ContestedLines]
) -> int:
    """Merge one head as `git merge` does; the exit code: 1 where anything is left in conflict.

    ``mark`` puts into conflict what Git did not see to be contested, and says what that is.
    """
    merged = merge_two(made.others[0], asked, repository, message=ending.message)
    gates: tuple[VersionComparison, ...] = ()
    if ending.report and merged.begun:
        report_file.write_report(ending.report, merged.records)
    missed = mark() if merged.begun else {}
    code = merged.code or int(bool(missed))
    commits = merged.begun and ending.commit and not code
    if commits:
        code, gates = _commit_judged(made, merged.records, repository, ending)
    if ending.as_json:
        left = [one.path for one in unmerged_files(cwd=repository.worktree)] if merged.begun else []
        done = not code and not git_merge.is_merging(repository)
        _print_result(merged.records, left, repository, ending, committed=done, gates=gates)
    elif not commits and not missed:
        sys.stdout.flush()
        sys.stdout.buffer.write(merged.printed)
    return code


def _commit_judged(
    made: MergeInputs, records: Sequence[Record], repository: Repository, ending: Ending
) -> tuple[int, tuple[VersionComparison, ...]]:
    """Commit the merge where its gates hold; the exit code, and what was compared for them. The report is told."""
    answer = ask_gates(made.heads, ending.gates, repository, quiet=ending.as_json)
    if ending.report and answer.compared:
        report_file.write_report(ending.report, records, evaluated=True)
    code = git_merge.commit_merge(repository, quiet=ending.as_json) if answer.passed else 1
    return code, answer.compared


def _print_result(
    records: Sequence[Record],
    conflicts: Sequence[str],
    repository: Repository,
    ending: Ending,
    *,
    committed: bool,
    gates: Sequence[VersionComparison] = (),
) -> None:
    """The merge as JSON: the report, what is in conflict, and HEAD where the merge is all in it."""
    head = resolve_head("HEAD", repository.worktree).commit if committed else None
    judged = {"evaluations": comparisons_json(gates)["comparisons"]} if gates else {}
    ending.print_data(
        {"version": VERSION, "commit": head, "conflicts": list(conflicts), "files": list(records)} | judged
    )


def _unrelated_hint(top: Path) -> str:
    name_it = "Name what they come from: --base REV"
    return f"Get the history that is cut off: git fetch --unshallow\n{name_it}" if shallow_boundary(top) else name_it


def _require_driver(repository: Repository) -> None:
    """Without it Git would merge manifests as text."""
    if _DRIVER not in config.active_settings(cwd=repository.worktree):
        raise UsageError("the merge driver is not installed here", hint="git theta install")
