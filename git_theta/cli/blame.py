"""``git theta blame``: for each parameter, the commit that last changed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, json_option
from git_theta.cli.pager import print_paged
from git_theta.cli.revision_arguments import RevisionCommand, explicit_paths
from git_theta.errors import UsageError
from git_theta.operations.comparing.parameter_blame import ParameterBlame
from git_theta.repository.history.checkpoint_blame import blame_checkpoint, spec_named
from git_theta.repository.history.checkpoint_lookup import path_from_top
from git_theta.repository.history.version_history import commit_json, open_history
from git_theta.vcs.commits import Commit
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.revisions import find_commit
from git_theta.words import escape_unprintable

_OID_DIGITS = 8
_SUBJECT_LENGTH = 60
_MAX_COLUMN = 120  # columns of a name that others are lined up with


@click.command(cls=RevisionCommand)
@click.argument("words", nargs=-1, metavar="PATH [REVISION]")
@click.option("-p", "globs", multiple=True, metavar="GLOB", help="These parameters alone.")
@json_option
def command(words: tuple[str, ...], globs: tuple[str, ...], as_json: bool) -> None:
    """Show for each parameter the commit that last changed it.

    PATH is a checkpoint, or the index of its shards, as it is at REVISION (HEAD by default); Git's order, REVISION --
    PATH, is taken too. Files are followed through renames, and so are parameters whose bytes stayed the same. Of a
    merge, the first parent with the same bytes is looked at next. No tensor is read, but of versions kept whole.
    """
    discover_repository()
    revision, path = _parse_words(words)
    with open_history(boundary.warn) as history:
        blamed = blame_checkpoint(history, revision, path_from_top(path), globs)
    if as_json:
        echo_json([_blame_json(one) for one in blamed])
    else:
        print_paged(_render_blame(blamed))


def _parse_words(words: Sequence[str]) -> tuple[str, str]:
    """Revision and path. Without ``--`` the path comes first, unless the first word can only be a revision."""
    paths = explicit_paths()
    if paths is not None:
        words = [*paths, *words]
    elif len(words) == 2 and not Path(words[0]).exists() and _is_revision(words[0]):
        words = words[::-1]
    if not 1 <= len(words) <= 2 or (paths is not None and len(paths) != 1):
        raise UsageError("one file, and at most one revision", hint="git theta blame PATH [REVISION]")
    return (words[1] if len(words) == 2 else "HEAD"), words[0]


def _is_revision(word: str) -> bool:
    return bool(find_commit(word))


def _render_blame(blamed: Sequence[ParameterBlame[Commit]]) -> Iterator[str]:
    """Lines like git blame's: id, file if it is not the same for all, author and date, the parameter; and why."""
    files = {one.path for one in blamed} | {one.place.path for one in blamed}
    rows = [_format_row(one, with_file=len(files) > 1) for one in blamed]
    widths = [min(_MAX_COLUMN, max(map(len, column))) for column in zip(*rows, strict=True)]
    for row in rows:
        yield " ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"


def _format_row(one: ParameterBlame[Commit], *, with_file: bool) -> list[str]:
    oid = f"^{one.commit.oid[: _OID_DIGITS - 1]}" if one.commit.boundary else one.commit.oid[:_OID_DIGITS]
    was = f" (was {escape_unprintable(one.name)})" if one.name != one.place.name else ""
    file = [escape_unprintable(one.path)] if with_file else []
    return [
        oid,
        *file,
        f"({escape_unprintable(one.commit.author)}",
        f"{_format_date(one.commit.time)})",
        f"{escape_unprintable(one.place.name)}{was}",
        escape_unprintable(one.commit.subject)[:_SUBJECT_LENGTH],
    ]


def _format_date(time: str) -> str:
    """Strict ISO 8601 as git blame prints it: ``2005-04-07 15:13:13 -0700``."""
    return f"{time[:10]} {time[11:19]} {time[19:].replace(':', '')}"


def _blame_json(one: ParameterBlame[Commit]) -> dict[str, Any]:
    return {
        "name": one.place.name,
        "path": one.place.path,
        "dtype": spec_named(one.place).dtype,
        "shape": list(spec_named(one.place).shape),
        "oid": one.place.entry.oid,
        **commit_json(one.commit),
        "path_there": one.path,
        "name_there": one.name,
    }
