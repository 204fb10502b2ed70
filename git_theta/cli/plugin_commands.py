"""``git theta X`` from an installed package: a click command, found by name and run behind the guard.

Ours are a table (``cli/main.py``), for they have a line of help without being imported, and some are hidden. A package
never takes one of their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import click

from git_theta.errors import PluginError
from git_theta.known_plugins import KNOWN_PACKAGES
from git_theta.registry import Family, make_instance
from git_theta.vcs.remembered_settings import remembering_settings

COMMAND_PLUGINS = Family("commands", make_instance(click.Command))

_GUARDED = ("make_context", "invoke")
"""What runs code of a command: reading its arguments, and itself."""


def find_command(name: str) -> click.Command | None:
    """The command that a package brings under that name; None where none does.

    Raises PluginError where it does not load, where two packages claim the name, and where one brings it that we know,
    and that is not installed.
    """
    if name not in (*COMMAND_PLUGINS.list_names(), *KNOWN_PACKAGES.get("commands", ())):
        return None
    command = COMMAND_PLUGINS.load_plugin(name)
    for method in _GUARDED:
        found = getattr(command, method)
        if not hasattr(found, "__wrapped__"):  # loaded before in this process
            setattr(command, method, _guard(name, found))
    return command


def list_helps() -> Iterator[tuple[str, str]]:
    """The names of all of them, with their line of help; for one that does not load, that."""
    for name in COMMAND_PLUGINS.list_names():
        try:
            command = COMMAND_PLUGINS.load_plugin(name)
            with COMMAND_PLUGINS.guard(name):
                help_line = command.get_short_help_str(100)
        except PluginError:
            help_line = "(does not load: git theta plugins says why)"
        yield name, help_line


def _guard(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """The method behind the guard. What click raises to end or to explain itself passes, and so does ``sys.exit``."""

    @wraps(method)
    def call(*args: Any, **options: Any) -> Any:
        with COMMAND_PLUGINS.guard(name), remembering_settings(remembers=False):
            try:
                return method(*args, **options)
            except (click.ClickException, click.Abort, click.exceptions.Exit, SystemExit) as ending:
                passing: BaseException = ending
        raise passing

    return call
