"""``git theta map``: several versions of a checkpoint in weight space."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary
from git_theta.cli.diff_output import terminal_width
from git_theta.cli.listing import json_option
from git_theta.cli.measure_option import measure_option
from git_theta.cli.output_files import require_writable
from git_theta.cli.pager import print_paged, uses_color
from git_theta.cli.progress import Meter
from git_theta.cli.revision_arguments import RevisionCommand, split_known
from git_theta.diffing.weight_map import WeightMap
from git_theta.errors import UsageError
from git_theta.repository.comparing.chosen_measures import choose_measures
from git_theta.repository.history.checkpoint_lookup import choose_path
from git_theta.repository.history.map_versions import MapRequest, chart_versions
from git_theta.vcs.discovery import discover_repository

_EXIT_UNREADABLE = 2


class _MapOptions(NamedTuple):
    """What is measured from where, and in which forms it is shown."""

    base: str | None
    globs: tuple[str, ...]
    measures: tuple[str, ...]
    as_json: bool
    html: Path | None
    png: Path | None


@click.command(cls=RevisionCommand)
@click.argument("words", nargs=-1, metavar="REVISION... [--] [PATH]")
@click.option("--base", metavar="REVISION", help="Measure from this version, not from the merge base.")
@click.option("-p", "globs", multiple=True, metavar="GLOB", help="Parameters of these names alone; can be repeated.")
@measure_option
@json_option
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page.")
@click.option("--png", type=click.Path(path_type=Path), metavar="FILE", help="Write a picture.")
def command(words: tuple[str, ...], **given: Any) -> int:
    """Show several versions of a checkpoint in weight space.

    Distances between the versions, cosines between their task vectors (what each changed since the base), clusters, and
    a plane that shows them. REVISION is a branch, tag or commit; a range such as A..B stands for every commit in it
    that changed the checkpoint. PATH may be the index of shards; without it, the first version has to have one
    checkpoint alone.
    """
    options = _MapOptions(**given)
    require_writable(options.html, options.png)
    found = _chart_versions(words, options)
    _print_map(found, options)
    return _EXIT_UNREADABLE if found.failures else 0


def _chart_versions(words: Sequence[str], options: _MapOptions) -> WeightMap:
    repository = discover_repository()
    revisions, paths = split_known(words)
    if len(paths) > 1 or not revisions:
        raise UsageError("a map is of versions of one checkpoint", hint="git theta map REVISION... [-- PATH]")
    path = choose_path(paths, revisions[0])
    request = MapRequest(revisions, path, options.base, options.globs, choose_measures(options.measures))
    return chart_versions(request, repository, boundary.warn, Meter())


def _print_map(found: WeightMap, options: _MapOptions) -> None:
    from git_theta.vcs import atomic

    if options.html:
        from git_theta.diffing.render.map_page import render_map_page

        atomic.replace_file(options.html, render_map_page(found).encode())
    if options.png:
        from git_theta.diffing.render.map_png import render_map_image

        atomic.replace_file(options.png, render_map_image(found))
    if options.as_json:
        from git_theta.diffing.render.map_json import render_map_json

        print_paged(json.dumps(render_map_json(found), indent=2, allow_nan=False) + "\n")
    elif not (options.html or options.png):
        from git_theta.diffing.render.map_text import render_map

        print_paged(render_map(found, color=uses_color("color.diff"), width=terminal_width()))
