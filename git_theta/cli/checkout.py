"""``git theta checkout``: manifests that stand in the worktree become the files they stand for."""

from __future__ import annotations

import click

from git_theta.cli import boundary
from git_theta.cli.listing import worktree
from git_theta.cli.progress import progress
from git_theta.repository.hook_placing import place_hook
from git_theta.repository.opening import open_desk
from git_theta.repository.tracked_files import listed
from git_theta.repository.waiting_manifests import check_out, waiting_manifest
from git_theta.words import count, size


@click.command
@click.argument("pathspecs", nargs=-1, metavar="[PATHSPEC]...")
def command(pathspecs: tuple[str, ...]) -> int:
    """Materialise manifests that stand in the worktree.

    All of them, or those that match a PATHSPEC; objects that are not here are fetched. What cannot be had is
    reported, the rest goes on, and the first error decides the exit code.
    """
    repository, top = worktree()
    place_hook(repository)
    files = listed(repository, pathspecs, must_match=True)
    waiting = [found for file in files if (found := waiting_manifest(file.path, top))]
    codes: list[int] = []
    total = sum(one.manifest.size for one in waiting)
    with progress("Checking out", total) as tick, open_desk(repository, boundary.warn, tick) as desk:
        written = check_out(waiting, top, desk, lambda error: codes.append(boundary.report(error)))
    sizes = {one.path: one.manifest.size for one in waiting}
    click.echo(f"{count(len(written), 'file')} checked out, {size(sum(sizes[path] for path in written))}")
    return next(iter(codes), 0)
