"""Commands that take revisions and paths, with ``--`` between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from git_theta.vcs.revisions import split_revisions

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
