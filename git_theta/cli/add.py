"""``git theta add``: a checkpoint updated by an adapter, in the worktree and in the index at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import display_path, echo_json, echo_line, json_option, require_worktree
from git_theta.cli.progress import Meter
from git_theta.cli.push_warning import warn_of_pushes
from git_theta.errors import ThetaError
from git_theta.operations.updating.updated_checkpoint import UpdatedFile
from git_theta.operations.updating.updated_parameters import UpdatedParameter
from git_theta.repository.adding.side_loading import UPDATE_KINDS, AdapterRequest, add_adapter
from git_theta.words import humanize_size, list_some, pluralize


@click.command
@click.argument("checkpoint")
@click.option(
    "--update", "kind", type=click.Choice(UPDATE_KINDS), required=True, help="What the adapter does to parameters."
)
@click.option(
    "--from",
    "adapter",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    metavar="ADAPTER",
    help="A folder as PEFT saves it, or a file of arrays named PARAMETER/ARRAY.",
)
@click.option("-f", "--force", is_flag=True, help="Overwrite changes that are not staged.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would change, and what it would take; store nothing.")
@json_option
def command(checkpoint: str, kind: str, adapter: Path, force: bool, dry_run: bool, as_json: bool) -> int:
    """Update a checkpoint by an adapter, and stage that.

    CHECKPOINT is a versioned file, or the index of its shards. The adapter is merged into the version that the index
    has, with the bytes that PEFT's merge_and_unload gives; the worktree's file is written, too, so that worktree and
    index agree. A file with changes that are not staged is refused.
    """
    repository, top = require_worktree()
    failed: list[int] = []

    def report(error: ThetaError) -> None:
        failed.append(boundary.report_error(error))

    meter = Meter()
    request = AdapterRequest(checkpoint, kind, adapter, force, dry_run)
    done = add_adapter(request, repository, top, boundary.warn, meter, report)
    if not dry_run:
        warn_of_pushes(repository)
    if as_json:
        echo_json([_file_json(path, file, dry_run) for path, file in done.items()])
    else:
        _print_files(done, top, dry_run)
    return next(iter(failed), 0)


def _print_files(done: Mapping[str, UpdatedFile], top: Path, dry_run: bool) -> None:
    for path, file in done.items():
        echo_line(f"{display_path(path, top)}: {_describe(file, dry_run)}")
        rest = ": git theta add --json" if dry_run else ""
        for line in list_some(map(_describe_parameter, file.parameters), rest=rest) if dry_run else ():
            echo_line(line)


def _describe(file: UpdatedFile, dry_run: bool) -> str:
    changed = [one for one in file.parameters if one.is_changed]
    if not changed:
        return "nothing changes: the checkpoint has these values"
    total = sum(1 for _ in file.manifest.parameters())
    size, own = sum(one.target.entry.size for one in changed), sum(one.own for one in changed)
    verb, done = ("would be", "") if dry_run else ("updated", "; staged")
    what = f"{len(changed)} of {pluralize(total, 'parameter')} {verb}{' updated' if dry_run else ''}"
    return f"{what}, {humanize_size(size)} stored in {humanize_size(own)}{done}"


def _describe_parameter(one: UpdatedParameter) -> str:
    entry = one.target.entry
    said = f"stored in {humanize_size(one.own)}" if one.is_changed else "stays as it is"
    return f"  {entry.name}: {one.target.update.summary}; {humanize_size(entry.size)}, {said}"


def _file_json(path: str, file: UpdatedFile, dry_run: bool) -> dict[str, Any]:
    return {
        "path": os.fspath(path),
        "done": not dry_run and any(one.is_changed for one in file.parameters),
        "parameters": [
            {
                "name": one.target.entry.name,
                "adapter_name": one.target.update.name,
                "update": one.target.update.summary,
                "changed": one.is_changed,
                "size": one.target.entry.size,
                "own": one.own,
            }
            for one in file.parameters
        ],
    }
