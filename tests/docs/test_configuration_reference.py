"""Whatever git_theta reads to find its settings is in the reference, and the order there is the one that holds."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import cache

import pytest

from git_theta.cli.environment import read_merge_options
from git_theta.merging.policies import policy_file
from git_theta.repository.merging.policy_sources import OPTIONS_VARIABLE, MergeOptions, policy_for
from tests.docs.test_command_reference import REFERENCE, code_words
from tests.sandbox import Sandbox

SOURCE = REFERENCE.parents[1] / "git_theta"
PAGE = (REFERENCE / "configuration.md").read_text()
SETTING = re.compile(r"GIT_THETA_[A-Z_]+|(?:[a-z]+\.)?theta(?:\.[a-z]+)+")


@cache
def nodes() -> Sequence[ast.AST]:
    """The syntax of all our source."""
    return [node for file in SOURCE.rglob("*.py") for node in ast.walk(ast.parse(file.read_bytes()))]


def asked_attributes() -> set[str]:
    """The attributes in calls of `git check-attr`, and of what asks it for one."""
    calls = [node for node in nodes() if isinstance(node, ast.Call)]
    words = [[word.value for word in call.args if isinstance(word, ast.Constant)] for call in calls]
    asked = {str(word) for said in words if "check-attr" in said for word in said[1:] if not str(word).startswith("-")}
    by_name = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "read_attribute"]
    return asked | {str(word.value) for word in by_name if isinstance(word, ast.Constant)}


def test_every_variable_and_key_that_is_named_in_the_source_is_described() -> None:
    words = {node.value for node in nodes() if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    named = set(filter(SETTING.fullmatch, words))
    assert {"GIT_THETA_STRATEGY", "theta.merge.strategy", "filter.theta.process"} <= named
    assert named - code_words(PAGE) == set()


def test_every_attribute_that_git_is_asked_for_is_described() -> None:
    asked = asked_attributes()
    assert "theta-merge" in asked
    assert asked - {word.partition("=")[0] for word in code_words(PAGE)} == set()


def test_who_wins_is_as_the_reference_says(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def choice() -> str:
        made = policy_for("a.pt", sandbox.root, read_merge_options()).choose("a.pt", "weight")
        return f"{made} ({made.origin})" if made else "conflict"

    monkeypatch.chdir(sandbox.root)
    assert choice() == "conflict"
    sandbox.git("config", "theta.merge.strategy", "ties")
    sandbox.git("config", "theta.merge.option", "density=0.5")
    assert choice() == "ties density=0.5 (theta.merge.strategy)"
    monkeypatch.setenv("GIT_THETA_STRATEGY", "base")
    assert choice() == "base (GIT_THETA_STRATEGY)"
    sandbox.write(".gitattributes", b"*.pt theta-merge=slerp,t=0.3")
    assert choice() == "slerp t=0.3 (theta-merge)"
    sandbox.write(policy_file.POLICY_FILE, b'[[merge]]\nstrategy = "average"')
    assert choice() == "slerp t=0.3 (theta-merge)"  # it is not committed
    sandbox.commit("a policy")
    assert choice() == "average (.theta.toml, rule 1)"
    monkeypatch.setenv(OPTIONS_VARIABLE, MergeOptions("ours").encode())
    assert choice() == "ours (-s)"
    assert {policy_file.POLICY_FILE, OPTIONS_VARIABLE} <= code_words(PAGE)
