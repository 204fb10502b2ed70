"""``git theta diff``: how checkpoints differ between two versions, parameter by parameter."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary, diff_output
from git_theta.cli.cluster_option import on_option
from git_theta.cli.measure_option import measure_option
from git_theta.cli.output_files import require_writable
from git_theta.cli.pager import print_paged, uses_color
from git_theta.cli.progress import Meter
from git_theta.cli.revision_arguments import RevisionCommand, split_pathspecs
from git_theta.diffing.base import Comparison, Report
from git_theta.diffing.measures.base import MEASURES
from git_theta.errors import UsageError
from git_theta.operations.comparing.diff_report import MEASURE_SORTS, SORTS, build_report
from git_theta.operations.context import Context
from git_theta.repository.clustering.clusters import reach_cluster, require_address
from git_theta.repository.comparing.changed_files import Remark, bytes_to_measure
from git_theta.repository.comparing.chosen_measures import choose_measures
from git_theta.repository.comparing.version_differences import ChangeMatcher, change_matcher, find_differences
from git_theta.repository.history.checkpoint_lookup import refuse_globs
from git_theta.repository.stores.opening import open_context
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.raw_diff import VersionRange, parse_range
from git_theta.words import pluralize, suggest_names

_EXIT_DIFFERENT = 1
_EXIT_UNREADABLE = 2


class _DiffOptions(NamedTuple):
    """What is shown of what differs, and how."""

    globs: tuple[str, ...]
    stat: bool
    name_only: bool
    as_json: bool
    html: Path | None
    png: Path | None
    sort: str
    limit: int | None
    measures: tuple[str, ...]
    exit_code: bool
    cluster: str

    @property
    def reads_values(self) -> bool:
        """Whether tensors have to be read."""
        return not (self.stat or self.name_only) or bool(self.html or self.png)


@click.command(cls=RevisionCommand)
@click.argument("words", nargs=-1, metavar="[A [B]] [--] [PATHSPEC]...")
@click.option("--cached", "--staged", "cached", is_flag=True, help="Compare what is staged, with HEAD or with A.")
@click.option("-p", "globs", multiple=True, metavar="GLOB", help="Parameters of these names alone; can be repeated.")
@click.option("--stat", is_flag=True, help="Bytes stored for each parameter; no values are read.")
@click.option("--name-only", is_flag=True, help="Paths and names of parameters; no values are read.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page.")
@click.option("--png", type=click.Path(path_type=Path), metavar="FILE", help="Write a picture.")
@click.option(
    "--sort", default="file", metavar="ORDER", help="Order of parameters (default file); that of a measure measures it."
)
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Show N parameters of each checkpoint.")
@measure_option
@on_option
@click.option("--exit-code", is_flag=True, help="Exit 1 where anything differs.")
def command(words: tuple[str, ...], cached: bool, **given: Any) -> int:
    """Show how checkpoints differ, parameter by parameter.

    As with `git diff`: without a revision the worktree is compared with the index, with one (A) with that, with two
    (or A..B) both with each other, with A...B what B did since it left A.
    """
    options = _DiffOptions(**given)
    _check_options(options)
    os.environ.setdefault(*UNTHREADED)
    if options.reads_values:
        sorted_by = () if options.sort in SORTS else (options.sort,)
        options = options._replace(measures=choose_measures((*options.measures, *sorted_by)))
    revisions, pathspecs = split_pathspecs(words)
    span = parse_range(revisions, cached=cached)
    repository, meter = discover_repository(), Meter()
    keep = change_matcher(options.globs)
    with (
        open_context(repository, boundary.warn, meter) as opened,
        reach_cluster(options.cluster, repository, opened) as context,
    ):
        found, others = find_differences(span, pathspecs, repository, context)
        _require_match(found.comparisons, options.globs, keep)
        with meter.show_work("Comparing", bytes_to_measure(found.comparisons, keep) if options.reads_values else None):
            reports = _make_reports(found.comparisons, span, context, options, keep)
    if others and not reports and not found.remarks:
        boundary.say(f"no checkpoint differs; `git diff` shows {pluralize(others, 'other file')}")
    _write_exports(reports, options, title=f"{span.labels[0]} and {span.labels[1]}")
    _print_reports(reports, found.remarks, options)
    if any(report.failures for report in reports):
        return _EXIT_UNREADABLE
    return _EXIT_DIFFERENT if options.exit_code and (reports or found.remarks) else 0


def _require_match(comparisons: Sequence[Comparison], globs: Sequence[str], keep: ChangeMatcher) -> None:
    """Raise UsageError where no parameter, changed or not, is has a name that the globs match."""
    if globs and comparisons and not any(keep(change) for one in comparisons for change in one.changes):
        path = comparisons[0].path
        refuse_globs(path)


def _check_options(options: _DiffOptions) -> None:
    """Raise UsageError for what cannot be done, before anything is."""
    if options.stat + options.name_only + options.as_json > 1:
        raise UsageError("--stat, --name-only and --json exclude each other", hint="Run it once for each.")
    require_address(options.cluster)
    known = [*SORTS, *MEASURES.list_names()]
    if options.sort not in known:
        raise UsageError(f"--sort: {options.sort!r} is no order", hint=suggest_names(options.sort, known))
    if options.measures and not options.reads_values:
        raise UsageError("--stat and --name-only read no values to measure", hint="Leave --measure out.")
    if (options.sort in MEASURE_SORTS or options.sort not in SORTS) and not options.reads_values:
        raise UsageError(f"--stat and --name-only read no values to sort by {options.sort}", hint="Leave one out.")
    require_writable(options.html, options.png)


def _make_reports(
    comparisons: Sequence[Comparison], span: VersionRange, context: Context, options: _DiffOptions, keep: ChangeMatcher
) -> list[Report]:
    reports = [
        build_report(
            one,
            context,
            labels=span.labels,
            values=options.reads_values,
            keep=keep,
            sort=options.sort,
            limit=options.limit,
            measures=options.measures,
        )
        for one in comparisons
    ]
    # What is no parameter has no name to be asked for by.
    return [one for one in reports if one.rows or one.limited or (one.comparison.rest_changed and not options.globs)]


def _print_reports(reports: Sequence[Report], remarks: Sequence[Remark], options: _DiffOptions) -> None:
    if options.as_json:
        print_paged(diff_output.format_json(reports, remarks))
    elif options.name_only:
        print_paged(diff_output.format_names(reports, remarks))
    elif options.stat:
        print_paged(diff_output.format_stat(reports, remarks, color=uses_color("color.diff")))
    elif not (options.html or options.png):
        print_paged(diff_output.format_diffs(reports, remarks, color=uses_color("color.diff")))
    for hint in dict.fromkeys(remark.hint for remark in remarks):
        boundary.say_hint(hint)


def _write_exports(reports: Sequence[Report], options: _DiffOptions, title: str) -> None:
    """The files that were asked for."""
    from git_theta.vcs import atomic

    if options.html:
        from git_theta.diffing.render.report_page import render_page

        atomic.replace_file(options.html, render_page(reports, title).encode())
    if options.png:
        from git_theta.diffing.render.report_png import render_image

        atomic.replace_file(options.png, render_image(reports))
