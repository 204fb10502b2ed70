"""``git theta diff``: how checkpoints differ between two versions, parameter by parameter."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary, diff_output
from git_theta.cli.pager import colored, paged
from git_theta.cli.progress import Meter
from git_theta.cli.revision_arguments import Separated, split
from git_theta.diffing.base import Change, Comparison, Report
from git_theta.errors import UsageError
from git_theta.operations.comparing.diff_report import MEASURED, SORTS, diff
from git_theta.operations.context import Desk
from git_theta.repository.changed_files import Differing, Remark, differing, read, to_read
from git_theta.repository.opening import open_desk
from git_theta.repository.sibling_shards import siblings
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs.discovery import Repository, discover
from git_theta.vcs.raw_diff import Range, pairs, spanned
from git_theta.words import count

Keep = Callable[[Change], bool]
"""Whether a change was asked for."""

_IN_CONFLICT = ("in conflict: see git theta status",)
_DIFFERENT = 1
_UNREADABLE = 2


class _Options(NamedTuple):
    """What is shown of what differs, and how."""

    globs: tuple[str, ...]
    stat: bool
    name_only: bool
    as_json: bool
    html: Path | None
    png: Path | None
    sort: str
    limit: int | None
    exit_code: bool

    @property
    def values(self) -> bool:
        """Whether tensors have to be read."""
        return not (self.stat or self.name_only) or bool(self.html or self.png)


@click.command(cls=Separated)
@click.argument("words", nargs=-1, metavar="[A [B]] [--] [PATHSPEC]...")
@click.option("--cached", "--staged", "cached", is_flag=True, help="Compare what is staged, with HEAD or with A.")
@click.option("-p", "globs", multiple=True, metavar="GLOB", help="Parameters of these names alone; can be repeated.")
@click.option("--stat", is_flag=True, help="Bytes stored for each parameter; no values are read.")
@click.option("--name-only", is_flag=True, help="Paths and names of parameters; no values are read.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page.")
@click.option("--png", type=click.Path(path_type=Path), metavar="FILE", help="Write a picture.")
@click.option("--sort", type=click.Choice(SORTS), default="file", help="Order of parameters.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Show N parameters of each checkpoint.")
@click.option("--exit-code", is_flag=True, help="Exit 1 where anything differs.")
def command(words: tuple[str, ...], cached: bool, **given: Any) -> int:
    """Show how checkpoints differ, parameter by parameter.

    As with `git diff`: without a revision the worktree is compared with the index, with one (A) with that, with two
    (or A..B) both with each other, with A...B what B did since it left A.
    """
    options = _Options(**given)
    _check(options)
    os.environ.setdefault(*UNTHREADED)
    revisions, pathspecs = split(words)
    span = spanned(revisions, cached=cached)
    repository, meter = discover(), Meter()
    keep = _kept(options.globs)
    with open_desk(repository, boundary.warn, meter) as desk:
        found, others = _found(span, pathspecs, repository, desk)
        _require_match(found.comparisons, options.globs, keep)
        with meter.during("Comparing", to_read(found.comparisons, keep) if options.values else None):
            reports = _reports(found.comparisons, span, desk, options, keep)
    if others and not reports and not found.remarks:
        boundary.say(f"no checkpoint differs; `git diff` shows {count(others, 'other file')}")
    _write(reports, options, title=f"{span.labels[0]} and {span.labels[1]}")
    _show(reports, found.remarks, options)
    if any(report.failures for report in reports):
        return _UNREADABLE
    return _DIFFERENT if options.exit_code and (reports or found.remarks) else 0


def _require_match(comparisons: Sequence[Comparison], globs: Sequence[str], keep: Keep) -> None:
    """Raise UsageError where no parameter, changed or not, is called as was asked: its name was mistyped."""
    if globs and comparisons and not any(keep(change) for one in comparisons for change in one.changes):
        path = comparisons[0].path
        raise UsageError(f"no parameter of {path} matches", hint=f"Its names: git theta show {path} --parameters")


def _check(options: _Options) -> None:
    """Raise UsageError for what cannot be done, before anything is."""
    if options.stat + options.name_only + options.as_json > 1:
        raise UsageError("--stat, --name-only and --json exclude each other", hint="Run it once for each.")
    if options.sort in MEASURED and not options.values:
        raise UsageError(f"--stat and --name-only read no values to sort by {options.sort}", hint="Leave one out.")
    for file in (options.html, options.png):
        if file and (not file.absolute().parent.is_dir() or file.is_dir()):
            raise UsageError("cannot be written there", hint="Name a file in a folder that is there.", path=str(file))


def _found(span: Range, pathspecs: Sequence[str], repository: Repository, desk: Desk) -> tuple[Differing, int]:
    """What differs, and how many files that are no checkpoints do."""
    top = repository.worktree
    listed = pairs(span, pathspecs)
    merged = [pair for pair in listed if not pair.unmerged]
    files = read(merged, top, desk)
    related = siblings(files, span, top, all_asked=not pathspecs)
    more = read(related.differing, top, desk)
    found = differing([*files, *more], related.indexes, related.unchanged)
    conflicts = [Remark((pair.unmerged, pair.unmerged), _IN_CONFLICT) for pair in listed if pair.unmerged]
    return Differing(found.comparisons, (*found.remarks, *conflicts)), len(merged) - len(files)


def _kept(globs: Sequence[str]) -> Keep:
    """Whether a parameter is called so, at either version. Raises UsageError for what is no glob."""
    if not globs:
        return lambda _: True
    from git_theta.globs import name_matcher

    matches = name_matcher(globs)
    return lambda change: any(map(matches, {change.name, *change.also, *_former(change)}))


def _former(change: Change) -> tuple[str, ...]:
    return (change.before.name,) if change.before else ()


def _reports(comparisons: Sequence[Comparison], span: Range, desk: Desk, options: _Options, keep: Keep) -> list[Report]:
    reports = [
        diff(one, desk, labels=span.labels, values=options.values, keep=keep, sort=options.sort, limit=options.limit)
        for one in comparisons
    ]
    # What is no parameter has no name to be asked for by.
    return [one for one in reports if one.rows or one.limited or (one.comparison.rest and not options.globs)]


def _show(reports: Sequence[Report], remarks: Sequence[Remark], options: _Options) -> None:
    if options.as_json:
        paged(diff_output.as_json(reports, remarks))
    elif options.name_only:
        paged(diff_output.names(reports, remarks))
    elif options.stat:
        paged(diff_output.stat(reports, remarks, color=colored("color.diff")))
    elif not (options.html or options.png):
        paged(diff_output.pieces(reports, remarks, color=colored("color.diff")))
    for hint in dict.fromkeys(remark.hint for remark in remarks):
        boundary.say(hint, prefix="hint: ")


def _write(reports: Sequence[Report], options: _Options, title: str) -> None:
    """The files that were asked for."""
    from git_theta.vcs import atomic

    if options.html:
        from git_theta.diffing.render.report_page import page

        atomic.replace(options.html, page(reports, title).encode())
    if options.png:
        from git_theta.diffing.render.report_png import image

        atomic.replace(options.png, image(reports))
