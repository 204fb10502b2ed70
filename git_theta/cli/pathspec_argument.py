"""``PATHSPEC...``, for every command that takes nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from git_theta.vcs.pathspecs import read_pathspec


def pathspecs_argument(*, required: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The argument ``pathspecs``: the person's words, as Git was told to read them."""
    metavar = "PATHSPEC..." if required else "[PATHSPEC]..."
    return click.argument("pathspecs", nargs=-1, required=required, metavar=metavar, callback=_read_all)


def _read_all(_ctx: click.Context, _argument: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(read_pathspec, words))
