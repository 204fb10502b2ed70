"""``git theta checkout``: manifests that stand in the worktree become the files they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from git_theta.cli import boundary
from git_theta.cli.listing import require_worktree
from git_theta.cli.progress import show_progress
from git_theta.errors import ManifestError
from git_theta.repository.hook_placing import place_hook
from git_theta.repository.opening import open_context
from git_theta.repository.tracked_files import list_tracked
from git_theta.repository.waiting_manifests import WaitingManifest, check_out, waiting_manifest
from git_theta.words import humanize_size, pluralize


@click.command
@click.argument("pathspecs", nargs=-1, metavar="[PATHSPEC]...")
def command(pathspecs: tuple[str, ...]) -> int:
    """Materialise manifests that stand in the worktree.

    All of them, or those that match a PATHSPEC; objects that are not here are fetched. What cannot be had is
    reported, the rest goes on, and the first error decides the exit code.
    """
    repository, top = require_worktree()
    place_hook(repository)
    files = list_tracked(repository, pathspecs, must_match=True)
    codes: list[int] = []
    waiting = _find_waiting([file.path for file in files], top, codes)
    total = sum(one.manifest.size for one in waiting)
    with (
        show_progress("Checking out", total, len(waiting)) as meter,
        open_context(repository, boundary.warn, meter) as context,
    ):
        written = check_out(
            waiting,
            top,
            context,
            lambda error: codes.append(boundary.report_error(error)),
            meter.begin_item,
            named=bool(pathspecs),
        )
    sizes = {one.path: one.manifest.size for one in waiting}
    click.echo(f"{pluralize(len(written), 'file')} checked out, {humanize_size(sum(sizes[path] for path in written))}")
    return next(iter(codes), 0)


def _find_waiting(paths: Sequence[str], top: Path, codes: list[int]) -> list[WaitingManifest]:
    """The manifests that stand in the place of files; what was one is reported, and its exit code added."""
    found = []
    for path in paths:
        try:
            found.append(waiting_manifest(path, top))
        except ManifestError as error:
            codes.append(boundary.report_error(error))
    return [one for one in found if one]
