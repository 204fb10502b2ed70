"""``git theta resolve``: settle contested parameters, some at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial

import click

from git_theta.cli import boundary
from git_theta.cli.cluster_option import on_option
from git_theta.cli.interactive import Questions
from git_theta.cli.listing import json_option, require_worktree
from git_theta.cli.pathspec_argument import pathspecs_argument
from git_theta.cli.progress import Meter
from git_theta.cli.push_warning import warn_of_pushes
from git_theta.cli.resolve_choices import Chooser, parse_policy_options
from git_theta.cli.resolve_output import Settled
from git_theta.cli.resolve_session import settle_all
from git_theta.errors import UsageError
from git_theta.repository.clustering.clusters import reach_cluster, require_address
from git_theta.repository.merging.checkpoint_conflicts import CheckpointConflict, find_checkpoint_conflicts
from git_theta.repository.merging.open_conflicts import find_conflicted
from git_theta.repository.merging.settle_checkpoint import settle_checkpoint
from git_theta.repository.merging.settling import ErrorReporter, SettlingJob, settle_file
from git_theta.repository.merging.take_checkpoint import take_checkpoint
from git_theta.repository.stores.opening import open_context
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs.discovery import Repository
from git_theta.vcs.merges.unmerged import UnmergedFile


@click.command
@pathspecs_argument()
@click.option("-s", "--strategy", default="", metavar="STRATEGY", help="Settle with this strategy.")
@click.option("-o", "--option", "options", multiple=True, metavar="OPTION=VALUE", help="An option of the strategy.")
@click.option("--only", multiple=True, metavar="GLOB", help="Settle parameters of these names alone.")
@click.option("--ours", "side", flag_value="ours", help="Take our side: -s ours.")
@click.option("--theirs", "side", flag_value="theirs", help="Take their side: -s theirs.")
@click.option("--base", "side", flag_value="base", help="Go back to the merge base: -s base.")
@click.option("-i", "--interactive", is_flag=True, help="Show each contested parameter, and ask.")
@on_option
@json_option
def command(
    pathspecs: tuple[str, ...],
    strategy: str,
    options: tuple[str, ...],
    only: tuple[str, ...],
    side: str | None,
    interactive: bool,
    cluster: str,
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
    require_address(cluster)
    policy = parse_policy_options(strategy or side or "", options, only)
    repository, top = require_worktree()
    chooser = Chooser(policy, Questions(only) if interactive else None, top)
    conflicts = _find_conflicts(repository, pathspecs)
    if conflicts:
        warn_of_pushes(repository)
    meter = Meter()
    with (
        open_context(repository, boundary.warn, meter) as opened,
        reach_cluster(cluster if conflicts else "", repository, opened) as context,
    ):

        def settle(conflict: UnmergedFile | CheckpointConflict, report: ErrorReporter) -> Settled:
            return _settle(conflict, chooser, SettlingJob(repository, top, context, meter, report))

        return settle_all(conflicts, settle, only, repository, top, as_json)


def _settle(conflict: UnmergedFile | CheckpointConflict, chooser: Chooser, job: SettlingJob) -> Settled:
    if isinstance(conflict, UnmergedFile):
        return settle_file(conflict, partial(chooser.choose_for_file, path=conflict.path), job)
    if conflict.item.plan is None:
        return take_checkpoint(conflict, chooser.choose_side(conflict.item), job)
    return settle_checkpoint(conflict, chooser.choose_for_checkpoint, job)


def _find_conflicts(repository: Repository, pathspecs: Sequence[str]) -> list[UnmergedFile | CheckpointConflict]:
    """The checkpoints to be settled whole, and the other files in conflict."""
    whole = find_checkpoint_conflicts(repository, pathspecs)
    covered = {file.path for conflict in whole for file in conflict.unmerged}
    files = [file for file in find_conflicted(repository, pathspecs) if file.path not in covered]
    if pathspecs and not files and not whole:
        raise UsageError(f"no file in conflict matches {' '.join(pathspecs)}", hint="See git theta status.")
    return [*whole, *files]


def _require_terminal(excluded: bool) -> None:
    if excluded:
        raise UsageError("-i asks for each parameter", hint="Leave out -s, -o, --ours, --theirs, --base and --json.")
    if not sys.stdin.isatty():
        raise UsageError("-i asks, and standard input is no terminal", hint="Choose with -s, --ours, --theirs, --base.")
