"""``git theta repack``: the versions in the index in fewer bytes, or in full."""

from __future__ import annotations

from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import display_path, echo_json, echo_line, json_option, require_worktree
from git_theta.cli.pathspec_argument import pathspecs_argument
from git_theta.cli.progress import show_progress
from git_theta.cli.push_warning import warn_of_pushes
from git_theta.repository.adding.repacking import RepackedFile, find_candidates, repack_files
from git_theta.words import humanize_size, pluralize


@click.command
@pathspecs_argument()
@click.option("--dense", is_flag=True, help="Store in full what builds on versions before.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what it would come to, and store nothing.")
@json_option
def command(pathspecs: tuple[str, ...], dense: bool, dry_run: bool, as_json: bool) -> None:
    """Choose anew how the versions in the index are stored, and stage that.

    A parameter is stored relative to the one of its name at HEAD, or at HEAD's first parent where HEAD has the same,
    if that takes fewer bytes. The files stay as they are, and to diff, merge and blame nothing has changed. Files are
    those of this folder and below, or what matches a PATHSPEC; one with changes that are not staged is refused.
    """
    repository, top = require_worktree()
    candidates = find_candidates(repository, top, pathspecs)
    total = sum(candidate.manifest.size for candidate in candidates)
    done: list[RepackedFile] = []
    with show_progress("Repacking", total, len(candidates)) as meter:
        for file in repack_files(candidates, repository, top, boundary.warn, meter, dense=dense, dry_run=dry_run):
            done.append(file)
            if not as_json:
                echo_line(f"{display_path(file.path, top)}: {_describe(file, dry_run)}")
    if not dry_run and any(file.parts for file in done):
        warn_of_pushes(repository)
    if as_json:
        echo_json([_file_json(file, dry_run) for file in done])


def _describe(file: RepackedFile, dry_run: bool) -> str:
    if not file.parts:
        return f"stays as it is, {humanize_size(file.stored_before)}"
    verb = "would be" if dry_run else "are" if file.parameters > 1 else "is"
    what = pluralize(file.parameters, "parameter") if file.parameters else "what is no parameter"
    own = f"{_describe_change(file.own_before, file.own_after)} of its own"
    stored = f"{_describe_change(file.stored_before, file.stored_after)} with what it builds on"
    objects = f"its objects {_describe_change(file.objects_before, file.objects_after)}"
    return f"{what} {verb} stored otherwise, {own}, {stored}; {objects}"


def _describe_change(before: int, after: int) -> str:
    return f"{humanize_size(before)} -> {humanize_size(after)}"


def _file_json(file: RepackedFile, dry_run: bool) -> dict[str, Any]:
    return {
        "path": file.path,
        "parameters": file.parameters,
        "done": bool(file.parts) and not dry_run,
        "own_before": file.own_before,
        "own_after": file.own_after,
        "stored_before": file.stored_before,
        "stored_after": file.stored_after,
        "objects_before": file.objects_before,
        "objects_after": file.objects_after,
    }
