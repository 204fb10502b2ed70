"""``git theta blame``: for each parameter, the commit that last changed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, json_option
from git_theta.cli.pager import paged
from git_theta.cli.revision_arguments import Separated, behind
from git_theta.diffing.base import Place
from git_theta.errors import UsageError
from git_theta.globs import name_matcher
from git_theta.manifest.model import Entry, View
from git_theta.operations.comparing.parameter_history import Blamed, blame
from git_theta.repository.checkpoint_lookup import Checkpoint, checkpoint
from git_theta.repository.version_history import commit_json, past
from git_theta.vcs.commits import Commit
from git_theta.vcs.commits import commits as walked
from git_theta.vcs.discovery import discover
from git_theta.vcs.git import succeeds
from git_theta.vcs.revisions import commit_ids
from git_theta.words import printable

_SHORT = 8
_SUBJECT = 60
_WIDEST = 120  # columns of a name that others are lined up with


@click.command(cls=Separated)
@click.argument("words", nargs=-1, metavar="PATH [REVISION]")
@click.option("-p", "globs", multiple=True, metavar="GLOB", help="These parameters alone.")
@json_option
def command(words: tuple[str, ...], globs: tuple[str, ...], as_json: bool) -> None:
    """Show for each parameter the commit that last changed it.

    PATH is a checkpoint, or the index of its shards, as it is at REVISION (HEAD by default); Git's order, REVISION --
    PATH, is taken too. Files are followed through renames, and so are parameters whose bytes stayed the same. Of a
    merge, the first parent with the same bytes is looked at next. No tensor is read.
    """
    discover()
    revision, path = _asked(words)
    (tip,) = commit_ids([revision])[:1]
    with past(boundary.warn) as history:
        found = checkpoint(history.blobs, revision, path)
        places = _places(found, globs)
        blamed = blame(places, walked([tip]), history.diffs.between, history.reader)
    if as_json:
        echo_json([_json(one) for one in blamed])
    else:
        paged(_text(blamed))


def _asked(words: Sequence[str]) -> tuple[str, str]:
    """Revision and path. Without ``--`` the path comes first, unless the first word can only be a revision."""
    paths = behind()
    if paths is not None:
        words = [*paths, *words]
    elif len(words) == 2 and not Path(words[0]).exists() and _is_revision(words[0]):
        words = words[::-1]
    if not 1 <= len(words) <= 2 or (paths is not None and len(paths) != 1):
        raise UsageError("one file, and at most one revision", hint="git theta blame PATH [REVISION]")
    return (words[1] if len(words) == 2 else "HEAD"), words[0]


def _is_revision(word: str) -> bool:
    return succeeds("rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}")


def _places(found: Checkpoint, globs: Sequence[str]) -> list[Place]:
    """Every name of every parameter that is meant."""
    matches = name_matcher(globs) if globs else None
    places = [
        Place(shard.path, name, entry)
        for shard in found.shards
        for entry in shard.manifest.parameters()
        for name in dict.fromkeys([entry.name or "", *(view.name for view in entry.views)])
        if matches is None or matches(name)
    ]
    if not places:
        raise UsageError(f"no parameter of {found.path} matches", hint=f"Its names: git theta show {found.path}")
    return places


def _text(blamed: Sequence[Blamed[Commit]]) -> Iterator[str]:
    """Lines like git blame's: id, file if it is not the same for all, author and date, the parameter; and why."""
    files = {one.path for one in blamed} | {one.place.path for one in blamed}
    rows = [_row(one, with_file=len(files) > 1) for one in blamed]
    widths = [min(_WIDEST, max(map(len, column))) for column in zip(*rows, strict=True)]
    for row in rows:
        yield " ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"


def _row(one: Blamed[Commit], *, with_file: bool) -> list[str]:
    oid = f"^{one.commit.oid[: _SHORT - 1]}" if one.commit.boundary else one.commit.oid[:_SHORT]
    was = f" (was {printable(one.name)})" if one.name != one.place.name else ""
    file = [printable(one.path)] if with_file else []
    return [
        oid,
        *file,
        f"({printable(one.commit.author)}",
        f"{_date(one.commit.time)})",
        f"{printable(one.place.name)}{was}",
        printable(one.commit.subject)[:_SUBJECT],
    ]


def _named(place: Place) -> Entry | View:
    """The view, or the entry, that has this name."""
    return next((view for view in place.entry.views if view.name == place.name), place.entry)


def _date(time: str) -> str:
    """Strict ISO 8601 as git blame prints it: ``2005-04-07 15:13:13 -0700``."""
    return f"{time[:10]} {time[11:19]} {time[19:].replace(':', '')}"


def _json(one: Blamed[Commit]) -> dict[str, Any]:
    return {
        "name": one.place.name,
        "path": one.place.path,
        "dtype": _named(one.place).dtype,
        "shape": list(_named(one.place).shape),
        "oid": one.place.entry.oid,
        **commit_json(one.commit),
        "path_there": one.path,
        "name_there": one.name,
    }
