"""``git theta track`` and ``git theta untrack``: which files are versioned parameter by parameter."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

import click

from git_theta.cli.boundary import say_hint, warn
from git_theta.cli.install import install_hook
from git_theta.cli.listing import echo_json, echo_line
from git_theta.cli.status import warn_of_case, warn_of_layouts
from git_theta.errors import UsageError
from git_theta.formats.base import FORMATS
from git_theta.registered_names import describe_way_out
from git_theta.repository.index.tracked_files import list_tracked
from git_theta.repository.setup.readme_section import add_section, find_readme, has_section
from git_theta.vcs import config, hooks
from git_theta.vcs.attribute_files import attributes, filtered_files
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.hooks import HookState

_MAX_NAMED = 5  # paths named in a message
_README_HINT = "Who clones without git-theta gets manifests: `git theta track --readme` has README.md say so."


@click.command
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@click.option("--readme", is_flag=True, help="Tell people without git-theta, in README.md, what to install.")
@click.option("--format", "chosen", metavar="FORMAT", help="Read the files as this format; opaque: keep them whole.")
@click.option("--json", "as_json", is_flag=True, help="List as JSON.")
def track(patterns: tuple[str, ...], readme: bool, chosen: str | None, as_json: bool) -> None:
    """Version files by pattern, or list the patterns.

    A PATTERN is one of .gitattributes, relative to this folder; quote it, so that the shell leaves it alone:

    \b
        git theta track '*.safetensors'
    """  # noqa: D301
    repository = _require_worktree()
    if as_json and (patterns or readme):
        raise UsageError("--json lists the patterns", hint="Leave the rest out to list those that are tracked")
    if chosen is not None:
        _require_format(chosen, patterns)
    if patterns:
        _track_patterns(patterns, repository, chosen or "", hint_at_readme=not readme)
    elif not readme:
        _list_patterns(repository, as_json)
    if readme:
        _write_readme(repository)


def _require_format(chosen: str, patterns: tuple[str, ...]) -> None:
    """Raise UsageError for a format without files, and for one that is not here."""
    if not patterns:
        raise UsageError("--format is for patterns", hint="git theta track --format NAME '*.bin'")
    if chosen not in FORMATS.list_names():
        raise UsageError(f"no format is called {chosen!r} here", hint=describe_way_out("formats", chosen))


def _track_patterns(patterns: tuple[str, ...], repository: Repository, chosen: str, *, hint_at_readme: bool) -> None:
    for pattern in patterns:
        _refuse_paths(pattern, repository)
    before = _tracked_paths(repository)
    begins = hint_at_readme and not attributes.tracked_patterns(repository)
    added = attributes.track_patterns(
        Path(".gitattributes"), patterns, chosen_format=chosen, scratch=repository.theta_dir / "tmp"
    )
    how = f" as {chosen}" if chosen else ""
    for pattern in patterns:
        echo_line(f"{'tracking' if pattern in added else 'already tracking'} '{pattern}'{how}")
    if added:
        say_hint("Commit .gitattributes with the files: clones track by it.")
        if begins and not has_section(find_readme(_worktree_of(repository))):
            say_hint(_README_HINT)
    if config.is_installed():
        _ensure_hooks(repository)
    else:
        warn("the filter is not installed here, so Git stores these files as they are", hint="Run `git theta install`.")
    warn_of_case(repository)
    _hint_to_renormalize(
        repository, _tracked_paths(repository) - before, "already in the index, where Git holds them as they are"
    )
    if chosen:
        warn_of_layouts(list_tracked(repository), repository)


def _write_readme(repository: Repository) -> None:
    file = find_readme(_worktree_of(repository))
    added = add_section(file, scratch=repository.theta_dir / "tmp")
    echo_line(f"{file.name} {'now says' if added else 'already says'} how to get the checkpoints")


def _worktree_of(repository: Repository) -> Path:
    assert repository.worktree
    return repository.worktree


def _ensure_hooks(repository: Repository) -> None:
    """Put our lines into the hooks where they are not: installing leaves repositories alone that track nothing."""
    for name in hooks.CLONE_HOOK_NAMES:
        found = hooks.hook_state(repository.hooks_dir, hooks.hook_command(sys.executable), name)
        if found.is_editable and found is not HookState.OURS:
            install_hook(repository, name)


@click.command
@click.argument("patterns", nargs=-1, required=True, metavar="PATTERN...")
def untrack(patterns: tuple[str, ...]) -> None:
    """Stop versioning files by pattern.

    Takes what `git theta track PATTERN` wrote out of the .gitattributes of this folder.
    """
    repository = _require_worktree()
    before = _tracked_paths(repository)
    removed = attributes.untrack_patterns(Path(".gitattributes"), patterns, scratch=repository.theta_dir / "tmp")
    for pattern in patterns:
        echo_line(f"no longer tracking '{pattern}'" if pattern in removed else f"not tracked here: '{pattern}'")
    _hint_to_renormalize(repository, before - _tracked_paths(repository), "still in the index as manifests")


def _list_patterns(repository: Repository, as_json: bool) -> None:
    found = attributes.tracked_patterns(repository)
    if as_json:
        echo_json([asdict(pattern) for pattern in found])
        return
    for pattern in found:
        echo_line(f"{pattern.pattern} ({pattern.file})" + (f" as {pattern.format}" if pattern.format else ""))


def _refuse_paths(pattern: str, repository: Repository) -> None:
    """Raise UsageError for what is a path on this machine, and as a pattern would match something else or nothing."""
    path = Path(pattern)
    if path.is_absolute() and (os.path.lexists(path) or path.is_relative_to(_worktree_of(repository))):
        raise UsageError(
            f"{pattern} is an absolute path, and patterns are relative to this folder",
            hint=f"git theta track {shlex.quote(os.path.relpath(path))}",
        )
    if pattern and not pattern.endswith("/") and path.is_dir():
        raise UsageError(
            f"{pattern} is a folder, which Git never matches",
            hint=f"`git theta track {shlex.quote(f'{pattern}/**')}` matches what is in it",
        )


def _hint_to_renormalize(repository: Repository, paths: set[str], state: str) -> None:
    if not paths:
        return
    names = [shlex.quote(os.path.relpath(_worktree_of(repository) / path)) for path in sorted(paths)]
    rest = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    warn(
        f"{state}: {' '.join(names[:_MAX_NAMED])}{rest}",
        hint=f"`git add --renormalize {' '.join(names[:_MAX_NAMED])}{' ...' if rest else ''}` stores them anew",
    )


def _tracked_paths(repository: Repository) -> set[str]:
    return {entry.path for entry in filtered_files.tracked_files(repository)}


def _require_worktree() -> Repository:
    repository = discover_repository()
    if repository.worktree is None:
        raise UsageError("this must be run in a worktree", hint="A bare repository has no .gitattributes to edit")
    return repository
