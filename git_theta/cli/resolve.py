"""``git theta resolve``: settle contested parameters, some at a time."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary
from git_theta.cli.across_files import warn_contested_as_one
from git_theta.cli.environment import read_merge_options
from git_theta.cli.interactive import ask_choices, ask_side
from git_theta.cli.listing import display_path, echo_json, echo_line, json_option, require_worktree
from git_theta.cli.progress import Meter
from git_theta.cli.push_warning import warn_of_pushes
from git_theta.errors import ThetaError, UsageError
from git_theta.globs import name_matcher
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.decisions import SIDES
from git_theta.merging.policy import CONFLICT, EVERYTHING, Policy, make_global_rule, make_rule
from git_theta.merging.treatments import choose_by_policy
from git_theta.operations.context import Context
from git_theta.operations.merging.conflict_list import describe_left
from git_theta.operations.merging.conflict_resolution import find_left
from git_theta.operations.merging.conflicts import Conflict
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.frame_merge import FRAME_LABEL
from git_theta.operations.merging.merge_remarks import describe_remarks
from git_theta.operations.merging.merge_report import Record, record_merge, trailers
from git_theta.operations.merging.merge_results import Choose, ContestedDecision, MergeResult
from git_theta.repository.merging.checkpoint_conflicts import CheckpointConflict, find_checkpoint_conflicts
from git_theta.repository.merging.open_conflicts import find_conflicted
from git_theta.repository.merging.policy_choosers import chooser_of
from git_theta.repository.merging.policy_sources import policy_for
from git_theta.repository.merging.settle_checkpoint import settle_checkpoint
from git_theta.repository.merging.settling import ErrorReporter, SettlingJob, settle_file
from git_theta.repository.merging.take_checkpoint import TakenCheckpoint, take_checkpoint
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs import git_merge
from git_theta.vcs.discovery import Repository
from git_theta.vcs.remembered_settings import remembering_settings
from git_theta.vcs.unmerged import UnmergedFile
from git_theta.words import escape_unprintable, list_some, pluralize

Settled = MergeResult | TakenCheckpoint | None
"""What came of a conflict: by parameters, or of a checkpoint as one; None where it is left to Git."""
Settle = Callable[[UnmergedFile | CheckpointConflict, ErrorReporter], Settled]
"""Settles a conflict as it was asked for."""

_WHOLE_FILE = "not a conflict by parameters"
_SETTLE_HINT = "Settle them: git theta resolve -s STRATEGY, or --ours, --theirs, --base, -i; --only GLOB for some"
_SIDE_HINT = "Take a side, then stage it: git checkout --ours (or --theirs) -- {0}; git add {0}. Or: git rm {0}"
_REMOVED_HINT = (
    "One side removed it. To keep it: git checkout --{1} -- {0}; git add {0}. To have it removed: git rm {0}"
)


@click.command
@click.argument("pathspecs", nargs=-1, metavar="[PATHSPEC]...")
@click.option("-s", "--strategy", default="", metavar="STRATEGY", help="Settle with this strategy.")
@click.option("-o", "--option", "options", multiple=True, metavar="OPTION=VALUE", help="An option of the strategy.")
@click.option("--only", multiple=True, metavar="GLOB", help="Settle parameters of these names alone.")
@click.option("--ours", "side", flag_value="ours", help="Take our side: -s ours.")
@click.option("--theirs", "side", flag_value="theirs", help="Take their side: -s theirs.")
@click.option("--base", "side", flag_value="base", help="Go back to the merge base: -s base.")
@click.option("-i", "--interactive", is_flag=True, help="Show each contested parameter, and ask.")
@json_option
@remembering_settings()
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
    chooser = _Chooser(policy, only if interactive else None, top)
    conflicts = _find_conflicts(repository, pathspecs)

    def settle(conflict: UnmergedFile | CheckpointConflict, report: ErrorReporter) -> Settled:
        job = SettlingJob(repository, top, boundary.warn, Meter(), report)
        if isinstance(conflict, UnmergedFile):
            return settle_file(conflict, partial(chooser.choose_for_file, path=conflict.path), job)
        if conflict.item.plan is None:
            return take_checkpoint(conflict, chooser.choose_side(conflict.item), job)
        return settle_checkpoint(conflict, chooser.choose_for_checkpoint, job)

    if conflicts:
        warn_of_pushes(repository)
    return _settle_all(conflicts, settle, only, repository, top, as_json)


def _find_conflicts(repository: Repository, pathspecs: Sequence[str]) -> list[UnmergedFile | CheckpointConflict]:
    """The checkpoints to be settled whole, and the other files in conflict."""
    whole = find_checkpoint_conflicts(repository, pathspecs)
    covered = {file.path for conflict in whole for file in conflict.unmerged}
    files = [file for file in find_conflicted(repository, pathspecs) if file.path not in covered]
    if pathspecs and not files and not whole:
        raise UsageError(f"no file in conflict matches {' '.join(pathspecs)}", hint="See git theta status.")
    return [*whole, *files]


class _Chooser(NamedTuple):
    """Who chooses: the ``policy`` of the command line, a person ``asked`` about some names, or what is configured."""

    policy: Policy | None
    asked: Sequence[str] | None
    top: Path

    def choose_for_file(self, conflict: Conflict, context: Context, path: str) -> Choose:
        """The choices for a file."""
        if self.asked is not None:
            left = find_left(conflict, context)
            return ask_choices(conflict.settled_plan, left, display_path(path, self.top), self.asked, context)
        return _choose_by(self.policy or policy_for(path, self.top, read_merge_options()), path)

    def choose_for_checkpoint(self, item: FilePlan, context: Context) -> Choose:
        """The choices for a checkpoint of several files."""
        if self.asked is not None:
            assert item.plan
            left = [ContestedDecision(decision, "") for decision in item.plan.contested]
            return ask_choices(item.plan, left, display_path(item.path, self.top), self.asked, context)
        if self.policy:
            return _choose_by(self.policy, item.path)
        return chooser_of(item, self.top, read_merge_options())

    def choose_side(self, item: FilePlan) -> str:
        """The side of a checkpoint that is taken as one, where a person or the command line names one; else ""."""
        if self.asked is not None:
            return ask_side(item, display_path(item.path, self.top), self.asked)
        choice = self.policy and self.policy.choose(item.path, FRAME_LABEL)
        return choice.strategy if choice and choice.strategy in SIDES else ""


def _choose_by(policy: Policy, path: str) -> Choose:
    """What a policy says about a file; of its frame, by the name that it has in lists."""
    choose = choose_by_policy(policy, path)
    return lambda decision: choose(decision) if decision.names else policy.choose(path, FRAME_LABEL)


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


def _settle_all(
    conflicts: Sequence[UnmergedFile | CheckpointConflict],
    settle: Settle,
    only: Sequence[str],
    repository: Repository,
    top: Path,
    as_json: bool,
) -> int:
    """Settle what can be; what fails is reported, the rest goes on. The exit code: of the first error, 1, or 0."""
    codes: list[int] = []
    reports: list[dict[str, Any]] = []
    records: list[Record] = []
    left = contested = False
    names: list[str] = []

    def report(error: ThetaError) -> None:
        codes.append(boundary.report_error(error))

    for conflict in conflicts:
        try:
            merged = settle(conflict, report)
        except ThetaError as error:
            report(error.add_location(path=conflict.path))
            continue
        contested = contested or (isinstance(merged, MergeResult) and bool(merged.left))
        left = left or not merged or (isinstance(merged, TakenCheckpoint) and not merged.side)
        records += [record_merge(conflict.path, merged)] if isinstance(merged, MergeResult) else []
        reports.append(_settled_json(conflict.path, merged))
        names += _names_asked(merged)
        if not as_json:
            _append_line(display_path(conflict.path, top), merged)
            _advise_sides(conflict, merged, top)
    _warn_of_idle_globs(() if codes else only, names)
    if records and git_merge.is_merging(repository):
        git_merge.add_trailers(repository, trailers(records))
    if as_json:
        echo_json({"files": reports})
    elif not conflicts:
        echo_line("no file in conflict")
    elif contested:
        boundary.say_hint(_SETTLE_HINT)
    return next(iter(codes), int(left or contested))


def _names_asked(merged: Settled) -> list[str]:
    """What was contested, settled now or not, by the names that ``--only`` is about."""
    if not isinstance(merged, MergeResult):
        return [FRAME_LABEL] if merged else []
    decisions = (item.decision for items in (merged.applied, merged.left) for item in items)
    return [name for decision in decisions for name in decision.names or (FRAME_LABEL,)]


def _warn_of_idle_globs(only: Sequence[str], names: Sequence[str]) -> None:
    for glob in only if names else ():
        if not any(map(name_matcher([glob]), names)):
            boundary.warn(f"--only {glob}: nothing that is contested is called so")


def _append_line(path: str, merged: Settled) -> None:
    path = escape_unprintable(path)
    if merged is None:
        echo_line(f"{path}: {_WHOLE_FILE}")
        return
    if isinstance(merged, TakenCheckpoint):
        what = f"{'removed, as' if merged.removed else 'as it is'} at {merged.side}; staged"
        echo_line(f"{path}: {what if merged.side else 'contested as one'}")
        return
    for applied in merged.applied:
        for note in () if applied.decision.group else applied.report.notes:
            boundary.warn(f"{path}: {applied.decision.name or FRAME_LABEL}: {note}")
    for remark in describe_remarks(merged):
        boundary.warn(f"{path}: {remark}")
    settled = f"{len(merged.applied)} settled"
    if not merged.left:
        echo_line(f"{path}: {settled}, nothing left; staged")
        return
    echo_line(f"{path}: {settled}, {pluralize(len(merged.left), 'contested parameter')} left")
    for line in list_some(describe_left(merged.left), rest=": git theta status --json"):
        echo_line(line)


def _advise_sides(conflict: UnmergedFile | CheckpointConflict, merged: Settled, top: Path) -> None:
    """What helps with what was not settled by parameters: also where one side has none."""
    if isinstance(conflict, CheckpointConflict):
        if isinstance(merged, TakenCheckpoint) and not merged.side:
            warn_contested_as_one(conflict.item)
    elif merged is None:
        _advise_file(conflict, top)


def _advise_file(file: UnmergedFile, top: Path) -> None:
    path, (_, ours, theirs) = shlex.quote(display_path(file.path, top)), file.oids
    if ours and theirs:
        boundary.say_hint(_SIDE_HINT.format(path))
        return
    boundary.say_hint(_REMOVED_HINT.format(path, "ours" if ours else "theirs"))


def _settled_json(path: str, merged: Settled) -> dict[str, Any]:
    if not isinstance(merged, MergeResult):
        side = merged.side if merged else ""
        by_side: dict[str, Any] = {"staged": bool(side), "taken": side or None, "settled": [], "left": []}
        return {"path": path, "by_parameters": False, **by_side}
    return {
        "path": path,
        "taken": None,
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
