"""Settings of Git by their keys: asked for one by one, or all at once by a command that needs many of them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError
from git_theta.vcs.git import current_folder, git, split_nul


class ListedSetting(NamedTuple):
    """A setting, and where it stands. One without a value is true."""

    origin: str
    key: str
    value: str


_Source = tuple[Path, tuple[tuple[str, str], ...]]
"""A folder, and what the environment says of settings, which we add to ourselves (``credential_sharing``)."""
_REMEMBERED: ContextVar[dict[_Source, Sequence[ListedSetting]] | None] = ContextVar("settings", default=None)


@contextmanager
def remembering_settings() -> Iterator[None]:
    """Ask Git once for all settings of a repository while the ``with`` block runs: no file of them changes then."""
    token = _REMEMBERED.set({})
    try:
        yield
    finally:
        _REMEMBERED.reset(token)


def list_settings(cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Sequence[ListedSetting]:
    """All settings, in their order; with an environment, those of the repository that it names. Raises GitError."""
    found = _REMEMBERED.get()
    where = cwd or current_folder() or Path.cwd()
    if found is None or env is not None:
        return _list_all(where, env)
    source = (where, tuple(sorted(item for item in os.environ.items() if item[0].startswith("GIT_"))))
    if source not in found:
        found[source] = _list_all(where, None)
    return found[source]


def match_settings(pattern: str, cwd: Path | None = None) -> list[tuple[str, str]]:
    """Key and value of the settings whose key matches, in their order. Raises GitError.

    ``pattern``: a regular expression that means the same to Git and to Python.
    """
    if _REMEMBERED.get() is not None:
        matches = re.compile(pattern, re.DOTALL).search
        return [(one.key, one.value) for one in list_settings(cwd) if matches(one.key)]
    done = subprocess.run(
        ["git", "config", "--null", "--get-regexp", pattern],
        cwd=cwd or current_folder(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    if done.returncode > 1:  # 1 is "no such key"
        raise GitError(done.stderr.decode(errors="replace").strip().removeprefix("fatal: ") or "git config failed")
    return list(map(_parse_setting, split_nul(done.stdout)))


def is_true(value: str) -> bool:
    """Whether Git takes a value for true."""
    lower = value.lower()
    return lower in ("true", "yes", "on") or (lower.isascii() and lower.isdigit() and int(lower) != 0)


def is_false(value: str) -> bool:
    """Whether a value tells Git no in so many words; "" does not."""
    return value.lower() in ("false", "no", "off", "0")


def has_true_setting(key: str, cwd: Path | None = None) -> bool:
    """Whether a setting of this key, in small letters, is true; not where settings cannot be read."""
    with suppress(GitError):
        found = match_settings(f"^{re.escape(key)}$", cwd)
        return bool(found) and is_true(found[-1][1])
    return False


def _list_all(top: Path, env: Mapping[str, str] | None) -> list[ListedSetting]:
    items = split_nul(git("config", "--list", "-z", "--show-origin", cwd=top, env=env))
    return [ListedSetting(origin, *_parse_setting(one)) for origin, one in zip(items[::2], items[1::2], strict=True)]


def _parse_setting(item: str) -> tuple[str, str]:
    key, newline, value = item.partition("\n")
    return key, value if newline else "true"
