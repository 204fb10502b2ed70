"""Settings of Git by their keys: asked for one by one, or, by a command of ours, once for all.

A command reads its settings once, as Git does. The Python API lives longer than they do, and asks each time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import GitError
from git_theta.vcs.git import current_folder, git, split_nul


class ListedSetting(NamedTuple):
    """A setting, and where it stands. One without a value is true."""

    origin: str
    key: str
    value: str


_NOT_ZERO = re.compile(r"[+-]?(0x0*[1-9a-f][0-9a-f]*|0*[1-9][0-9]*)[kmg]?", re.ASCII)
_ZERO = re.compile(r"[+-]?(0x)?0+[kmg]?", re.ASCII)
_Source = tuple[Path, tuple[tuple[str, str], ...]]
"""A folder, and what the environment says of settings, which we add to ourselves (``credential_sharing``)."""
_Answers = dict[_Source, Sequence[ListedSetting]]
_REMEMBERED: list[_Answers | None] = [None]
"""What the innermost block remembers; None where each question goes to Git. All threads of the process share it."""


@contextmanager
def remembering_settings(*, remembers: bool = True) -> Iterator[None]:
    """Ask Git once for all settings of a repository while the ``with`` block runs.

    Whoever changes one there forgets them (``forget_settings``). ``remembers``: False to ask each time again, where
    code that is not ours runs, which may change settings.
    """
    _REMEMBERED.append({} if remembers else None)
    try:
        yield
    finally:
        _REMEMBERED.pop()


def forget_settings() -> None:
    """Have Git asked again, since a setting was changed."""
    if (found := _REMEMBERED[-1]) is not None:
        found.clear()


def list_settings(cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Sequence[ListedSetting]:
    """All settings, in their order; with an environment, those of the repository that it names. Raises GitError."""
    found = _REMEMBERED[-1]
    where = cwd or current_folder() or _process_folder()
    if found is None or env is not None or where is None:
        return _list_all(where, env)
    source = (where, tuple(sorted(item for item in os.environ.items() if item[0].startswith("GIT_"))))
    if source not in found:
        found[source] = _list_all(where, None)
    return found[source]


def match_settings(pattern: str, cwd: Path | None = None) -> list[tuple[str, str]]:
    """Key and value of the settings whose key matches, in their order. Raises GitError."""
    matches = re.compile(pattern, re.DOTALL).search
    return [(one.key, one.value) for one in list_settings(cwd) if matches(one.key)]


def pick_settings(keys: Collection[str], cwd: Path | None = None) -> list[tuple[str, str]]:
    """Key and value of the settings of these keys, in their order. Raises GitError."""
    return [(one.key, one.value) for one in list_settings(cwd) if one.key in keys]


def find_setting(key: str, cwd: Path | None = None) -> str:
    """The value that counts of a key, whose section and last word are in small letters; "" where there is none.

    So too where settings cannot be read.
    """
    try:
        found = pick_settings((key,), cwd)
    except GitError:
        return ""
    return found[-1][1] if found else ""


def is_true(value: str) -> bool:
    """Whether Git takes a value for true: it counts numbers, too (config.c, parse.c)."""
    lower = value.lower()
    return lower in ("true", "yes", "on") or _NOT_ZERO.fullmatch(lower) is not None


def is_false(value: str) -> bool:
    """Whether a value tells Git no in so many words; "" does not."""
    lower = value.lower()
    return lower in ("false", "no", "off") or _ZERO.fullmatch(lower) is not None


def has_true_setting(key: str, cwd: Path | None = None) -> bool:
    """Whether a setting of this key, in small letters, is true; not where settings cannot be read.

    Raises GitError, as Git does, for a value that is neither true nor false: nobody knows what was meant.
    """
    value = find_setting(key, cwd)
    if value and not is_true(value) and not is_false(value):
        raise GitError(
            f"{value!r} of {key} is neither true nor false", hint=f"Where it is set: git config --show-origin {key}"
        )
    return is_true(value)


def _process_folder() -> Path | None:
    with suppress(OSError):  # somebody removed it; Git says so
        return Path.cwd()
    return None


def _list_all(top: Path | None, env: Mapping[str, str] | None) -> list[ListedSetting]:
    items = split_nul(git("config", "--list", "-z", "--show-origin", cwd=top, env=env))
    return [ListedSetting(origin, *parse_setting(one)) for origin, one in zip(items[::2], items[1::2], strict=True)]


def parse_setting(item: str) -> tuple[str, str]:
    """Key and value of an item of a ``git config -z`` listing. One without a value is true."""
    key, newline, value = item.partition("\n")
    return key, value if newline else "true"
