"""``git theta ls-files``: the tracked files of the index, and what they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import (
    display_path,
    echo_json,
    echo_line,
    echo_record,
    json_option,
    nul_option,
    require_worktree,
)
from git_theta.cli.pathspec_argument import pathspecs_argument
from git_theta.errors import UsageError
from git_theta.manifest.model import Entry, Manifest, View
from git_theta.operations.keeping.file_states import TrackedFile
from git_theta.repository.index.tracked_files import list_tracked, warn_unmatched
from git_theta.words import humanize_size, pluralize

_OID_DIGITS = 12  # hex digits of an id


@click.command
@pathspecs_argument()
@click.option("--parameters", is_flag=True, help="List the parameters of each file, too.")
@json_option
@nul_option
def command(pathspecs: tuple[str, ...], parameters: bool, as_json: bool, nul: bool) -> None:
    """List versioned files and their parameters.

    Lists what the index holds, in this folder and below, or what matches a PATHSPEC: path, size, format, number of
    parameters. -z prints the paths alone.
    """
    if nul and (as_json or parameters):
        raise UsageError("-z lists paths alone", hint="--json holds everything, and any path")
    repository, top = require_worktree()
    files = list_tracked(repository, pathspecs or (".",))
    warn_unmatched(pathspecs, files, boundary.warn)
    if as_json:
        echo_json([_file_json(file, parameters) for file in files])
        return
    for file in files:
        path = display_path(file.path, top)
        if nul:
            echo_record(f"{path}\0")
            continue
        echo_line(path, *_describe_file(file))
        for name, *facts in _list_parameters(file.manifest) if parameters and file.manifest else ():
            echo_line(f"  {name}", *facts)


def _describe_file(file: TrackedFile) -> list[str]:
    conflict = ["in conflict"] if file.conflict else []
    if file.manifest is None:
        return [file.raw or humanize_size(0), *conflict]
    parameters = sum(1 for _ in file.manifest.parameters())
    return [humanize_size(file.manifest.size), file.manifest.format, pluralize(parameters, "parameter"), *conflict]


def _list_parameters(manifest: Manifest) -> Iterator[list[str]]:
    for entry in manifest.parameters():
        name, oid = entry.name or "", entry.oid[:_OID_DIGITS]
        yield [name, *_format_spec(entry), humanize_size(entry.size), oid]
        for view in entry.views:
            yield [view.name, *_format_spec(view), f"of {name}", oid]


def _format_spec(named: Entry | View) -> tuple[str, str]:
    return named.dtype, f"[{', '.join(map(str, named.shape))}]"


def _file_json(file: TrackedFile, parameters: bool) -> dict[str, Any]:
    manifest = file.manifest
    data = {
        "path": file.path,
        "blob": file.blob,
        "conflict": file.conflict,
        "raw": file.raw or None,
        "size": manifest.size if manifest else None,
        "format": manifest.format if manifest else None,
        "parameters": sum(1 for _ in manifest.parameters()) if manifest else None,
    }
    if parameters:
        data["parameters"] = [_parameter_json(entry) for entry in manifest.parameters()] if manifest else None
    return data


def _parameter_json(entry: Entry) -> dict[str, Any]:
    views = [
        {
            "name": view.name,
            "dtype": view.dtype,
            "shape": list(view.shape),
            "stride": None if view.stride is None else list(view.stride),
            "offset": view.offset,
        }
        for view in entry.views
    ]
    return {
        "name": entry.name,
        "dtype": entry.dtype,
        "shape": list(entry.shape),
        "size": entry.size,
        "oid": entry.oid,
        "views": views,
    }
