"""``theta.serializer``, ``theta.updates`` and its budget, ``theta.delta.depth``: what a person wants parts stored with.

Git's configuration alone says it, which no repository can bring along (L10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from git_theta.errors import UsageError
from git_theta.known_plugins import PluginFamily
from git_theta.manifest.storage_json import MAX_CHAIN
from git_theta.parameters.preferences import AUTOMATIC, DEFAULT_DEPTH, Preferences
from git_theta.registered_names import describe_way_out, plugin_names
from git_theta.vcs.config import STORE_KEY, read_last_values

SERIALIZER_KEY, UPDATES_KEY = "theta.serializer", "theta.updates"
BUDGET_KEY, DEPTH_KEY = "theta.updates.budget", "theta.delta.depth"
STORAGE_KEYS = (STORE_KEY, SERIALIZER_KEY, UPDATES_KEY, BUDGET_KEY, DEPTH_KEY)
"""What a person may say of where and how parts are stored."""
_LARGEST_BUDGET = 10**6
_AUTOMATIC_WORD = "auto"


def read_preferences(cwd: Path | None) -> Preferences:
    """What Git's configuration says; see ``parse_preferences``."""
    return parse_preferences(read_last_values(STORAGE_KEYS, cwd=cwd))


def parse_preferences(values: Mapping[str, str]) -> Preferences:
    """What settings say. Raises UsageError, which lists what is installed, for a name that is not."""
    serializer, words = values.get(SERIALIZER_KEY, ""), values.get(UPDATES_KEY, "").replace(",", " ").split()
    updates = [name for word in words for name in (AUTOMATIC if word == _AUTOMATIC_WORD else (word,))]
    require_installed(SERIALIZER_KEY, "serializers", [serializer] if serializer else [])
    require_installed(UPDATES_KEY, "updates", updates)
    depth = _read_number(values, DEPTH_KEY, MAX_CHAIN)
    return Preferences(
        tuple(updates) or AUTOMATIC,
        serializer,
        DEFAULT_DEPTH if depth is None else depth,
        _read_number(values, BUDGET_KEY, _LARGEST_BUDGET),
    )


def _read_number(values: Mapping[str, str], key: str, most: int) -> int | None:
    text = values.get(key)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > most:
        raise UsageError(
            f"{key} is {text!r}, and no number from 0 to {most:,}",
            hint=f"To take it back: git config --unset-all {key}",
        )
    return int(text)


def require_installed(key: str, family: PluginFamily, names: Sequence[str]) -> None:
    """Raise UsageError, which lists what is installed, where a key of Git's configuration names what is not."""
    installed = plugin_names(family) if names else []
    for name in names:
        if name not in installed:
            raise UsageError(
                f"{key} names {name!r}, and no such plug-in is installed",
                hint=f"{describe_way_out(family, name)}\nTo take it back: git config --unset-all {key}",
            )
