"""``theta.serializer``, ``theta.updates`` and ``theta.delta.depth``: what a person wants parts stored with.

Git's configuration alone says it, which no repository can bring along (L10).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from git_theta.errors import UsageError
from git_theta.known_plugins import PluginFamily
from git_theta.manifest.storage_json import MAX_CHAIN
from git_theta.parameters.preferences import AUTOMATIC, DEFAULT_DEPTH, Preferences
from git_theta.registry import describe_way_out, plugin_names
from git_theta.vcs.config import STORE_KEY, read_last_values

SERIALIZER_KEY, UPDATES_KEY, DEPTH_KEY = "theta.serializer", "theta.updates", "theta.delta.depth"
STORAGE_KEYS = (STORE_KEY, SERIALIZER_KEY, UPDATES_KEY, DEPTH_KEY)
"""What a person may say of where and how parts are stored."""
_AUTOMATIC_WORD = "auto"


def read_preferences(cwd: Path | None) -> Preferences:
    """What Git's configuration says; see ``parse_preferences``."""
    return parse_preferences(read_last_values(STORAGE_KEYS, cwd=cwd))


def parse_preferences(values: Mapping[str, str]) -> Preferences:
    """What settings say. Raises UsageError, which lists what is installed, for a name that is not."""
    serializer, words = values.get(SERIALIZER_KEY, ""), values.get(UPDATES_KEY, "").replace(",", " ").split()
    updates = [name for word in words for name in (AUTOMATIC if word == _AUTOMATIC_WORD else (word,))]
    _check_names(SERIALIZER_KEY, "serializers", [serializer] if serializer else [])
    _check_names(UPDATES_KEY, "updates", updates)
    return Preferences(tuple(updates) or AUTOMATIC, serializer, _read_depth(values.get(DEPTH_KEY)))


def _read_depth(text: str | None) -> int:
    if text is None:
        return DEFAULT_DEPTH
    if not text.isascii() or not text.isdigit() or int(text) > MAX_CHAIN:
        raise UsageError(
            f"{DEPTH_KEY} is {text!r}, and no number from 0 to {MAX_CHAIN}",
            hint=f"To take it back: git config --unset-all {DEPTH_KEY}",
        )
    return int(text)


def _check_names(key: str, family: PluginFamily, names: list[str]) -> None:
    installed = plugin_names(family) if names else []
    for name in names:
        if name not in installed:
            raise UsageError(
                f"{key} names {name!r}, and no such plug-in is installed",
                hint=f"{describe_way_out(family, name)}\nTo take it back: git config --unset-all {key}",
            )
