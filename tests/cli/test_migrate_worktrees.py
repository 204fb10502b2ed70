"""``git theta migrate`` where the worktree is not just a folder with its Git directory in it."""

from __future__ import annotations

import subprocess

import pytest

from git_theta.manifest.text import is_manifest
from tests.integration.random_histories import read_refs
from tests.sandbox import Sandbox, changed, model
from tests.templates import built_once

MODEL = "model.safetensors"
FIRST = model(1)
LAST = changed(FIRST, "layer.weight")
IMPORT = ("migrate", "import", "--include", "*.safetensors")


@built_once
def _record_files(sandbox: Sandbox) -> None:
    """Two versions of a checkpoint that Git holds as it is."""
    for version in (FIRST, LAST):
        sandbox.write(MODEL, version)
        sandbox.commit()


@pytest.fixture
def raw(sandbox: Sandbox) -> Sandbox:
    _record_files(sandbox)
    return sandbox


def is_imported(sandbox: Sandbox, branch: str = "main") -> bool:
    command = ["git", "cat-file", "blob", f"{branch}:{MODEL}"]
    return is_manifest(subprocess.run(command, cwd=sandbox.root, check=True, capture_output=True).stdout)


def assert_refused(sandbox: Sandbox, words: str, *command: str) -> None:
    refs = read_refs(sandbox)
    done = sandbox.theta(*command, check=False)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert read_refs(sandbox) == refs


def assert_imported_and_undone(sandbox: Sandbox, held: bytes = LAST) -> None:
    refs = read_refs(sandbox)
    sandbox.theta(*IMPORT)
    assert is_imported(sandbox)
    assert (sandbox.git("status", "--porcelain").stdout, sandbox.read(MODEL)) == ("", held)
    sandbox.theta("migrate", "undo")
    assert (sandbox.git("status", "--porcelain").stdout, sandbox.read(MODEL)) == ("", held)
    assert read_refs(sandbox) == refs


@pytest.mark.parametrize("flag", ["assume-unchanged", "skip-worktree"])
@pytest.mark.parametrize("action", ["import", "export", "undo"])
def test_a_file_that_git_does_not_look_at_is_left_alone(flag: str, action: str, raw: Sandbox) -> None:
    command = IMPORT if action == "import" else ("migrate", action)
    if action != "import":
        raw.theta(*IMPORT)
    mine = changed(LAST, "layer.weight", at=3)
    raw.write(MODEL, mine)
    raw.git("update-index", f"--{flag}", MODEL)
    assert_refused(raw, f"git update-index --no-{flag} {MODEL}", *command)
    assert raw.read(MODEL) == mine
    raw.git("update-index", f"--no-{flag}", MODEL)
    raw.write(MODEL, LAST)
    raw.theta(*command)


def test_a_file_that_is_not_checked_out_is_no_hindrance(raw: Sandbox) -> None:
    raw.write("README.md", b"read me")
    raw.commit()
    raw.git("sparse-checkout", "set", "--no-cone", "README.md")
    raw.theta(*IMPORT)
    assert raw.git("status", "--porcelain").stdout == ""
    raw.git("sparse-checkout", "disable")
    assert (is_imported(raw), raw.read(MODEL)) == (True, LAST)
