"""Plug-ins without which stored parts are not given back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from git_theta.errors import PluginError
from git_theta.known_plugins import BUILT_IN
from git_theta.manifest.model import Entry
from git_theta.plugin_guard import PluginId
from git_theta.serializers.base import SERIALIZERS
from git_theta.updates.base import UPDATES
from git_theta.words import join_some, pluralize


def required_plugins(parts: Iterable[Entry]) -> list[PluginId]:
    """The updates and serializers of other packages that give these parts back, sorted; nothing is loaded."""
    codings = {
        (one.update, one.serializer)
        for part in parts
        for one in (part.storage.coding, *(link.coding for link in part.storage.coding.chain))
    }
    named = {PluginId("updates", update) for update, _ in codings} | {
        PluginId("serializers", one) for _, one in codings
    }
    return sorted(one for one in named if one.name not in BUILT_IN[one.family])


def load_required(plugin: PluginId) -> None:
    """Load one of those. Raises PluginError where it is not here or does not load."""
    (UPDATES if plugin.family == "updates" else SERIALIZERS).load_plugin(plugin.name)


def require_decoders(parts: Sequence[Entry]) -> None:
    """Return when all plug-ins are here that give these parts back.

    Raises PluginError that names those which are not, the parameters that need the first of them, and the way out.
    """
    errors: list[PluginError] = []
    names: list[str] = []
    for plugin in required_plugins(parts):
        try:
            load_required(plugin)
        except PluginError as error:
            names = names or [part.name for part in parts if part.name and plugin in required_plugins([part])]
            errors.append(error)
    if errors:
        needed = f"; needed by {pluralize(len(names), 'parameter')}: {join_some(names, 3)}" if names else ""
        hints = dict.fromkeys(error.hint for error in errors)
        raise PluginError("; ".join(error.message for error in errors) + needed, hint="\n".join(hints)) from errors[0]
