"""Real merges where torch is not installed: by git, by git theta, of conflicts; and strategies of other packages.

Git starts our programs through an interpreter that cannot find torch, and that notes what was imported in the end.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from git_theta import merge_tensors
from git_theta.vcs import config
from tests.integration.three_branches import BASE, MODEL, added, branch, on_main, started, values
from tests.sandbox import Sandbox
from tests.test_plugins import describe

INTERPRETER = """\
import os, runpy, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

def note():
    with open({log!r}, "a") as log:
        log.write(" ".join([module, *sys.modules]) + "\\n")

sys.meta_path.insert(0, Blocker())
sys.path += {path!r}
module = sys.argv[sys.argv.index("-m") + 1]
sys.argv = sys.argv[sys.argv.index("-m") + 1 :]
leave = os._exit

def note_and_leave(code):  # programs that have done their work leave so
    note()
    leave(code)

os._exit = note_and_leave
try:
    runpy.run_module(module, run_name="__main__", alter_sys=True)
finally:
    note()
"""
PROJECT = """\
[project]
name = "git-theta-plugged"
version = "1.0"

[project.entry-points."git_theta.plugins.merges"]
float64 = "tests.merging.plugin_strategies:FLOAT64"
short = "tests.merging.plugin_strategies:SHORT"
median = "tests.merging.plugin_strategies:MEDIAN"
numpy-median = "tests.merging.plugin_strategies:NUMPY_MEDIAN"
"""


class Interpreted:
    """A repository whose programs run in an interpreter without some packages, and with the plug-ins of a test."""

    def __init__(self, repository: Sandbox, folder: Path, *blocked: str) -> None:
        self.repository, self._log = repository, folder / "imported"
        script, self._python = folder / "interpreter.py", folder / "python"
        (folder / "pyproject.toml").write_text(PROJECT)
        describe(folder, folder / "site")
        path = [str(folder / "site"), str(Path(__file__).parents[2])]
        script.write_text(INTERPRETER.format(blocked=blocked, log=str(self._log), path=path))
        self._python.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, "-I", str(script)])} "$@"\n')
        self._python.chmod(0o755)
        for setting in config.our_settings(str(self._python)):
            repository.git("config", "--local", setting.key, setting.value)

    def theta(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """``git theta ARGUMENTS``."""
        return self.repository.run(self._python, "-m", "git_theta", *arguments, check=check)

    def imported(self) -> dict[str, set[str]]:
        """What each program had imported when it ended."""
        lines = [line.split() for line in self._log.read_text().splitlines()]
        return {program: set(modules) for program, *modules in lines}


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    """Heads ``a`` and ``b``, and main: all changed ``a.weight`` and ``a.bias``."""
    started(sandbox)
    branch(sandbox, "a", added(BASE, a__weight=1, a__bias=4))
    branch(sandbox, "b", added(BASE, a__weight=-2, a__bias=3))
    on_main(sandbox, added(BASE, a__weight=3, a__bias=-1))
    return sandbox


@pytest.fixture
def bare(repository: Sandbox, tmp_path: Path) -> Interpreted:
    """Without torch, and without array-api-compat, which numpy from 2.0 on does without."""
    return Interpreted(repository, tmp_path, "torch", "array_api_compat")


def assert_merged(repository: Sandbox, strategy: str, *checkpoints: bytes, **options: object) -> None:
    """The worktree has what merging from Python gives."""
    for name in ("a.weight", "a.bias"):
        base, *heads = (values(checkpoint, name) for checkpoint in (BASE, *checkpoints))
        expected = merge_tensors(strategy, heads, base, name=name, **options)  # type: ignore[arg-type]
        assert values(repository.read(MODEL), name).tobytes() == expected.tobytes()


OURS, A, B = (
    added(BASE, a__weight=weight, a__bias=bias) for weight, bias in ((3, -1), (1, 4), (-2, 3))
)  # fmt: skip


@pytest.mark.parametrize("strategy", ["average", "ties", "dare", "slerp", "model-stock", "breadcrumbs"])
def test_git_merge(bare: Interpreted, strategy: str) -> None:
    bare.repository.git("merge", "-q", "--no-edit", "a", env={"GIT_THETA_STRATEGY": strategy})
    assert_merged(bare.repository, strategy, OURS, A)
    imported = bare.imported()
    assert "numpy" in imported["git_theta.cli.merge_driver"]
    assert not any({"torch", "array_api_compat"} & modules for modules in imported.values())


def test_several_heads_at_once_with_a_report(bare: Interpreted, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    bare.theta("merge", "a", "b", "-s", "ties", "-o", "scope=checkpoint", "-o", "density=0.6", "--report", report)
    [file] = json.loads(report.read_text())["files"]
    cosines = [pair["cosine"] for item in file["parameters"] for pair in item["agreement"]]
    assert cosines == pytest.approx([1, -1, -1, -1, -1, 1], abs=1e-5)
    assert "torch" not in bare.imported()["git_theta"]
    weight, bias = (values(bare.repository.read(MODEL), name) for name in ("a.weight", "a.bias"))
    assert not np.array_equal(weight, values(OURS, "a.weight")) and not np.array_equal(bias, values(OURS, "a.bias"))


def test_a_conflict_is_settled(bare: Interpreted) -> None:
    assert bare.repository.git("merge", "-q", "a", check=False).returncode == 1
    bare.theta("resolve", "-s", "weighted")
    assert_merged(bare.repository, "weighted", OURS, A)


def test_a_strategy_that_needs_torch_says_so_and_nothing_is_lost(bare: Interpreted) -> None:
    done = bare.theta("merge", "a", "b", "-s", "median", check=False)
    assert done.returncode == 8
    assert "median computes with torch, which is not installed here" in done.stderr
    assert 'array_library="any"' in done.stderr
    assert bare.repository.read(MODEL) == OURS
    bare.theta("merge", "a", "b", "-s", "numpy-median")
    assert_merged(bare.repository, "average", added(BASE, a__weight=1, a__bias=3), added(BASE, a__weight=1, a__bias=3))


def test_a_strategy_for_torch_merges_where_torch_is(repository: Sandbox, tmp_path: Path) -> None:
    there = Interpreted(repository, tmp_path)
    there.theta("merge", "a", "b", "-s", "median")
    assert_merged(repository, "average", added(BASE, a__weight=1, a__bias=3), added(BASE, a__weight=1, a__bias=3))
    assert "torch" in there.imported()["git_theta"]


@pytest.mark.parametrize(("strategy", "what"), [("float64", "numpy arrays of float64"), ("short", "of 8 elements")])
def test_what_a_broken_strategy_yields_is_never_committed(bare: Interpreted, strategy: str, what: str) -> None:
    before = bare.repository.git("rev-parse", "HEAD").stdout
    done = bare.theta("merge", "a", "-s", strategy, check=False)
    assert done.returncode
    assert f"a.bias: {strategy} yields" in done.stderr and what in done.stderr
    assert bare.repository.git("rev-parse", "HEAD").stdout == before
    assert bare.repository.read(MODEL) == OURS
