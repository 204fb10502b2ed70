"""The pages about Python: their examples run, and the reference names everything that there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import git_theta
from git_theta.api.branch_merge import BranchMerge
from git_theta.api.history_rows import BlameRow, LogRow
from git_theta.api.installed import StrategyRow
from git_theta.api.merge_rows import MergeRow
from git_theta.api.version_diff import DiffRow, VersionDiff
from git_theta.api.weight_space import MapRow, VersionMap
from git_theta.repository.setup.plugin_survey import PluginRow
from tests.api.api_repositories import two_versions
from tests.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "reference" / "python.md").read_text()
HOW_TO = (ROOT / "docs" / "how-to" / "python.md").read_text()
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FUNCTIONS = [
    "open", "load", "save", "trainer_callback", "lightning_callback", "diff", "map", "merge", "log", "blame",
    "checkout_dir", "strategies", "plugins",
]  # fmt: skip


def section(title: str) -> str:
    """What stands below a heading of the reference."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", REFERENCE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def test_the_examples_run_one_after_the_other(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two_versions(sandbox)
    monkeypatch.chdir(sandbox.root)
    blocks, names = BLOCK.findall(HOW_TO), dict[str, Any]()
    assert len(blocks) >= 8
    for number, block in enumerate(blocks):
        exec(compile(block, f"block {number}", "exec"), names)
    assert "the branch 'runs/7' is at" in capsys.readouterr().out
    assert names["rows"].shape == (10, 32)
    assert [row.name for row in names["changes"]] == ["head.weight"]
    assert sandbox.git("log", "--format=%s", "-n3", "runs/8").stdout == "step 4\nstep 3\nstep 2\n"
    assert sandbox.git("log", "--format=%s", "-n1", "ties").stdout == "TIES of dev and runs/7\n"


def test_every_name_is_in_the_table() -> None:
    missing = [name for name in git_theta.__all__ if name[0].islower() and f"`gt.{name}`" not in REFERENCE]
    assert not missing


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_its_signature_there(name: str) -> None:
    text = section(f"gt.{name}")
    written = re.search(rf"`gt\.{name}\((.*?)\)`", text)
    assert written
    actual = ", ".join(_spell(inspect.signature(getattr(git_theta, name))))
    assert written[1] == actual


def _spell(signature: inspect.Signature) -> list[str]:
    words: list[str] = []
    bare = False
    for one in signature.parameters.values():
        if one.kind is inspect.Parameter.VAR_POSITIONAL:
            words, bare = [*words, f"*{one.name}"], True
            continue
        if one.kind is inspect.Parameter.KEYWORD_ONLY and not bare:
            words, bare = [*words, "*"], True
        default = "" if one.default is inspect.Parameter.empty else f"={one.default!r}".replace("'", '"')
        words.append(f"{one.name}{default}")
    return words


@pytest.mark.parametrize(
    "kind",
    [git_theta.Checkpoint, git_theta.Checkpointer, git_theta.Parameter, VersionDiff, VersionMap, BranchMerge],
)
def test_every_member_is_named(kind: type) -> None:
    members = [name for name in vars(kind) if not name.startswith("_")]
    missing = [name for name in members if not re.search(rf"`{name}[`(]", REFERENCE)]
    assert members and not missing


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("diff", DiffRow),
        ("map", MapRow),
        ("merge", MergeRow),
        ("log", LogRow),
        ("blame", BlameRow),
        ("strategies", StrategyRow),
        ("plugins", PluginRow),
    ],
)
def test_every_column_is_named(name: str, kind: Any) -> None:
    assert not [field for field in kind._fields if f"`{field}`" not in section(f"gt.{name}")]


def test_every_error_is_named() -> None:
    errors = [name for name, one in vars(git_theta.errors).items() if isinstance(one, type) and name != "NewerManifest"]
    assert not [name for name in errors if f"`{name}`" not in section("Errors")]
