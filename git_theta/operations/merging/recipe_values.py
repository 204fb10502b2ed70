"""The values of a recipe's YAML text: read without being trusted, and refused where they are not what is wanted."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Collection, Mapping
from typing import Any, NoReturn

from git_theta.errors import UsageError
from git_theta.words import suggest_names

LARGEST = 1 << 16
"""A file above this many bytes is no recipe."""
_MAX_ITEMS = 100_000
_MAX_BITS = 64
"""Of an integer."""


def load_yaml(content: bytes) -> Mapping[str, Any]:
    """The mapping that a YAML text holds. Raises UsageError for any other text, and without PyYAML."""
    try:
        import yaml
    except ImportError:
        hint = f"Install it there: {sys.executable} -m pip install 'git-theta[recipe]'"
        raise UsageError("this needs PyYAML, which git-theta's environment has not got", hint=hint) from None
    if len(content) > LARGEST:
        refuse_recipe(f"more than {LARGEST:,} bytes are no recipe")
    try:
        data = yaml.safe_load(content)
    except Exception as error:  # a KeyError for `!!bool maybe`, and whatever comes to pass for other tags
        said = str(error) if isinstance(error, (yaml.YAMLError, ValueError)) else repr(error)
        raise UsageError(f"not valid YAML: {said}") from None
    _require_bounded(data)
    return require_table(data, "the recipe")


def _require_bounded(data: Any) -> None:
    """Raise UsageError for data that cannot be printed or compared.

    Its aliases may stand for more than memory holds, and Python refuses to spell integers of thousands of digits.
    """
    waiting = [data]
    for _ in range(_MAX_ITEMS):
        if not waiting:
            return
        item = waiting.pop()
        if isinstance(item, int) and item.bit_length() > _MAX_BITS:
            refuse_recipe(f"an integer of {item.bit_length():,} bits is no setting of a merge")
        waiting += item.values() if isinstance(item, dict) else item if isinstance(item, (list, set, tuple)) else ()
    refuse_recipe(f"more than {_MAX_ITEMS:,} values, aliases included, are no recipe")


def require_flag(value: Any, what: str) -> bool:
    """A value that is true or false. Raises UsageError, saying ``what`` it is, for any other."""
    if not isinstance(value, bool):
        refuse_recipe(f"{what} is neither true nor false")
    return value


def require_number(value: Any, what: str) -> float:
    """A value that is a finite number. Raises UsageError, saying ``what`` it is, for any other, and for none."""
    if value is None:
        refuse_recipe(f"{what} is missing", "Give it under parameters.")
    if isinstance(value, str):  # which is what YAML takes 1e-3 for
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        refuse_recipe(
            f"{what} is not one number but {value!r}",
            "Gradients and filters are not supported. For parameters by name: --for 'GLOB=STRATEGY,option=value'",
        )
    return float(value)


def require_revision(value: Any, what: str) -> str:
    """A value that may name a revision. Raises UsageError, saying ``what`` it is, for any other."""
    if not isinstance(value, str) or not value or not _can_be_argument(value):
        refuse_recipe(
            f"{what} is no revision but {value!r}", "Name a branch, a tag or a commit, in quotes if it is a number."
        )
    return value


def _can_be_argument(text: str) -> bool:
    """Whether a program can be given this text: no NUL, and nothing that UTF-8 cannot spell."""
    try:
        return "\0" not in text and bool(os.fsencode(text))
    except UnicodeEncodeError:
        return False


def require_table(value: Any, what: str) -> Mapping[str, Any]:
    """A value that maps names to values. Raises UsageError, saying ``what`` it is, for any other."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        refuse_recipe(f"{what} is not a mapping of names to values")
    return value


def require_keys(table: Mapping[str, Any], names: Collection[str], where: str) -> None:
    """Raise UsageError where a table, which stands ``where``, has other keys than these."""
    for key in table:
        if key not in names:
            refuse_recipe(f"{where}: {key} is not supported", suggest_names(key, names))


def refuse_recipe(message: str, hint: str = "") -> NoReturn:
    """Raise UsageError: the recipe is none that has a meaning here."""
    raise UsageError(message, hint=hint)
