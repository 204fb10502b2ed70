"""Commands that take revisions and paths, with ``--`` between them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from git_theta.errors import GitError, UsageError
from git_theta.vcs.git import git
from git_theta.vcs.versions import revisions_in

_PATHS = "git_theta.cli.separated.paths"


class Separated(click.Command):
    """Keeps what stands behind ``--``, which click drops, apart from what stands before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the paths out of the arguments; None where nothing says that they are paths."""
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[_PATHS] = args[at + 1 :] if at < len(args) else None
        return super().parse_args(ctx, args[:at])


def behind() -> list[str] | None:
    """What stood behind ``--``; None where there was none."""
    found: list[str] | None = click.get_current_context().meta[_PATHS]
    return found


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Revisions and paths, told apart by ``--``, or as Git does without it. Raises UsageError where both are meant."""
    paths = behind()
    return (list(words), paths) if paths is not None else revisions_in(words, Path())


def commits(revisions: Sequence[str]) -> list[str]:
    """The ids that revisions and ranges stand for, ``^`` before what is left out; HEAD for none.

    Raises UsageError for what is no revision, and where there is no commit yet.
    """
    try:
        found = git("rev-parse", *(revisions or ["HEAD"]), "--").decode().split()
    except GitError:
        if list(revisions) in ([], ["HEAD"]):
            raise UsageError("there is no commit yet", hint="What is staged: git theta show :PATH") from None
        names = " ".join(map(repr, revisions))
        raise UsageError(f"{names}: no revision here", hint="Paths come behind --.") from None
    return [oid for oid in found if oid != "--"]
