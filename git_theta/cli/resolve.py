"""``git theta resolve``: settle contested parameters, some at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.environment import read_merge_options
from git_theta.cli.interactive import ask_choices
from git_theta.cli.listing import display_path, echo_json, json_option, require_worktree
from git_theta.cli.progress import Meter
from git_theta.errors import ThetaError, UsageError
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.policy import CONFLICT, EVERYTHING, Policy, make_global_rule, make_rule
from git_theta.merging.treatments import choose_by_policy
from git_theta.operations.context import Context
from git_theta.operations.merging.apply_plan import Choose, ContestedDecision, MergeResult
from git_theta.operations.merging.conflicts import FRAME_LABEL, Conflict
from git_theta.operations.merging.merge_remarks import describe_remarks
from git_theta.operations.merging.merge_report import Record, record_merge, trailers
from git_theta.repository.open_conflicts import find_conflicted
from git_theta.repository.policy_sources import policy_for
from git_theta.repository.settling import ConflictJob, settle_file
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs import git_merge
from git_theta.words import escape_unprintable, join_some, list_some, pluralize

_WHOLE_FILE = "not a conflict by parameters"
_SIDE_HINT = "Take a side, then stage it: git checkout --ours (or --theirs) -- {0}; git add {0}. Or: git rm {0}"


@click.command
@click.argument("pathspecs", nargs=-1, metavar="[PATHSPEC]...")
@click.option("-s", "--strategy", default="", metavar="NAME", help="Settle with this strategy.")
@click.option("-o", "--option", "options", multiple=True, metavar="OPTION=VALUE", help="An option of the strategy.")
@click.option("--only", multiple=True, metavar="GLOB", help="Settle parameters of these names alone.")
@click.option("--ours", "side", flag_value="ours", help="Take our side: -s ours.")
@click.option("--theirs", "side", flag_value="theirs", help="Take their side: -s theirs.")
@click.option("--base", "side", flag_value="base", help="Go back to the merge base: -s base.")
@click.option("-i", "--interactive", is_flag=True, help="Show each contested parameter, and ask.")
@json_option
def command(
    pathspecs: tuple[str, ...],
    strategy: str,
    options: tuple[str, ...],
    only: tuple[str, ...],
    side: str | None,
    interactive: bool,
    as_json: bool,
) -> int:
    """Settle contested parameters of files in conflict.

    Without a strategy, the one that is configured for each parameter is applied, if there is any. Where nothing is
    left the file is staged; otherwise what is left is named, the file holds ours for it, and the exit code is 1.
    """
    os.environ.setdefault(*UNTHREADED)
    if strategy and side:
        raise UsageError(f"-s and --{side} exclude each other", hint=f"--{side} is short for -s {side}")
    if interactive:
        _require_terminal(bool(strategy or side or options or as_json))
    policy = _parse_policy(strategy or side or "", options, only)
    repository, top = require_worktree()
    files = find_conflicted(repository, pathspecs)
    if pathspecs and not files:
        raise UsageError(f"no file in conflict matches {' '.join(pathspecs)}", hint="See git theta status.")

    def chooser(conflict: Conflict, context: Context, path: str) -> Choose:
        if interactive:
            return ask_choices(conflict, display_path(path, top), only, context)
        return choose_by_policy(policy or policy_for(path, top, read_merge_options()), path)

    jobs = [
        ConflictJob(file, repository, top, partial(chooser, path=file.path), boundary.warn, Meter()) for file in files
    ]
    return _settle_all(jobs, as_json)


def _require_terminal(excluded: bool) -> None:
    if excluded:
        raise UsageError("-i asks for each parameter", hint="Leave out -s, -o, --ours, --theirs, --base and --json.")
    if not sys.stdin.isatty():
        raise UsageError("-i asks, and standard input is no terminal", hint="Choose with -s, --ours, --theirs, --base.")


def _parse_policy(strategy: str, options: Sequence[str], only: Sequence[str]) -> Policy | None:
    """The policy that the command line spells; None where it names no strategy."""
    if not strategy and not options:
        if only:
            make_rule(CONFLICT, {}, "--only", parameters=only)
        return None
    choice = make_global_rule(strategy, options, origin="-s").choice
    if strategy != CONFLICT:
        load_strategy(strategy)
    return Policy([make_rule(strategy, choice.options, "-s", parameters=tuple(only) or EVERYTHING)])


def _settle_all(jobs: Sequence[ConflictJob], as_json: bool) -> int:
    """Settle what can be; what fails is reported, the rest goes on. The exit code: of the first error, 1, or 0."""
    codes: list[int] = []
    reports: list[dict[str, Any]] = []
    records: list[Record] = []
    left = False

    def report(error: ThetaError) -> None:
        codes.append(boundary.report_error(error))

    for job in jobs:
        try:
            merged = settle_file(job, report)
        except ThetaError as error:
            report(error.add_location(path=job.file.path))
            continue
        left = left or merged is None or bool(merged.left)
        records += [record_merge(job.file.path, merged)] if merged else []
        reports.append(_settled_json(job.file.path, merged))
        if not as_json:
            _append_line(job, merged)
    if records and git_merge.is_merging(jobs[0].repository):
        git_merge.add_trailers(jobs[0].repository, trailers(records))
    if as_json:
        echo_json({"files": reports})
    elif not jobs:
        click.echo("no file in conflict")
    return next(iter(codes), int(left))


def _append_line(job: ConflictJob, merged: MergeResult | None) -> None:
    path = escape_unprintable(display_path(job.file.path, job.top))
    if merged is None:
        click.echo(f"{path}: {_WHOLE_FILE}")
        boundary.say(_SIDE_HINT.format(path), prefix="hint: ")
        return
    for applied in merged.applied:
        for note in () if applied.decision.group else applied.report.notes:
            boundary.warn(f"{path}: {applied.decision.name or FRAME_LABEL}: {note}")
    for remark in describe_remarks(merged):
        boundary.warn(f"{path}: {remark}")
    settled = f"{len(merged.applied)} settled"
    if not merged.left:
        click.echo(f"{path}: {settled}, nothing left; staged")
        return
    click.echo(f"{path}: {settled}, {pluralize(len(merged.left), 'contested parameter')} left")
    for line in list_some(map(_describe_left, merged.left), rest=": git theta status --json"):
        click.echo(escape_unprintable(line))


def _describe_left(left: ContestedDecision) -> str:
    return f"  {join_some(left.decision.names) or FRAME_LABEL}" + (f" ({left.reason})" if left.reason else "")


def _settled_json(path: str, merged: MergeResult | None) -> dict[str, Any]:
    if merged is None:
        return {"path": path, "by_parameters": False, "staged": False, "settled": [], "left": []}
    return {
        "path": path,
        "by_parameters": True,
        "staged": not merged.left,
        "settled": [
            {
                "names": list(one.decision.names),
                "strategy": one.choice.strategy,
                "options": dict(one.choice.options),
                "notes": list(one.report.notes),
            }
            for one in merged.applied
        ],
        "left": [
            {"names": list(one.decision.names), "state": one.decision.state.value, "reason": one.reason or None}
            for one in merged.left
        ],
    }
