"""``git theta map``: several versions of a checkpoint in weight space."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary
from git_theta.cli.diff_output import width
from git_theta.cli.listing import json_option
from git_theta.cli.pager import colored, paged
from git_theta.cli.progress import Meter
from git_theta.cli.revision_arguments import Separated, split
from git_theta.diffing.intersection import family
from git_theta.diffing.weight_map import Map
from git_theta.errors import UsageError
from git_theta.operations.comparing.version_map import chart, to_read
from git_theta.repository.checkpoint_lookup import from_top
from git_theta.repository.map_versions import asked, base_of, read
from git_theta.repository.opening import open_desk
from git_theta.repository.version_history import past
from git_theta.vcs.discovery import discover

_UNREADABLE = 2


class _Options(NamedTuple):
    """What is measured from where, and in which forms it is shown."""

    base: str | None
    globs: tuple[str, ...]
    as_json: bool
    html: Path | None
    png: Path | None


@click.command(cls=Separated)
@click.argument("words", nargs=-1, metavar="REVISION... [--] PATH")
@click.option("--base", metavar="REVISION", help="Measure from this version, not from the merge base.")
@click.option("-p", "globs", multiple=True, metavar="GLOB", help="Parameters of these names alone; can be repeated.")
@json_option
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page.")
@click.option("--png", type=click.Path(path_type=Path), metavar="FILE", help="Write a picture.")
def command(words: tuple[str, ...], **given: Any) -> int:
    """Show several versions of a checkpoint in weight space.

    Distances between the versions, cosines between their task vectors (what each changed since the base), clusters, and
    a plane that shows them. REVISION is a branch, tag or commit; a range such as A..B stands for every commit in it
    that changed the checkpoint. PATH may be the index of shards.
    """
    options = _Options(**given)
    for file in (options.html, options.png):
        if file and (not file.absolute().parent.is_dir() or file.is_dir()):
            raise UsageError("cannot be written there", hint="Name a file in a folder that is there.", path=str(file))
    found = _charted(words, options)
    _show(found, options)
    return _UNREADABLE if found.failures else 0


def _charted(words: Sequence[str], options: _Options) -> Map:
    revisions, paths = split(words)
    if len(paths) != 1:
        raise UsageError("a map is of one checkpoint", hint="Name it last: git theta map REVISION... -- PATH")
    (path,), repository, meter = paths, discover(), Meter()
    keep = _kept(options.globs)
    with past(boundary.warn) as history:
        wanted = asked(history.blobs, revisions, path, boundary.warn)
        base = base_of(wanted, options.base)
        origin, versions = read(history.blobs, wanted.versions, base, path, named=options.base is not None)
    common = family([origin.shards, *(version.shards for version in versions)], keep)
    if options.globs and not (common.shared or common.left_out):
        raise UsageError(f"no parameter of {path} matches", hint=f"Its names: git theta show {path} --parameters")
    members = [version.member for version in versions]
    with open_desk(repository, boundary.warn, meter) as desk, meter.during("Measuring", to_read(common)):
        return chart(from_top(path), origin.member, members, common, desk, merge_base=options.base is None)


def _kept(globs: Sequence[str]) -> Callable[[str], bool]:
    """Whether a parameter is called so. Raises UsageError for what is no glob."""
    if not globs:
        return lambda _: True
    from git_theta.globs import name_matcher

    return name_matcher(globs)


def _show(found: Map, options: _Options) -> None:
    from git_theta.vcs import atomic

    if options.html:
        from git_theta.diffing.render.map_page import page

        atomic.replace(options.html, page(found).encode())
    if options.png:
        from git_theta.diffing.render.map_png import image

        atomic.replace(options.png, image(found))
    if options.as_json:
        from git_theta.diffing.render.map_json import document

        paged(json.dumps(document(found), indent=2, allow_nan=False) + "\n")
    elif not (options.html or options.png):
        from git_theta.diffing.render.map_text import render

        paged(render(found, color=colored("color.diff"), width=width()))
