"""``git theta prepare-commit-msg``: what the hook runs that Git asks before any commit, however that came about."""

from __future__ import annotations

from pathlib import Path

import click

from git_theta.cli.across_files import warn_mixed
from git_theta.repository.merging.mixed_commit import mark_mixed
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.merges.stopped_sides import note_revert


@click.command
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.argument("rest", nargs=-1, metavar="[WORD]...")
def command(file: Path, rest: tuple[str, ...]) -> int:  # noqa: ARG001
    """Look at what is about to be committed; Git's prepare-commit-msg hook runs this, with FILE for the message.

    Exits 1 where a commit that merges something (a pick, a revert, a rebase, a squash, a merge) would mix up a
    checkpoint whose files Git merged one by one: those are put into conflict. The message stays as it is.
    """
    repository = discover_repository()
    mixed = mark_mixed(file.read_bytes(), repository)
    if not mixed.lines:
        return 0
    if mixed.undone:  # what Git notes of a revert that stops: without it nobody can go on, or give it up
        note_revert(mixed.undone, repository.worktree)
    warn_mixed(mixed, repository)
    return 1
