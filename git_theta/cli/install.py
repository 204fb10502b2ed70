"""``git theta install`` and ``git theta uninstall``: the filter's configuration, and the hook of this repository."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from git_theta.cli.boundary import warn
from git_theta.cli.listing import echo_line
from git_theta.cli.manual_lookup import find_manual_fault
from git_theta.errors import UsageError
from git_theta.vcs import config, hooks
from git_theta.vcs.attribute_files import attributes
from git_theta.vcs.discovery import Repository, discover_repository, find_repository
from git_theta.vcs.hooks import HookState

_SCOPES: dict[config.Scope, str] = {
    "global": "For you, in every repository (the default).",
    "local": "For this repository.",
    "worktree": "For this worktree.",
    "system": "For everybody on this machine.",
}


_UNTIL = {
    hooks.HOOK_NAME: "Pushes upload no objects",
    hooks.SERVER_HOOK_NAME: "Commits without their objects are taken",
    hooks.MERGE_HOOK_NAME: "`git merge` commits what is contested across files, and asks no gates",
    hooks.COMMIT_HOOK_NAME: "Rebases, picks and squashes commit what is contested across files",
}


def _scope_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each scope, of which ``function`` gets the one that was given as ``scope``."""

    @wraps(function)
    def with_scope(**options: Any) -> Any:
        given = [scope for scope in _SCOPES if options.pop(f"{scope}_")]
        if len(given) > 1:
            raise UsageError(f"--{given[0]} and --{given[1]} exclude each other", hint="Run it once for each.")
        if given and given[0] in ("local", "worktree"):
            discover_repository()
        return function(scope=given[0] if given else "global", **options)

    for scope, words in reversed(_SCOPES.items()):
        with_scope = click.option(f"--{scope}", f"{scope}_", is_flag=True, help=words)(with_scope)
    return with_scope


def _server_option(words: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option("--server", is_flag=True, help=words)


@click.command
@_scope_options
@click.option("--force", is_flag=True, help="Replace another filter of the name theta.")
@_server_option("Have this repository, which others push to, refuse commits without their objects.")
def install(scope: config.Scope, force: bool, server: bool) -> None:
    """Set up the filter, and the hooks of the repository you are in.

    Writes filter.theta, merge.theta and diff.theta to Git's configuration. Inside a repository that tracks anything, or
    with --local or --worktree, it also adds lines to its pre-push hook, which upload what a push needs, and to its
    pre-merge-commit and prepare-commit-msg hooks, which look at what Git has merged; everything else in the hooks
    stays. Where nothing is tracked yet, `git theta track` does that. With --server it adds lines to the pre-receive
    hook, and does nothing else.
    """
    if server:
        install_hook(discover_repository(), hooks.SERVER_HOOK_NAME)
        return
    wrote = config.install_settings(sys.executable, scope, force=force)
    echo_line(f"filter.theta {'set' if wrote else 'is already set'} in the {scope} configuration")
    _warn_of_manual()
    repository = find_repository()
    if repository and (scope in ("local", "worktree") or attributes.tracked_patterns(repository)):
        for name in hooks.CLONE_HOOK_NAMES:
            install_hook(repository, name)


def _warn_of_manual() -> None:
    fault = find_manual_fault()
    if fault and fault.mendable:
        warn(fault.text, hint=fault.hint)


def install_hook(repository: Repository, name: str) -> None:
    """Put our lines into a hook of the repository, and say what became of that."""
    command = hooks.hook_command(sys.executable)
    file = repository.hooks_dir / name
    found = hooks.install_hook(repository.hooks_dir, command, name)
    if found is HookState.THEIRS:
        echo_line(f"{file} {found.value}; it was left alone")
    elif not found.is_editable:
        warn(
            f"{file} {found.value}; it was left alone",
            hint=f"{_UNTIL[name]} until it runs this, with its own arguments and standard input:\n"
            f'    {command} {name} "$@"',
        )
    elif found is HookState.OURS:
        echo_line(f"{name} hook is already in {file}")
    else:
        echo_line(f"{name} hook {'written to' if found is HookState.ABSENT else 'added to'} {file}")


@click.command
@_scope_options
@_server_option("Take our lines out of this repository's pre-receive hook, and do nothing else.")
def uninstall(scope: config.Scope, server: bool) -> None:
    """Undo what install did.

    Takes what install wrote out of Git's configuration and, where no other scope installs it, our lines out of the
    hooks of the repository you are in. Objects and .gitattributes stay.
    """
    if server:
        folder = discover_repository().hooks_dir
        found = hooks.uninstall_hook(folder, hooks.SERVER_HOOK_NAME)
        echo_line(f"{hooks.SERVER_HOOK_NAME} hook {'removed from' if found else 'is not in'} {folder}")
        return
    removed = config.uninstall_settings(scope)
    echo_line(f"filter.theta {'removed from' if removed else 'is not set in'} the {scope} configuration")
    repository = find_repository()
    if config.is_installed():
        warn(
            "the filter is still installed in another scope, so the hook stays",
            hint="`git config --show-scope --get-all filter.theta.process` says where",
        )
    elif repository:
        for name in hooks.CLONE_HOOK_NAMES:
            if hooks.uninstall_hook(repository.hooks_dir, name):
                echo_line(f"{name} hook removed from {repository.hooks_dir}")
        _warn_of_patterns(repository)


def _warn_of_patterns(repository: Repository) -> None:
    files = dict.fromkeys(pattern.file for pattern in attributes.tracked_patterns(repository))
    if files:
        warn(
            f"filter=theta still stands in {', '.join(files)}: Git stores those files as they are from now on",
            hint="`git theta untrack PATTERN` takes it out",
        )
