"""What the commands that list files have in common: which files, how their names and sizes are printed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from git_theta.errors import UsageError
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.words import escape_unprintable

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
nul_option = click.option("-z", "nul", is_flag=True, help="End each record with NUL, not with a newline.")


def require_worktree() -> tuple[Repository, Path]:
    """The repository we are in, and the top of its worktree. Raises UsageError where it has none."""
    repository = discover_repository()
    if repository.worktree is None:
        raise UsageError("this must be run in a worktree", hint="A bare repository has no files checked out")
    return repository, repository.worktree


def display_path(path: str, top: Path) -> str:
    """A path as a person sees it: relative to the current folder."""
    return os.path.relpath(top / path)


def echo_line(*columns: str) -> None:
    """Print a line for a person, with tabs between its columns: whatever is called so cannot break it (L10).

    Every command prints its lines by this door, which escapes control characters, line ends among them.
    """
    click.echo("\t".join(map(escape_unprintable, columns)))


def align_table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table of one row or more: its first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([f"{first:<{widths[0]}}", *cells]).rstrip()


def echo_painted(line: str) -> None:
    """Print a line that was painted, where ``uses_color`` says so, after the names in it were escaped."""
    click.echo(line, color=True)


def echo_record(text: str) -> None:
    """Print what ends with NUL as it is, for programs (``-z``)."""
    click.echo(text, nl=False)


def echo_json(data: Any) -> None:
    """Print JSON as all commands do."""
    click.echo(json.dumps(data, indent=2))
