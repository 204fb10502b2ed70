"""Remotes that are not there any more, but for what is configured of where their objects go.

Git renames and removes a remote without ``theta.remote.NAME``: its section is not Git's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

from git_theta.errors import GitError
from git_theta.vcs.git import git, split_nul
from git_theta.vcs.remotes import TRANSPORT_KEYS, list_remotes, read_transport_settings

_PLACE_KEY = re.compile(r"theta\.remote\.(?P<name>.+)\.(url|transport)", re.DOTALL)
_NEW_NAME = "NEW"


def find_left_remotes(name: str = "") -> list[str]:
    """Their names, as this repository's own configuration has them: a person's may be for other repositories.

    None where it is configured for the remote called ``name``, too: that one was not renamed without it.
    """
    placed = _find_placed(read_transport_settings())
    if name in placed or not (left := placed.difference(list_remotes())):
        return []
    with suppress(GitError):  # it has none of its own
        keys = split_nul(git("config", "--local", "-z", "--name-only", "--get-regexp", TRANSPORT_KEYS))
        left &= _find_placed(keys)
        return sorted(one for one in left if ":" not in one and not one.startswith(("/", ".")))  # no URLs
    return []


def describe_left_remote(left: str, name: str = _NEW_NAME) -> tuple[str, str]:
    """What is left of a remote, and what can be done about it. ``name``: the remote that it may be now."""
    section = f"theta.remote.{left}"
    moved = f"Where that is {name} now: git config --rename-section {section} theta.remote.{name}"
    gone = f"Where there is none any more: git config --remove-section {section}"
    return f"it is configured where the objects of {left} go, and no remote is called so", f"{moved}\n{gone}"


def _find_placed(keys: Iterable[str]) -> set[str]:
    return {found["name"] for key in keys if (found := _PLACE_KEY.fullmatch(key))}
