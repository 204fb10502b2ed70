"""``git theta log``: the commits that changed parameters, and by how many bytes the store grew with each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, json_option
from git_theta.cli.pager import colored, paged
from git_theta.cli.revision_arguments import Separated, split
from git_theta.diffing.alarms import Alarm
from git_theta.diffing.base import Change, Status
from git_theta.diffing.render.colors import paint
from git_theta.diffing.render.totals import listed_counts
from git_theta.errors import UsageError
from git_theta.operations.comparing.parameter_history import Logged, Touched, log
from git_theta.repository.same_weights import Observer, alarm_json, told
from git_theta.repository.version_history import Past, commit_json, keeping, past
from git_theta.vcs.commits import Commit, Diffs
from git_theta.vcs.commits import commits as walked
from git_theta.vcs.discovery import discover
from git_theta.vcs.revisions import commit_ids
from git_theta.words import count, printable, size

_NAMED = 5  # parameters named below a checkpoint
_YELLOW, _RED = "\x1b[33m", "\x1b[31m"

Found = tuple[Logged[Commit], list[Alarm]]


@click.command(cls=Separated)
@click.argument("words", nargs=-1, metavar="[REVISION]... [--] [PATHSPEC]...")
@click.option("-p", "globs", multiple=True, metavar="GLOB", help="Changes of these parameters alone.")
@click.option("-n", "--max-count", "limit", type=click.IntRange(min=0), metavar="N", help="N commits at most.")
@json_option
def command(words: tuple[str, ...], globs: tuple[str, ...], limit: int | None, as_json: bool) -> None:
    """Show the commits that changed parameters.

    REVISION is one of Git's, or a range such as main..topic; HEAD by default. Files that match a PATHSPEC are followed
    through their renames. Every commit is looked at, on branches too whose change a merge did not take; a merge is
    shown where a parameter is as in none of its parents. No tensor is read.
    """
    discover()
    revisions, pathspecs = split(words)
    tips = commit_ids(revisions)
    with past(boundary.warn) as history, Diffs(pathspecs, renames=False) as limited:
        found = islice(_watched(history, limited, tips, pathspecs, globs), limit)
        if as_json:
            echo_json([_json(*one) for one in found])
        else:
            color = colored()
            paged(_text(found, color=color))
        if pathspecs and limit != 0 and not history.reader.found:
            raise UsageError(
                f"no commit has a checkpoint there: {' '.join(pathspecs)}",
                hint="Checkpoints are files that Git-Theta has stored: git theta ls-files",
            )


def _watched(
    history: Past, limited: Diffs, tips: Sequence[str], pathspecs: Sequence[str], globs: Sequence[str]
) -> Iterator[Found]:
    """The commits asked for, each with what is alarming about it."""
    observer = Observer(history, tips, pathspecs)
    matching = _matching(limited) if pathspecs else None
    found = log(walked(tips), history.diffs.between, history.reader, matching=matching, keep=keeping(globs))
    for logged in found:
        yield logged, observer.alarms(logged.steps)


def _matching(limited: Diffs) -> Any:
    def paths(commit: str, parent: str | None) -> frozenset[str]:
        edits = limited.between(commit, parent)
        return frozenset(side.path for edit in edits for side in (edit.before, edit.after) if side)

    return paths


def _text(found: Iterable[Found], *, color: bool) -> Iterator[str]:
    for number, (logged, alarms) in enumerate(found):
        lines = [*_head(logged.commit, color=color), ""]
        for one in logged.touched:
            lines += _checkpoint(one)
        for alarm in alarms:
            lines.append(paint(f" note: {printable(told(alarm))}", _RED if color else ""))
        yield ("\n" if number else "") + "".join(f"{line}\n" for line in lines)


def _head(commit: Commit, *, color: bool) -> Iterator[str]:
    refs = f" ({printable(commit.refs)})" if commit.refs else ""
    yield paint(f"commit {commit.oid}{refs}", _YELLOW if color else "")
    if len(commit.parents) > 1:
        yield f"Merge:  {' '.join(parent[:7] for parent in commit.parents)}"
    yield f"Author: {printable(f'{commit.author} <{commit.email}>')}"
    yield f"Date:   {printable(commit.date)}"
    yield ""
    yield f"    {printable(commit.subject)}"
    if commit.boundary:
        yield ""
        yield "    (a shallow clone ends here: everything counts as added)"


def _checkpoint(one: Touched) -> Iterator[str]:
    name = printable(f"{one.was} => {one.path}" if one.was else one.path)
    yield f" {name}: {_counts(one)}"
    for change in one.changes[:_NAMED]:
        yield f"   {_line(change)}"
    if len(one.changes) > _NAMED:
        yield f"   and {len(one.changes) - _NAMED:,} more"


def _counts(one: Touched) -> str:
    of = f" of {count(one.parameters, 'parameter')}" if one.parameters else ""
    words = listed_counts(_by_status(one)) or "no parameter changed, only what is around them"
    return f"{words}{of if one.changes else ''}; {size(one.stored)} stored"


def _by_status(one: Touched) -> dict[Status, int]:
    found = Counter(change.status for change in one.changes)
    return {status: found[status] for status in Status if found[status]}


_SIGNS = {Status.ADDED: "+", Status.REMOVED: "-", Status.RENAMED: ">", Status.MOVED: ">"}


def _line(change: Change) -> str:
    sign = _SIGNS.get(change.status, "~")
    if change.status is Status.RENAMED and change.before:
        return f"{sign} {printable(change.name)} (was {printable(change.before.name)})"
    return f"{sign} {printable(change.name)}"


def _json(logged: Logged[Commit], alarms: Sequence[Alarm]) -> dict[str, Any]:
    return {
        **commit_json(logged.commit),
        "parents": list(logged.commit.parents),
        "checkpoints": [_touched_json(one) for one in logged.touched],
        "stored": sum(one.stored for one in logged.touched),
        "alarms": [alarm_json(alarm) for alarm in alarms],
    }


def _touched_json(one: Touched) -> dict[str, Any]:
    counts = Counter(change.status for change in one.changes)
    return {
        "path": one.path,
        "was": one.was or None,
        "parameters": one.parameters,
        "counts": {status.value: counts[status] for status in Status if status is not Status.UNCHANGED},
        "rest": one.rest,
        "stored": one.stored,
        "changes": [
            {
                "name": change.name,
                "was": change.before.name if change.status is Status.RENAMED and change.before else None,
                "status": change.status.value,
                "also": list(change.also),
            }
            for change in one.changes
        ],
    }
