"""``git theta relayout``: versioned files by what the installed formats find in them now."""

from __future__ import annotations

from typing import Any

import click

from git_theta.cli.listing import display_path, echo_json, echo_line, json_option, require_worktree
from git_theta.cli.pathspec_argument import pathspecs_argument
from git_theta.errors import UsageError
from git_theta.manifest.model import Manifest
from git_theta.operations.keeping.file_states import FileState, TrackedFile, survey_file
from git_theta.repository.index.tracked_files import list_tracked
from git_theta.repository.stores.object_stores import open_store
from git_theta.vcs.git import git, literal_pathspec
from git_theta.words import escape_unprintable, pluralize


@click.command
@pathspecs_argument(required=True)
@json_option
def command(pathspecs: tuple[str, ...], as_json: bool) -> None:
    """Find the parameters of versioned files anew, and stage what comes out.

    A file keeps the layout that the index has for it, whatever formats are installed since. This is
    `git add --renormalize` of these files, and says what became of them.
    """
    repository, top = require_worktree()
    store = open_store(repository)
    files = [
        file
        for file in list_tracked(repository, pathspecs, must_match=True)
        if survey_file(file, top, store).state in (FileState.MATERIALISED, FileState.RAW)
    ]
    if not files:
        raise UsageError("none of these is a versioned file that the worktree has", hint="See git theta status.")
    git("add", "--renormalize", "--", *(literal_pathspec(file.path) for file in files), cwd=top, show=True)
    now = {file.path: file for file in list_tracked(repository)}
    if as_json:
        echo_json([_layout_json(before, now[before.path]) for before in files])
        return
    for before in files:
        echo_line(_describe_layout(escape_unprintable(display_path(before.path, top)), before, now[before.path]))


def _describe_layout(path: str, before: TrackedFile, after: TrackedFile) -> str:
    was, now = _spell_layout(before.manifest), _spell_layout(after.manifest)
    return f"{path}: {now}, as before" if was == now else f"{path}: {now}, was {was}"


def _layout_json(before: TrackedFile, after: TrackedFile) -> dict[str, Any]:
    return {
        "path": after.path,
        "before": _describe_manifest(before.manifest),
        "after": _describe_manifest(after.manifest),
    }


def _describe_manifest(manifest: Manifest | None) -> dict[str, Any] | None:
    if manifest is None:
        return None
    return {"format": manifest.format, "parameters": sum(1 for _ in manifest.parameters())}


def _spell_layout(manifest: Manifest | None) -> str:
    if manifest is None:
        return "not stored by git-theta"
    count = sum(1 for _ in manifest.parameters())
    return f"{manifest.format}, {pluralize(count, 'parameter')}"
