"""What the filter sees of plug-ins: run with the filter's own interpreter and flags, it lists and imports them.

Asked by ``repository/setup/plugin_survey.py``, never by people. A plug-in may end the process, so what is found out is
printed at once, a line of JSON each: first all that is declared, then what became of importing each, in that order.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from git_theta import __version__, registered_names
from git_theta.cli import boundary
from git_theta.cli.git_output import claim_stdout, write_pieces
from git_theta.cli.main import COMMANDS
from git_theta.entry_points import DeclaredPlugin
from git_theta.errors import NewerPlugin, PluginError
from git_theta.known_plugins import BUILT_IN
from git_theta.registered_names import declared_plugins
from git_theta.registry import Family

_FAMILIES: Mapping[str, str] = {
    "formats": "git_theta.formats.base:FORMATS",
    "updates": "git_theta.updates.base:UPDATES",
    "serializers": "git_theta.serializers.base:SERIALIZERS",
    "stores": "git_theta.store.base:STORES",
    "transports": "git_theta.transport.base:TRANSPORTS",
    "merges": "git_theta.merging.base:STRATEGIES",
    "measures": "git_theta.diffing.measures.base:MEASURES",
    "evaluators": "git_theta.evaluation.base:EVALUATORS",
    "commands": "git_theta.cli.plugin_commands:COMMAND_PLUGINS",
}
"""Where each family is declared."""


def main() -> int:
    """Print what there is, and what becomes of importing it from the place on that the first argument says."""
    output = claim_stdout()
    plugins = list_declared()
    _print_line(output, [one._asdict() for one in plugins])
    for one in plugins[int(sys.argv[1]) :]:
        _print_line(output, _try_import(one, plugins))
    return 0


def list_declared() -> list[DeclaredPlugin]:
    """Ours, and what other packages declare."""
    ours = [
        DeclaredPlugin(family, name, target, "git-theta", __version__, "")
        for family, names in BUILT_IN.items()
        for name, target in names.items()
    ]
    return ours + [one for one in declared_plugins() if not registered_names.is_built_in(one)]


def _try_import(plugin: DeclaredPlugin, plugins: list[DeclaredPlugin]) -> dict[str, str]:
    if registered_names.is_disabled(plugin):
        return {"state": "disabled", "reason": f"{registered_names.DISABLE_KEY} names it"}
    try:
        _require_unambiguous(plugin, plugins)
        _load_family(plugin).import_target(plugin.name, plugin.target)
    except PluginError as error:
        state = "newer" if isinstance(error, NewerPlugin) else "broken"
        return {"state": state, "reason": error.message, "hint": error.hint}
    return {"state": "ok"}


def _load_family(plugin: DeclaredPlugin) -> Family[Any]:
    if plugin.family not in _FAMILIES:
        raise PluginError(
            f"there is no family of plug-ins that is called {plugin.family!r}",
            hint="It may be of a later release: upgrade git-theta, or the package.",
        )
    module, _, name = _FAMILIES[plugin.family].partition(":")
    return cast(Family[Any], getattr(import_module(module), name))


def _require_unambiguous(plugin: DeclaredPlugin, plugins: list[DeclaredPlugin]) -> None:
    """Raise PluginError for a name that another package, or git-theta itself, has, too."""
    if plugin.family == "commands" and plugin.name in COMMANDS:
        raise PluginError(
            f"git-theta has a command {plugin.name!r} of its own", hint=f"Tell the authors of {plugin.package}."
        )
    alike = [one for one in plugins if one[:2] == plugin[:2] and not registered_names.is_disabled(one)]
    if not registered_names.is_built_in(plugin) and len({one.target for one in alike}) > 1:
        raise registered_names.describe_ambiguity(alike)


def _print_line(output: int, data: object) -> None:
    write_pieces(output, [json.dumps(data).encode() + b"\n"])


def run_probe() -> int:
    """Be the process of the probe, but for its end; returns the exit code."""
    return boundary.run(main)


if __name__ == "__main__":
    sys.exit(run_probe())
