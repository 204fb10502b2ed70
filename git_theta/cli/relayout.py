"""``git theta relayout``: versioned files by what the installed formats find in them now."""

from __future__ import annotations

import click

from git_theta.cli.listing import display_path, require_worktree
from git_theta.errors import UsageError
from git_theta.manifest.model import Manifest
from git_theta.operations.keeping.file_states import FileState, TrackedFile, survey_file
from git_theta.repository.object_stores import open_store
from git_theta.repository.tracked_files import list_tracked
from git_theta.vcs.git import git, literal_pathspec
from git_theta.words import escape_unprintable, pluralize


@click.command
@click.argument("pathspecs", nargs=-1, required=True, metavar="PATHSPEC...")
def command(pathspecs: tuple[str, ...]) -> None:
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
    for before in files:
        click.echo(_describe_layout(escape_unprintable(display_path(before.path, top)), before, now[before.path]))


def _describe_layout(path: str, before: TrackedFile, after: TrackedFile) -> str:
    was, now = _spell_layout(before.manifest), _spell_layout(after.manifest)
    return f"{path}: {now}, as before" if was == now else f"{path}: {now}, was {was}"


def _spell_layout(manifest: Manifest | None) -> str:
    if manifest is None:
        return "not stored by git-theta"
    count = sum(1 for _ in manifest.parameters())
    return f"{manifest.format}, {pluralize(count, 'parameter')}"
