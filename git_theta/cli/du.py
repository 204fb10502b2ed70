"""``git theta du``: what takes space in the store, and for what."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary
from git_theta.cli.listing import display_path, echo_json, echo_line, json_option
from git_theta.errors import ThetaError, UsageError
from git_theta.globs import escape_path
from git_theta.operations.keeping.usage import UsageRow, UsageTable
from git_theta.repository.keeping.object_roots import find_needed_objects
from git_theta.repository.keeping.store_usage import (
    StoreTotals,
    UsageKey,
    clone_objects,
    measure_selection,
    measure_store,
)
from git_theta.repository.sharing.object_selection import ObjectSelection
from git_theta.repository.stores.object_stores import open_store
from git_theta.store.base import Store
from git_theta.vcs.commits import Commit, describe_commits
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.revisions import OID_DIGITS
from git_theta.words import escape_unprintable, humanize_size, pluralize


class SpaceReport(NamedTuple):
    """What is told.

    Attributes:
        by, table: what rows are for, and they.
        everything: whether they are of every version that there is.
        here: bytes of the table's objects that can be read here.
        clone: the objects, oid to size, that a clone of HEAD fetches; None without a commit.
        store: what the repository has; None where what nothing needs cannot be told.
    """

    by: UsageKey
    table: UsageTable
    everything: bool
    here: int
    clone: Mapping[str, int] | None
    store: StoreTotals | None


@click.command
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--rev", "revision", metavar="REV", help="The files of this version, or of a range (default HEAD).")
@click.option("--all", "everything", is_flag=True, help="Every version that anything reaches.")
@click.option(
    "--by",
    type=click.Choice(["checkpoint", "commit", "update"]),
    default="checkpoint",
    help="What a row is for (default checkpoint).",
)
@json_option
def command(paths: tuple[str, ...], revision: str | None, everything: bool, by: UsageKey, as_json: bool) -> None:
    """Show what takes space in the store.

    A row for each checkpoint, with the bytes that it needs as they are stored, and those that it alone needs; for each
    commit of the history, with the new bytes that it brought; or for each kind of update. PATH is a file, a folder, or
    a glob. Below: what a clone of HEAD downloads, what all versions take here, and what nothing needs.
    """
    if everything and revision is not None:
        raise UsageError("--all takes every version already: leave --rev out")
    repository = discover_repository()
    selection = ObjectSelection(
        () if revision is None else (revision,), everything, include=_list_globs(paths, repository)
    )
    report = _measure_space(selection, by, repository)
    if as_json:
        echo_json(_describe_json(report))
    else:
        for line in _render_report(report, repository):
            echo_line(line)


def _measure_space(selection: ObjectSelection, by: UsageKey, repository: Repository) -> SpaceReport:
    told = set[str]()

    def warn(error: ThetaError) -> None:
        if str(error) not in told:  # each manifest is met more than once
            boundary.warn_of(error)
        told.add(str(error))

    table = measure_selection(selection, by, warn)
    if selection.include and not table.objects:
        boundary.warn("nothing that is versioned matches", hint="What there is: git theta ls-files")
    here = _sum_present(table.objects, open_store(repository))
    clone = clone_objects(warn)
    try:
        store = measure_store(repository, find_needed_objects(repository))
    except ThetaError as error:
        boundary.warn(f"what nothing needs cannot be told: {error}", hint=error.hint)
        store = None
    return SpaceReport(by, table, selection.everything and not selection.include, here, clone, store)


def _list_globs(paths: Sequence[str], repository: Repository) -> list[str]:
    """Paths of the current folder as globs from the top: a file, all that is in a folder, or what a glob matches."""
    top = repository.worktree or Path.cwd()
    globs = []
    for path in paths:
        inside = Path(os.path.relpath(Path(path).absolute(), top.absolute())).as_posix()
        if inside.startswith("../") or inside == "..":
            raise UsageError(f"{path} is outside of the worktree")
        if inside == ".":
            return []
        if any(letter in path for letter in "*?[") and not os.path.lexists(path):
            parent, _, name = inside.rpartition("/")
            globs.append(f"/{inside}" if "/" in path else "/".join(filter(None, (parent, "**", name))))
        else:
            globs += [escape_path(inside), f"{escape_path(inside)}/**"]
    return globs


def _sum_present(objects: Mapping[str, int], store: Store) -> int:
    return sum(size for oid, size in objects.items() if store.size(oid) == size)


def _render_report(report: SpaceReport, repository: Repository) -> Iterator[str]:
    yield from _render_table(report, _name_rows(report, repository))
    if report.clone is not None:
        size = humanize_size(sum(report.clone.values()))
        yield f"a clone of HEAD downloads {size}, {pluralize(len(report.clone), 'object')}"
    if report.store is not None:
        has = report.store
        yield f"this repository's store has {humanize_size(has.bytes)}, {pluralize(has.objects, 'object')}"
        if has.unneeded:
            rest = f"{humanize_size(has.unneeded_bytes)} of that, {pluralize(has.unneeded, 'object')}"
            yield f"nothing needs {rest}: git theta gc -n tells what of it is old enough to go"


def _render_table(report: SpaceReport, names: Mapping[str, str]) -> Iterator[str]:
    """A heading, the rows and the total. Of commits and updates, none shares what it has."""
    table, total = report.table, sum(report.table.objects.values())
    shares = report.by == "checkpoint"

    def join_columns(size: str, alone: str, rest: str) -> str:
        return f"{size:>9}{f'{alone:>10}' if shares else ''}  {rest}"

    if table.rows:
        yield join_columns("size", "alone", report.by)
    for row in _sort_rows(report):
        yield join_columns(humanize_size(row.bytes), humanize_size(row.alone), escape_unprintable(names[row.label]))
    missing = f", {humanize_size(total - report.here)} of it not here" if total > report.here else ""
    what = f"total, {pluralize(len(table.objects), 'object')}{missing}"
    yield join_columns(humanize_size(total), humanize_size(total - table.shared), what)


def _sort_rows(report: SpaceReport) -> list[UsageRow]:
    """The largest first; commits as they came."""
    rows = report.table.rows
    return rows if report.by == "commit" else sorted(rows, key=lambda row: (-row.bytes, row.label))


def _name_rows(report: SpaceReport, repository: Repository) -> dict[str, str]:
    """What each label is called."""
    labels = [row.label for row in report.table.rows]
    if report.by == "checkpoint":
        top = repository.worktree
        return {path: display_path(path, top) if top else path for path in labels}
    if report.by == "update":
        rest = "for no version" if report.everything else "for other versions"
        return {kind: kind or f"in the same objects, {rest}" for kind in labels}
    commits = describe_commits([oid for oid in labels if oid])
    return {"": "in no commit", **{oid: _name_commit(one) for oid, one in commits.items()}}


def _name_commit(commit: Commit) -> str:
    return f"{commit.oid[:OID_DIGITS]} {commit.date} {commit.subject}"


def _describe_json(report: SpaceReport) -> dict[str, Any]:
    table, clone, store = report.table, report.clone, report.store
    return {
        "by": report.by,
        "rows": [_row_json(row, report.by) for row in _sort_rows(report)],
        "total": {
            "objects": len(table.objects),
            "bytes": sum(table.objects.values()),
            "shared": table.shared,
            "here": report.here,
        },
        "clone": None if clone is None else {"objects": len(clone), "bytes": sum(clone.values())},
        "store": store and {"objects": store.objects, "bytes": store.bytes},
        "unneeded": store and {"objects": store.unneeded, "bytes": store.unneeded_bytes},
    }


def _row_json(row: UsageRow, by: UsageKey) -> dict[str, Any]:
    return {
        by: row.label or None,
        "items": row.items,
        "objects": row.objects,
        "bytes": row.bytes,
        "alone": row.alone,
    }
