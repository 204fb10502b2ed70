"""``git theta env``: what a bug report needs, and nothing secret."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, get_args

import click

from git_theta import __version__, registered_names
from git_theta.cli import boundary
from git_theta.cli.filter_process import SKIP_SMUDGE
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.errors import PluginError, TransportError
from git_theta.known_plugins import PluginFamily
from git_theta.repository.comparing.chosen_measures import MEASURES_KEY
from git_theta.repository.merging import policy_sources
from git_theta.repository.stores.object_stores import open_store
from git_theta.repository.stores.storage_preferences import STORAGE_KEYS
from git_theta.transport.choose import choose_transport
from git_theta.transport.urls import redact_url
from git_theta.vcs import config, remotes
from git_theta.vcs.alternates import alternates_of
from git_theta.vcs.discovery import Repository, find_repository
from git_theta.vcs.merges.git_merge import GATES_VARIABLE
from git_theta.words import humanize_size, pluralize

_PACKAGES = (
    "array-api-compat",
    "backports.zstd",
    "click",
    "matplotlib",
    "msgpack",
    "numpy",
    "obstore",
    "pyfastcdc",
    "rich",
    "safetensors",
    "torch",
)
_VARIABLES = (
    boundary.DEBUG,
    SKIP_SMUDGE,
    policy_sources.STRATEGY_VARIABLE,
    policy_sources.OPTIONS_VARIABLE,
    GATES_VARIABLE,
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
)


@click.command
@json_option
def command(as_json: bool) -> None:
    """Show versions, paths and configuration, for a bug report.

    Users, passwords and queries are taken out of the URLs of remotes.
    """
    found = {
        "versions": _find_versions(),
        "python": {"executable": sys.executable, "version": platform.python_version()},
        "machine": {"platform": platform.platform(), "processors": os.cpu_count()},
        "filter": config.active_settings(),
        "merge": _read_configured(policy_sources.ALL_KEYS),
        "storage": _read_configured(STORAGE_KEYS),
        "measures": _read_configured((MEASURES_KEY,)),
        "disabled": _read_configured((registered_names.DISABLE_KEY,)),
        "plugins": {family: _list_plugins(family) for family in get_args(PluginFamily)},
        "environment": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "repository": _describe_repository(),
    }
    if as_json:
        echo_json(found)
    else:
        _print_facts(found)


def program_version(*command: str) -> str | None:
    """The first line that a program prints, or None when it is not installed."""
    with suppress(OSError):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.partition("\n")[0]
    return None


def _read_configured(keys: Sequence[str]) -> dict[str, list[str]]:
    """Those keys of Git's configuration that are set, with all their values."""
    return {key: values for key in keys if (values := policy_sources.config_values(key))}


def _find_versions() -> dict[str, str | None]:
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


def _list_plugins(family: PluginFamily) -> dict[str, str]:
    """Name to target; to what is wrong, where two packages claim a name."""
    found = {}
    for name in registered_names.plugin_names(family):
        try:
            found[name] = registered_names.find_target(family, name)
        except PluginError as error:
            found[name] = error.message
    return found


def _describe_repository() -> dict[str, Any] | None:
    repository = find_repository()
    if repository is None:
        return None
    urls = remotes.remote_urls()
    return {
        "worktree": os.fspath(repository.worktree) if repository.worktree else None,
        "git_dir": os.fspath(repository.git_dir),
        "common_dir": os.fspath(repository.common_dir),
        "hooks_dir": os.fspath(repository.hooks_dir),
        "remotes": {name: redact_url(url) for name, url in urls.items()},
        "transports": {name: _describe_transports(name, url) for name, url in urls.items()},
        "store": _describe_store(repository),
    }


def _describe_transports(name: str, url: str) -> dict[str, str]:
    """How objects come from a remote and go there, and what decides that."""
    settings = remotes.read_transport_settings()

    def describe(where: str, *, push: bool) -> str:
        try:
            choice = choose_transport(name, where, settings, push=push)
        except TransportError as error:
            return f"none: {error.message}"
        return f"{choice.name} {redact_url(choice.address)} ({choice.reason})"

    pushed = [describe(one, push=True) for one in remotes.push_urls(name)]
    return {"fetch": describe(url, push=False), "push": ", ".join(pushed)}


def _describe_store(repository: Repository) -> dict[str, Any]:
    try:
        store = open_store(repository)
    except PluginError as error:  # the configuration names one that is not installed
        return {"name": config.chosen_store(), "path": os.fspath(repository.theta_dir), "failure": error.message}
    sizes = [store.size(oid) or 0 for oid in store.oids()]
    return {
        "name": store.name,
        "path": os.fspath(repository.theta_dir),
        "alternates": [os.fspath(objects.parent / "theta") for objects in alternates_of(repository).found],
        "objects": len(sizes),
        "size": sum(sizes),
    }


def _print_facts(data: dict[str, Any], indent: str = "") -> None:
    for key, value in data.items():
        if key == "store" and "objects" in value:
            value = value | {"objects": pluralize(value["objects"], "object"), "size": humanize_size(value["size"])}
        if isinstance(value, dict):
            echo_line(f"{indent}{key}:")
            _print_facts(value, indent + "  ")
        else:
            echo_line(f"{indent}{key}: {_format_value(value)}")


def _format_value(value: object) -> object:
    if value is None:
        return "none"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else value
