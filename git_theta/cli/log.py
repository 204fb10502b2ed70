"""``git theta log``: the commits that changed parameters, and by how many bytes the store grew with each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, json_option
from git_theta.cli.pager import print_paged, uses_color
from git_theta.cli.revision_arguments import RevisionCommand, split_pathspecs
from git_theta.diffing.alarms import Alarm
from git_theta.diffing.base import Change, ChangeStatus
from git_theta.diffing.render.colors import paint
from git_theta.diffing.render.totals import format_counts
from git_theta.diffing.whole_files import describe_pieces
from git_theta.errors import UsageError
from git_theta.globs import name_matcher
from git_theta.operations.comparing.parameter_history import CheckpointChange, LogEntry
from git_theta.repository.history.commit_log import LoggedAlarms, find_logged
from git_theta.repository.history.same_weights import alarm_json, describe_alarm
from git_theta.repository.history.version_history import commit_json, open_history
from git_theta.vcs.commits import Commit, CommitDiffs
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.revisions import OID_DIGITS, commit_ids
from git_theta.words import escape_unprintable, humanize_size, pluralize

_EVERYWHERE = ("--branches", "--tags", "--remotes", "HEAD")
_MAX_NAMED = 5  # parameters named below a checkpoint
_YELLOW, _RED = "\x1b[33m", "\x1b[31m"


class _LogCommand(RevisionCommand):
    """Takes ``-3`` for ``-n 3``, as `git log` does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Spell numbers of commits as options, up to where paths begin."""
        end = args.index("--") if "--" in args else len(args)
        spelled = [re.sub(r"^-(\d+)$", r"-n\1", word) for word in args[:end]]
        return super().parse_args(ctx, spelled + args[end:])


@click.command(cls=_LogCommand)
@click.argument("words", nargs=-1, metavar="[REVISION]... [--] [PATHSPEC]...")
@click.option("--all", "everything", is_flag=True, help="Commits of all branches and tags, too.")
@click.option("-p", "globs", multiple=True, metavar="GLOB", help="Changes of these parameters alone.")
@click.option(
    "-n", "--max-count", "limit", type=click.IntRange(min=0), metavar="N", help="N commits at most; -3 is -n 3."
)
@click.option("--oneline", is_flag=True, help="A line for each commit.")
@json_option
def command(
    words: tuple[str, ...], everything: bool, globs: tuple[str, ...], limit: int | None, oneline: bool, as_json: bool
) -> None:
    """Show the commits that changed parameters.

    REVISION is one of Git's, or a range such as main..topic; HEAD by default. Files that match a PATHSPEC are followed
    through their renames. Every commit is looked at, on branches too whose change a merge did not take; a merge is
    shown where a parameter is as in none of its parents. No tensor is read, but of files whose layout changed.
    """
    discover_repository()
    revisions, pathspecs = split_pathspecs(words)
    tips = commit_ids([*revisions, *_EVERYWHERE] if everything else revisions)
    with open_history(boundary.warn) as history, CommitDiffs(pathspecs, renames=False) as limited:
        met = _MatchedGlobs(globs)
        found = met.watch(islice(find_logged(history, limited, tips, pathspecs, globs), limit))
        if as_json:
            echo_json([_logged_json(*one) for one in found])
        else:
            color = uses_color()
            print_paged((_render_lines if oneline else _render_log)(found, color=color))
        if pathspecs and limit != 0 and not history.reader.has_found:
            raise UsageError(
                f"no commit has a checkpoint there: {' '.join(pathspecs)}",
                hint="Checkpoints are files that Git-Theta has stored: git theta ls-files",
            )
        if limit is None and (unmatched := met.list_unmatched()):
            boundary.warn(
                f"no commit there changed a parameter that matches {' '.join(map(repr, unmatched))}",
                hint="The names of a version: git theta show REV:PATH --parameters",
            )


class _MatchedGlobs:
    """Which globs match no name of all that was logged."""

    def __init__(self, globs: Sequence[str]) -> None:
        self._left = {glob: name_matcher([glob]) for glob in globs}
        self._is_over = False

    def watch(self, found: Iterable[LoggedAlarms]) -> Iterator[LoggedAlarms]:
        """The same, looked at on the way."""
        for logged, alarms in found:
            for change in (change for one in logged.touched for change in one.changes) if self._left else ():
                names = change.names
                self._left = {glob: matches for glob, matches in self._left.items() if not any(map(matches, names))}
            yield logged, alarms
        self._is_over = True

    def list_unmatched(self) -> list[str]:
        """The globs that matched nothing; none where nobody read to the end."""
        return list(self._left) if self._is_over else []


def _render_log(found: Iterable[LoggedAlarms], *, color: bool) -> Iterator[str]:
    for number, (logged, alarms) in enumerate(found):
        lines = [*render_commit(logged.commit, color=color), ""]
        for one in logged.touched:
            lines += _render_touched(one)
        for alarm in alarms:
            lines.append(paint(f" note: {escape_unprintable(describe_alarm(alarm))}", _RED if color else ""))
        yield ("\n" if number else "") + "".join(f"{line}\n" for line in lines)


def _render_lines(found: Iterable[LoggedAlarms], *, color: bool) -> Iterator[str]:
    """As ``git log --oneline``, with what each commit did to the checkpoints behind its subject."""
    for logged, alarms in found:
        commit = logged.commit
        oid = paint(commit.oid[:OID_DIGITS], _YELLOW if color else "")
        refs = f"({escape_unprintable(commit.refs)}) " if commit.refs else ""
        done = "; ".join(
            f"{escape_unprintable(one.path)}: {_describe_counts(one)}" for one in logged.touched[:_MAX_NAMED]
        )
        more = f"; and {len(logged.touched) - _MAX_NAMED:,} more files" if len(logged.touched) > _MAX_NAMED else ""
        note = paint(f" ({pluralize(len(alarms), 'note')})", _RED if color else "") if alarms else ""
        yield f"{oid} {refs}{escape_unprintable(commit.subject)} [{done}{more}]{note}\n"


def render_commit(commit: Commit, *, color: bool) -> Iterator[str]:
    """The lines that say which commit it is, as ``git log`` has them."""
    refs = f" ({escape_unprintable(commit.refs)})" if commit.refs else ""
    yield paint(f"commit {commit.oid}{refs}", _YELLOW if color else "")
    if len(commit.parents) > 1:
        yield f"Merge:  {' '.join(parent[:7] for parent in commit.parents)}"
    yield f"Author: {escape_unprintable(f'{commit.author} <{commit.email}>')}"
    yield f"Date:   {escape_unprintable(commit.date)}"
    yield ""
    yield f"    {escape_unprintable(commit.subject)}"
    if commit.boundary:
        yield ""
        yield "    (a shallow clone ends here: everything counts as added)"


def _render_touched(one: CheckpointChange) -> Iterator[str]:
    name = escape_unprintable(f"{one.was} => {one.path}" if one.was else one.path)
    yield f" {name}: {_describe_counts(one)}"
    for change in one.changes[:_MAX_NAMED]:
        yield f"   {_format_change(change)}"
    if len(one.changes) > _MAX_NAMED:
        yield f"   and {len(one.changes) - _MAX_NAMED:,} more"


def _describe_counts(one: CheckpointChange) -> str:
    if one.pieces:
        return f"kept whole: {describe_pieces(one.pieces)}; {humanize_size(one.stored)} stored"
    of = f" of {pluralize(one.parameters, 'parameter')}" if one.parameters else ""
    words = format_counts(_count_by_status(one)) or "no parameter changed, only what is around them"
    return f"{words}{of if one.changes else ''}; {humanize_size(one.stored)} stored"


def _count_by_status(one: CheckpointChange) -> dict[ChangeStatus, int]:
    found = Counter(change.status for change in one.changes)
    return {status: found[status] for status in ChangeStatus if found[status]}


_SIGNS = {ChangeStatus.ADDED: "+", ChangeStatus.REMOVED: "-", ChangeStatus.RENAMED: ">", ChangeStatus.MOVED: ">"}


def _format_change(change: Change) -> str:
    sign = _SIGNS.get(change.status, "~")
    if change.status is ChangeStatus.RENAMED and change.before:
        return f"{sign} {escape_unprintable(change.name)} (was {escape_unprintable(change.before.name)})"
    return f"{sign} {escape_unprintable(change.name)}"


def _logged_json(logged: LogEntry[Commit], alarms: Sequence[Alarm]) -> dict[str, Any]:
    return {
        **commit_json(logged.commit),
        "parents": list(logged.commit.parents),
        "checkpoints": [_touched_json(one) for one in logged.touched],
        "stored": sum(one.stored for one in logged.touched),
        "alarms": [alarm_json(alarm) for alarm in alarms],
    }


def _touched_json(one: CheckpointChange) -> dict[str, Any]:
    counts = Counter(change.status for change in one.changes)
    return {
        "path": one.path,
        "was": one.was or None,
        "parameters": one.parameters,
        "counts": {status.value: counts[status] for status in ChangeStatus if status is not ChangeStatus.UNCHANGED},
        "rest": one.rest,
        "stored": one.stored,
        "pieces": one.pieces and {"total": one.pieces.pieces, "differing": one.pieces.differing},
        "changes": [
            {
                "name": change.name,
                "was": change.before.name if change.status is ChangeStatus.RENAMED and change.before else None,
                "status": change.status.value,
                "also": list(change.also),
            }
            for change in one.changes
        ],
    }
