"""Commands that take revisions and paths, with ``--`` between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from git_theta.errors import UsageError
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.pathspecs import read_pathspec
from git_theta.vcs.revisions import split_revisions
from git_theta.vcs.unknown_revisions import find_unknown

_PATHS = "git_theta.cli.revision_arguments.paths"


class RevisionCommand(click.Command):
    """Keeps what stands behind ``--``, which click drops, apart from what stands before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the paths out of the arguments; None where nothing says that they are paths."""
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[_PATHS] = args[at + 1 :] if at < len(args) else None
        return super().parse_args(ctx, args[:at])


def explicit_paths() -> list[str] | None:
    """What stood behind ``--``; None where there was none."""
    found: list[str] | None = click.get_current_context().meta[_PATHS]
    return found


def split_arguments(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Revisions and paths, told apart by ``--``, or as Git does without it. Raises UsageError where both are meant."""
    paths = explicit_paths()
    return (list(words), paths) if paths is not None else split_revisions(words, Path())


def split_known(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """As ``split_arguments``. Raises UsageError for a word that is neither, GitError outside of a repository."""
    revisions, paths = split_arguments(words)
    if explicit_paths() is None and (unknown := find_unknown(revisions)) not in ("", "HEAD"):
        discover_repository()
        raise UsageError(
            f"{unknown!r} is no revision here, and no file", hint="Put -- before the path of a file that is gone."
        )
    return revisions, paths


def split_pathspecs(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """As ``split_known``, where paths are pathspecs: as Git was told to read them."""
    revisions, paths = split_known(words)
    return revisions, list(map(read_pathspec, paths))
