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
from collections.abc import Mapping
from typing import Any

from git_theta.errors import UsageError
from git_theta.merging.policies.policy import EVERYTHING, Rule, make_rule, prefix_origin
from git_theta.tracked_toml import check_keys, parse_toml

POLICY_FILE = ".theta.toml"
"""Its name, at the top of the worktree."""

_KEYS = ("path", "parameters", "kind", "strategy", "options")


def parse_policy(content: bytes) -> tuple[Rule, ...]:
    """The rules that a policy file holds, in its order.

    Raises UsageError, with the path and the line or the number of the rule, for anything that is no policy.
    """
    try:
        data = parse_toml(content, "policy")
        check_keys(data, ("merge",))
        rules = data.get("merge", [])
        if not isinstance(rules, list) or not all(isinstance(table, dict) for table in rules):
            raise UsageError("merge is not a list of rules", hint="Start each rule with a line [[merge]].")
        return tuple(_parse_rule(table, number) for number, table in enumerate(rules, 1))
    except UsageError as error:
        raise error.add_location(path=POLICY_FILE) from None


def _parse_rule(data: dict[str, Any], number: int) -> Rule:
    with prefix_origin(f"rule {number}"):
        check_keys(data, _KEYS)
        strategy, options = data.get("strategy"), data.get("options", {})
        if not isinstance(strategy, str):
            raise UsageError("strategy is not the name of one", hint='Write strategy = "NAME".')
        if not isinstance(options, dict):
            raise UsageError("options is not a table", hint="Write options = { density = 0.2 }.")
        for name, value in options.items():
            _check_value(name, value)
        origin = f"{POLICY_FILE}, rule {number}"
        kinds = _parse_globs(data, "kind") if "kind" in data else ()
        return make_rule(strategy, options, origin, _parse_globs(data, "path"), _parse_globs(data, "parameters"), kinds)


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
