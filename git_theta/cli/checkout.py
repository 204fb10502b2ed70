"""``git theta checkout``: manifests that stand in the worktree become the files they stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, echo_line, json_option, require_worktree
from git_theta.cli.pathspec_argument import pathspecs_argument
from git_theta.cli.progress import show_progress
from git_theta.errors import ManifestError
from git_theta.repository.index.tracked_files import list_tracked
from git_theta.repository.index.waiting_manifests import WaitingManifest, check_out, waiting_manifest
from git_theta.repository.setup.hook_placing import place_hooks
from git_theta.repository.stores.opening import open_context, partial_dir
from git_theta.words import humanize_size, pluralize


class CheckedOut(NamedTuple):
    """What a checkout did: the size of each file that was written, by path, and the exit code of what was not."""

    sizes: dict[str, int]
    code: int


@click.command
@pathspecs_argument()
@click.option("--partial", is_flag=True, help="Put zeros in the place of parameters that are lost everywhere.")
@json_option
def command(pathspecs: tuple[str, ...], partial: bool, as_json: bool) -> int:
    """Materialise manifests that stand in the worktree.

    All of them, or those that match a PATHSPEC; objects that are not here are fetched. What cannot be had is
    reported, the rest goes on, and the first error decides the exit code.
    """
    done = check_out_files(pathspecs, partial=partial)
    if as_json:
        echo_json({"files": list_sizes(done.sizes)})
    else:
        say_checked_out(done.sizes)
    return done.code


def check_out_files(
    pathspecs: Sequence[str] = (),
    *,
    partial: bool = False,
    remote: str = "",
    wanted: Callable[[str], bool] = lambda _: True,
) -> CheckedOut:
    """Materialise the manifests that match; what fails is reported.

    Args:
        pathspecs: Git's; none for all files. One that matches no file is an error.
        partial: whether lost parameters may be zeros.
        wanted: whether a path that matches is.
        remote: the one that alone is asked for objects; "" for all in turn.
    """
    repository, top = require_worktree()
    place_hooks(repository)
    files = list_tracked(repository, pathspecs, must_match=True)
    codes: list[int] = []
    waiting = _find_waiting([file.path for file in files if wanted(file.path)], top, codes)
    total = sum(one.manifest.size for one in waiting)
    with (
        show_progress("Checking out", total, len(waiting)) as meter,
        open_context(repository, boundary.warn, meter, remote=remote) as context,
    ):
        written = check_out(
            waiting,
            top,
            context,
            lambda error: codes.append(boundary.report_error(error)),
            meter.begin_item,
            named=bool(pathspecs),
            partial=partial_dir(repository) if partial else None,
        )
    sizes = {one.path: one.manifest.size for one in waiting}
    return CheckedOut({path: sizes[path] for path in written}, next(iter(codes), 0))


def say_checked_out(sizes: dict[str, int]) -> None:
    """Print how much was checked out."""
    echo_line(f"{pluralize(len(sizes), 'file')} checked out, {humanize_size(sum(sizes.values()))}")


def list_sizes(sizes: dict[str, int]) -> list[dict[str, object]]:
    """The files that were checked out, as JSON has them."""
    return [{"path": path, "size": size} for path, size in sizes.items()]


def _find_waiting(paths: Sequence[str], top: Path, codes: list[int]) -> list[WaitingManifest]:
    """The manifests that stand in the place of files; what was one is reported, and its exit code added."""
    found = []
    for path in paths:
        try:
            found.append(waiting_manifest(path, top))
        except ManifestError as error:
            codes.append(boundary.report_error(error))
    return [one for one in found if one]
