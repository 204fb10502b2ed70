"""``git theta env``: what a bug report needs, and nothing secret."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, get_args

import click

from git_theta import __version__, registry
from git_theta.cli import boundary, policies
from git_theta.cli.filter_process import SKIP
from git_theta.cli.listing import echo_json, json_option
from git_theta.errors import GitError, PluginError
from git_theta.store.local import LocalStore
from git_theta.vcs import config, remotes
from git_theta.vcs.repository import Repository, discover
from git_theta.words import count, size

_PACKAGES = (
    "array-api-compat",
    "backports.zstd",
    "click",
    "msgpack",
    "numpy",
    "pyfastcdc",
    "rich",
    "safetensors",
    "torch",
)
_VARIABLES = (boundary.DEBUG, SKIP, policies.STRATEGY, policies.HANDED, "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


@click.command
@json_option
def command(as_json: bool) -> None:
    """Show versions, paths and configuration, for a bug report.

    Users, passwords and queries are taken out of the URLs of remotes.
    """
    found = {
        "versions": _versions(),
        "python": {"executable": sys.executable, "version": platform.python_version()},
        "machine": {"platform": platform.platform(), "processors": os.cpu_count()},
        "filter": config.active(),
        "merge": {key: values for key in policies.KEYS if (values := policies.configured(key))},
        "plugins": {family: _plugins(family) for family in get_args(registry.Family)},
        "environment": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "repository": _repository(),
    }
    if as_json:
        echo_json(found)
    else:
        _print(found)


def program_version(*command: str) -> str | None:
    """The first line that a program prints, or None when it is not installed."""
    with suppress(OSError):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.partition("\n")[0]
    return None


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {
        "git-theta": __version__,
        "git": (program_version("git", "--version") or "").removeprefix("git version ") or None,
        "git-lfs": program_version("git", "lfs", "version"),
        "sqlite": sqlite3.sqlite_version,
    }
    for name in _PACKAGES:
        found[name] = None
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _plugins(family: registry.Family) -> dict[str, str] | str:
    try:
        return registry.installed(family)
    except PluginError as error:
        return error.message


def _repository() -> dict[str, Any] | None:
    try:
        repository = discover()
    except GitError:
        return None
    return {
        "worktree": os.fspath(repository.worktree) if repository.worktree else None,
        "git_dir": os.fspath(repository.git_dir),
        "common_dir": os.fspath(repository.common_dir),
        "hooks_dir": os.fspath(repository.hooks_dir),
        "remotes": {name: remotes.without_secrets(url) for name, url in remotes.urls().items()},
        "store": _store(repository),
    }


def _store(repository: Repository) -> dict[str, Any]:
    store = LocalStore(repository.theta_dir)
    sizes = [store.size(oid) or 0 for oid in store.oids()]
    return {
        "path": os.fspath(repository.theta_dir),
        "alternates": [os.fspath(folder) for folder in repository.alternates()],
        "objects": len(sizes),
        "size": sum(sizes),
    }


def _print(data: dict[str, Any], indent: str = "") -> None:
    for key, value in data.items():
        if key == "store":
            value = value | {"objects": count(value["objects"], "object"), "size": size(value["size"])}
        if isinstance(value, dict):
            click.echo(f"{indent}{key}:")
            _print(value, indent + "  ")
        else:
            click.echo(f"{indent}{key}: {_words(value)}")


def _words(value: object) -> object:
    if value is None:
        return "none"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else value
