"""``.theta.toml``: the tracked file in which a project says how its checkpoints are merged.

::

    [[merge]]
    path = "*.safetensors"                # a glob or several; without it every file
    parameters = ["encoder.*", "head.*"]  # a glob or several; without it every parameter
    kind = "statistic"                    # a kind of tensors that are no weights, or several; without it every tensor
    strategy = "ties"
    options = { density = 0.2, lambda = 1.0 }

Whoever can push to a repository writes this file, so it can name strategies and values, and nothing else (L10).
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Collection, Mapping
from typing import Any

from git_theta.errors import UsageError
from git_theta.merging.options import suggest_names
from git_theta.merging.policy import EVERYTHING, Rule, make_rule, prefix_origin

POLICY_FILE = ".theta.toml"
"""Its name, at the top of the worktree."""
SIZE_LIMIT = 1 << 20
"""A file above this many bytes is no policy: thousands of rules fit."""

_KEYS = ("path", "parameters", "kind", "strategy", "options")


def parse_policy(content: bytes, path: str = POLICY_FILE) -> tuple[Rule, ...]:
    """The rules that a policy file holds, in its order.

    Args:
        content: the bytes of the file.
        path: the file, for errors and origins.

    Raises UsageError, with the path and the line or the number of the rule, for anything that is no policy.
    """
    try:
        data = _parse_toml(content)
        _check_keys(data, ("merge",))
        rules = data.get("merge", [])
        if not isinstance(rules, list) or not all(isinstance(table, dict) for table in rules):
            raise UsageError("merge is not a list of rules", hint="Start each rule with a line [[merge]].")
        return tuple(_parse_rule(table, path, number) for number, table in enumerate(rules, 1))
    except UsageError as error:
        raise error.add_location(path=path) from None


def _parse_toml(content: bytes) -> dict[str, Any]:
    if len(content) > SIZE_LIMIT:
        raise UsageError(f"the policy has {len(content)} bytes; above {SIZE_LIMIT} it is not read")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(f"not UTF-8 at byte {error.start}", hint="Save the file as UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not valid TOML: {error}") from None


def _parse_rule(data: dict[str, Any], path: str, number: int) -> Rule:
    with prefix_origin(f"rule {number}"):
        _check_keys(data, _KEYS)
        strategy, options = data.get("strategy"), data.get("options", {})
        if not isinstance(strategy, str):
            raise UsageError("strategy is not the name of one", hint='Write strategy = "NAME".')
        if not isinstance(options, dict):
            raise UsageError("options is not a table", hint="Write options = { density = 0.2 }.")
        for name, value in options.items():
            _check_value(name, value)
        origin = f"{path}, rule {number}"
        kinds = _parse_globs(data, "kind") if "kind" in data else ()
        return make_rule(strategy, options, origin, _parse_globs(data, "path"), _parse_globs(data, "parameters"), kinds)


def _check_keys(data: Mapping[str, Any], known: Collection[str]) -> None:
    for key in data:
        if key not in known:
            raise UsageError(f"unknown key {key!r}", hint=suggest_names(key, known))


def _check_value(name: str, value: Any) -> None:
    """Require numbers, text, truth values, or lists and tables of them: what every origin of a rule can hold."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_value(name, item)
    elif not isinstance(value, (str, int, float)) or (isinstance(value, float) and not math.isfinite(value)):
        raise UsageError(f"the option {name} cannot be {value}")


def _parse_globs(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    given = data.get(key, list(EVERYTHING))
    globs = [given] if isinstance(given, str) else given
    if not isinstance(globs, list) or not globs or not all(isinstance(glob, str) for glob in globs):
        raise UsageError(f"{key} is neither a glob nor a list of globs", hint=f'Write {key} = "GLOB".')
    return tuple(globs)
