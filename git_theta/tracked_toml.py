"""Tracked TOML files of ours: whoever can push to a repository writes them, so all in them is looked at (L10)."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from git_theta.errors import UsageError
from git_theta.words import suggest_names

T = TypeVar("T")

SIZE_LIMIT = 1 << 20
"""A file above this many bytes is none of ours: thousands of rules fit."""


def parse_toml(content: bytes, noun: str) -> dict[str, Any]:
    """The tables of a file.

    Args:
        content: its bytes.
        noun: what people call the file, for errors: "policy".

    Raises UsageError for what is too large, no UTF-8 or no TOML.
    """
    if len(content) > SIZE_LIMIT:
        raise UsageError(f"the {noun} has more than {SIZE_LIMIT} bytes: it is not read")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(f"not UTF-8 at byte {error.start}", hint="Save the file as UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not valid TOML: {error}") from None


def parse_named_tables(
    content: bytes, path: str, key: str, noun: str, parse_table: Callable[[str, dict[str, Any]], T]
) -> dict[str, T]:
    """What a file holds that has nothing but tables of one kind, ``[key.NAME]``: by name, in its order.

    Args:
        content: its bytes.
        path: where it is.
        key: what the heads of tables begin with: "round".
        noun: what people call several of them: "rounds".
        parse_table: makes something of a name and its table. Raises UsageError for a table that is none.

    Raises UsageError, with the path, for anything that is no such file.
    """
    try:
        data = parse_toml(content, f"list of {noun}")
        check_keys(data, (key,))
        tables = data.get(key, {})
        if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
            raise UsageError(f"{key} is no table of {noun}", hint=f"Start each with a line [{key}.NAME].")
        return {name: parse_table(name, table) for name, table in tables.items()}
    except UsageError as error:
        raise error.add_location(path=path) from None


def check_keys(data: Mapping[str, Any], known: Collection[str]) -> None:
    """Raise UsageError for a key that means nothing there, with the closest that does."""
    for key in data:
        if key not in known:
            raise UsageError(f"unknown key {key!r}", hint=suggest_names(key, known))
