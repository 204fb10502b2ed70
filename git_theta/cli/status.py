"""``git theta status``: which tracked files are materialised, missing objects, or in conflict."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import click

from git_theta.cli.listing import echo_json, json_option, nul_option, shown, worktree
from git_theta.errors import ManifestError, UsageError
from git_theta.operations.keeping.file_states import State, Status, survey, totals
from git_theta.repository.open_conflicts import conflicted, opened
from git_theta.repository.opening import open_store
from git_theta.repository.tracked_files import listed
from git_theta.vcs.discovery import Repository
from git_theta.words import count, printable, size

_TO_DO = {
    State.MANIFEST: "`git theta checkout` puts the file in its place",
    State.MISSING: "`git theta checkout` fetches them, if a remote has them",
    State.CONFLICT: "`git theta resolve` settles contested parameters; `git add` records the file as it is",
    State.RAW: "`git add --renormalize` stores it by parameters",
}


@click.command
@click.argument("pathspecs", nargs=-1, metavar="[PATHSPEC]...")
@json_option
@nul_option
def command(pathspecs: tuple[str, ...], as_json: bool, nul: bool) -> None:
    """Show what is materialised, missing or in conflict.

    A tracked file is "materialised", or its "manifest" stands in its place, or that and some of its objects are not
    here ("missing objects"); "absent" from the worktree; in "conflict"; or "raw": committed without git-theta.
    Whether a materialised file was changed is for `git status` to say. Below a file in conflict stand the names of the
    parameters that are contested still. -z prints "STATE<tab>PATH".
    """
    if nul and as_json:
        raise UsageError("-z and --json exclude each other")
    repository, top = worktree()
    store = open_store(repository)
    statuses = [survey(file, top, store) for file in listed(repository, pathspecs)]
    contested = _contested(repository) if any(status.state == State.CONFLICT for status in statuses) else {}
    if as_json:
        sums = totals(statuses)
        total = {"files": len(statuses), "size": sums.logical, "stored": sums.stored}
        echo_json({"files": [_json(status, contested) for status in statuses], "total": total})
    elif nul:
        for status in statuses:
            click.echo(f"{status.state}\t{shown(status.tracked.path, top)}\0", nl=False)
    else:
        for status in statuses:
            click.echo("\t".join([printable(shown(status.tracked.path, top)), *_facts(status)]))
            for name in contested.get(status.tracked.path, ()):
                click.echo(f"  contested: {printable(name)}")
        _summary(statuses)


def _contested(repository: Repository) -> dict[str, list[str]]:
    """Path to the names of what is contested there, as far as that can be told without reading any object."""
    found = {}
    for file in conflicted(repository):
        with contextlib.suppress(ManifestError):
            conflict = opened(file, repository)
            if conflict:
                found[file.path] = list(conflict.left)
    return found


def _facts(status: Status) -> list[str]:
    file = status.tracked
    here = f"{status.objects - status.missing} of {status.objects} objects here" if status.missing else ""
    if file.manifest is None:
        return [status.state, file.raw or size(0)]
    return [status.state, size(file.manifest.size), *([here] if here else [])]


def _summary(statuses: list[Status]) -> None:
    sums = totals(statuses)
    click.echo(f"{count(len(statuses), 'file')}, {size(sums.logical)}, stored in {size(sums.stored)}")
    for state, words in _TO_DO.items():
        for hint in dict.fromkeys(status.tracked.hint or words for status in statuses if status.state == state):
            click.echo(f"{state}: {printable(hint)}")


def _json(status: Status, contested: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    manifest = status.tracked.manifest
    return {
        "path": status.tracked.path,
        "state": status.state,
        "raw": status.tracked.raw or None,
        "size": manifest.size if manifest else None,
        "stored": status.stored if manifest else None,
        "objects": status.objects if manifest else None,
        "missing": status.missing if manifest else None,
        "contested": contested.get(status.tracked.path),
    }
