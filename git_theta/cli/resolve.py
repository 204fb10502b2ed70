"""``git theta resolve``: settle contested parameters, some at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary
from git_theta.cli.conflicted import conflicted, opened
from git_theta.cli.desk import conflicts_of, desk_for, refresh
from git_theta.cli.listing import echo_json, json_option, shown, worktree
from git_theta.cli.policies import policy_for
from git_theta.cli.progress import progress
from git_theta.cli.walk import walked
from git_theta.errors import ThetaError, UsageError
from git_theta.manifest.text import dumps
from git_theta.merging.catalogue import named
from git_theta.merging.policy import CONFLICT, EVERYTHING, Policy, everywhere, rule
from git_theta.operations.conflicts import FRAME, Conflict, Stages, forget, keep, note_of
from git_theta.operations.deferred import Deferred
from git_theta.operations.desk import Desk
from git_theta.operations.materialise import materialise, require_room
from git_theta.operations.merge import Choose, Merged, Settings
from git_theta.operations.report import Record, record, trailers
from git_theta.operations.resolve import resolve, untouched
from git_theta.operations.restore import require_objects
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs import atomic, index, merging
from git_theta.vcs.repository import Repository
from git_theta.vcs.unmerged import Unmerged, stage
from git_theta.words import count, printable

_WHOLE = "not a conflict by parameters"
_TAKE = "Take a side, then stage it: git checkout --ours (or --theirs) -- {0}; git add {0}. Or: git rm {0}"


Report = Callable[[ThetaError], None]
"""Says an error that does not keep other files from being settled; the exit code tells of it."""


class _Job(NamedTuple):
    """A file in conflict, and who chooses for it (given its conflict)."""

    file: Unmerged
    repository: Repository
    top: Path
    chooser: Callable[[Conflict, Desk], Choose]


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
    policy = _policy(strategy or side or "", options, only)
    repository, top = worktree()
    files = conflicted(repository, pathspecs)
    if pathspecs and not files:
        raise UsageError(f"no file in conflict matches {' '.join(pathspecs)}", hint="See git theta status.")

    def chooser(conflict: Conflict, desk: Desk, path: str) -> Choose:
        if interactive:
            return walked(conflict, shown(path, top), only, desk)
        chosen = policy or policy_for(path, top)
        return lambda decision: chosen.choose(path, *decision.names)

    jobs = [_Job(file, repository, top, partial(chooser, path=file.path)) for file in files]
    return _settle_all(jobs, as_json)


def _require_terminal(excluded: bool) -> None:
    if excluded:
        raise UsageError("-i asks for each parameter", hint="Leave out -s, -o, --ours, --theirs, --base and --json.")
    if not sys.stdin.isatty():
        raise UsageError("-i asks, and standard input is no terminal", hint="Choose with -s, --ours, --theirs, --base.")


def _policy(strategy: str, options: Sequence[str], only: Sequence[str]) -> Policy | None:
    """The policy that the command line spells; None where it names no strategy."""
    if not strategy and not options:
        if only:
            rule(CONFLICT, {}, "--only", parameters=only)
        return None
    choice = everywhere(strategy, options, origin="-s").choice
    if strategy != CONFLICT:
        named(strategy)
    return Policy([rule(strategy, choice.options, "-s", parameters=tuple(only) or EVERYTHING)])


def _settle_all(jobs: Sequence[_Job], as_json: bool) -> int:
    """Settle what can be; what fails is reported, the rest goes on. The exit code: of the first error, 1, or 0."""
    codes: list[int] = []
    reports: list[dict[str, Any]] = []
    records: list[Record] = []
    left = False

    def report(error: ThetaError) -> None:
        codes.append(boundary.report(error))

    for job in jobs:
        try:
            merged = _settled(job, report)
        except ThetaError as error:
            report(error.located(path=job.file.path))
            continue
        left = left or merged is None or bool(merged.left)
        records += [record(job.file.path, merged)] if merged else []
        reports.append(_json(job.file.path, merged))
        if not as_json:
            _tell(job, merged)
    if records and merging.under_way(jobs[0].repository):
        merging.add_trailers(jobs[0].repository, trailers(records))
    if as_json:
        echo_json({"files": reports})
    elif not jobs:
        click.echo("no file in conflict")
    return next(iter(codes), int(left))


def _settled(job: _Job, report: Report) -> Merged | None:
    """One file settled as far as it was chosen, and written; None where Git alone can tell what is in conflict."""
    conflict = opened(job.file, job.repository)
    if conflict is None:
        return None
    with desk_for(job.repository) as desk:
        if not untouched(conflict, job.file.path, job.top, desk):
            raise UsageError(
                "the file was changed since the merge, and settling would overwrite that",
                hint=f"Keep it: git add. Or start over: git checkout --merge -- {shown(job.file.path, job.top)}",
            )
        merged = resolve(conflict, job.chooser(conflict, desk), Settings(), desk)
        require_objects(merged.manifest, desk)
    if merged.applied or not merged.left:
        _write(job, merged, report)
    return merged


def _write(job: _Job, merged: Merged, report: Report) -> None:
    """The worktree's file; then what is left is noted, or the file is staged."""
    path, top, text = job.file.path, job.top, dumps(merged.manifest)
    stages, notes = Stages(*job.file.texts), conflicts_of(job.repository)
    require_room(merged.manifest.size, top)
    with progress("Restoring", merged.manifest.size) as tick, desk_for(job.repository, tick) as desk:
        # First of all a manifest: stopped at any point, we know by it that nothing of the person's is in the file.
        atomic.replace(top / path, text)
        if merged.left:
            keep(note_of(path, merged), stages, notes)
            materialise(merged.manifest, text, top / path, desk)
        else:
            stage(path, job.file.mode, text, top)
            forget(path, stages, notes)
            deferred = Deferred(top, desk, report)
            deferred.add(path, merged.manifest, text)
            _checked_out(deferred, top)


def _checked_out(deferred: Deferred, top: Path) -> None:
    deferred.write(partial(refresh, top), partial(index.distrust, worktree=top))


def _tell(job: _Job, merged: Merged | None) -> None:
    path = printable(shown(job.file.path, job.top))
    if merged is None:
        click.echo(f"{path}: {_WHOLE}")
        boundary.say(_TAKE.format(path), prefix="hint: ")
        return
    for applied in merged.applied:
        for note in applied.report.notes:
            boundary.warn(f"{path}: {applied.decision.name or FRAME}: {note}")
    settled = f"{len(merged.applied)} settled"
    if not merged.left:
        click.echo(f"{path}: {settled}, nothing left; staged")
        return
    click.echo(f"{path}: {settled}, {count(len(merged.left), 'contested parameter')} left")
    for left in merged.left:
        why = f" ({left.reason})" if left.reason else ""
        click.echo(f"  {printable(', '.join(left.decision.names) or FRAME)}{printable(why)}")


def _json(path: str, merged: Merged | None) -> dict[str, Any]:
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
