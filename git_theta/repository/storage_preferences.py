"""``theta.serializer`` and ``theta.updates``: what a person wants parts stored with, among what is installed.

Git's configuration alone says it, which no repository can bring along (L10).
"""

from __future__ import annotations

from pathlib import Path

from git_theta.errors import UsageError
from git_theta.parameters import DEFAULT_PREFERENCES, Preferences
from git_theta.registry import PluginFamily, plugin_names

SERIALIZER_KEY, UPDATES_KEY = "theta.serializer", "theta.updates"


def read_preferences(cwd: Path | None) -> Preferences:
    """What Git's configuration says. Raises UsageError, which lists what is installed, for a name that is not."""
    from git_theta.vcs.config import read_last_values  # not before there is something to store

    values = read_last_values((SERIALIZER_KEY, UPDATES_KEY), cwd=cwd)
    serializer, updates = values.get(SERIALIZER_KEY, ""), values.get(UPDATES_KEY, "").replace(",", " ").split()
    _check_names(SERIALIZER_KEY, "serializers", [serializer] if serializer else [])
    _check_names(UPDATES_KEY, "updates", updates)
    return Preferences(tuple(updates) or DEFAULT_PREFERENCES.updates, serializer)


def _check_names(key: str, family: PluginFamily, names: list[str]) -> None:
    installed = plugin_names(family) if names else []
    for name in names:
        if name not in installed:
            raise UsageError(
                f"{key} names {name!r}, and no such plug-in is installed",
                hint=f"Installed: {', '.join(installed)}. To take it back: git config --unset-all {key}",
            )
