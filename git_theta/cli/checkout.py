"""``git theta checkout``: manifests that stand in the worktree become the files they stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from git_theta.cli import boundary
from git_theta.cli.listing import listed, worktree
from git_theta.cli.progress import progress
from git_theta.errors import ThetaError
from git_theta.manifest.model import Manifest
from git_theta.operations.deferred import Deferred
from git_theta.operations.desk import Desk
from git_theta.operations.restore import missing_objects, require_objects
from git_theta.operations.survey import manifest_in, regular
from git_theta.repository.hook_placing import place_hook
from git_theta.repository.opening import open_desk, refresh
from git_theta.vcs import index
from git_theta.words import count, size


class _Waiting(NamedTuple):
    path: str
    manifest: Manifest
    text: bytes


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
    waiting = [found for file in files if (found := _waiting(file.path, top))]
    codes: list[int] = []
    total = sum(one.manifest.size for one in waiting)
    with progress("Checking out", total) as tick, open_desk(repository, boundary.warn, tick) as desk:
        written = _written(waiting, top, desk, lambda error: codes.append(boundary.report(error)))
    sizes = {one.path: one.manifest.size for one in waiting}
    click.echo(f"{count(len(written), 'file')} checked out, {size(sum(sizes[path] for path in written))}")
    return next(iter(codes), 0)


def _waiting(path: str, top: Path) -> _Waiting | None:
    file = regular(top, path)
    found = manifest_in(file) if file else None
    return _Waiting(path, *found) if found else None


def _written(waiting: Iterable[_Waiting], top: Path, desk: Desk, report: Callable[[ThetaError], object]) -> list[str]:
    # One question to each remote, not one per file.
    missing = dict.fromkeys(oid for one in waiting for oid in missing_objects(one.manifest, desk))
    if missing:
        desk.fetch(list(missing))
    deferred = Deferred(top, desk, report)
    for path, manifest, text in waiting:
        try:
            require_objects(manifest, desk)
            deferred.add(path, manifest, text)
        except ThetaError as error:
            report(error.located(path=path))
    return deferred.write(partial(refresh, top), partial(index.distrust, worktree=top))
