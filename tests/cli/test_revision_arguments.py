"""Words of the command line: which of them Git does not know is told, and that there is no repository at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sandbox import Sandbox, changed, model, track_and_commit

FILE = "model.safetensors"
FIRST = model(0, weight=(40, 40), bias=30)
HINT = "hint: Name a branch, a tag or a commit: git log --all\n"
PATH_HINT = "hint: Put -- before the path of a file that is gone.\n"
ADAPTER = ("--rank", "1", "-o", "adapter")


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    track_and_commit(sandbox, {FILE: FIRST})
    sandbox.write(FILE, changed(FIRST, "weight"))
    sandbox.commit()
    sandbox.git("remote", "add", "origin", sandbox.root)
    return sandbox


@pytest.mark.parametrize(
    "words",
    [
        ["log", "main", "nix"],
        ["diff", "main..nix"],
        ["map", "main", "nix", "main"],
        ["path", "main", "nix"],
        ["centroid", "main", "nix", "-o", "mean.safetensors"],
        ["search", "main", "nix"],
        ["export-update", "main", "nix", *ADAPTER],
    ],
)
def test_a_word_may_be_meant_for_a_path(words: list[str], repository: Sandbox) -> None:
    done = repository.theta(*words, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        f"theta: error: 'nix' is no revision here, and no file\n{PATH_HINT}",
    )


@pytest.mark.parametrize(
    "words",
    [
        ["log", "main", "nix", "--", FILE],
        ["diff", "main...nix", "--", FILE],
        ["fetch", "origin", "main", "nix"],
        ["push", "origin", "nix"],
        ["du", "--rev", "main..nix"],
        ["describe", FILE, "main", "nix"],
    ],
)
def test_the_unknown_one_of_several_is_named(words: list[str], repository: Sandbox) -> None:
    done = repository.theta(*words, check=False)
    assert (done.returncode, done.stderr) == (2, f"theta: error: 'nix' is no revision here\n{HINT}")


@pytest.mark.parametrize(
    "words",
    [
        ["path", "HEAD", "HEAD^"],
        ["path", "a", "b", "--", FILE],
        ["map", "a", "b"],
        ["centroid", "a", "b", "-o", "mean.safetensors"],
        ["export-update", "a", "b", *ADAPTER],
        ["search", "a"],
        ["log", "a"],
        ["diff", "a"],
        ["fetch", "origin"],
        ["pull", "origin"],
    ],
)
def test_outside_of_a_repository_that_is_what_is_wrong(words: list[str], sandbox: Sandbox, tmp_path: Path) -> None:
    (outside := tmp_path / "outside").mkdir()
    done = replace(sandbox, root=outside).theta(*words, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (7, "theta: error: not in a Git repository")


def test_the_only_checkpoint_need_not_be_named(repository: Sandbox) -> None:
    ways = (["main^", "main"], ["main", "main^", "--", FILE])
    found = [json.loads(repository.theta("map", "--json", "--base", "main^", *way).stdout)["path"] for way in ways]
    assert found == [FILE, FILE]
    repository.write("other.safetensors", FIRST)
    repository.commit()
    said = repository.theta("map", "main", "main^", check=False).stderr
    assert said == f"theta: error: main has 2 checkpoints: {FILE}, other.safetensors\nhint: Name one: -- {FILE}\n"


@pytest.mark.parametrize(("command", "advice"), [("fetch", " A revision comes behind the remote."), ("pull", "")])
def test_a_remote_that_is_none(command: str, advice: str, repository: Sandbox) -> None:
    said = repository.theta(command, "main", check=False).stderr
    assert said == f"theta: error: no remote is called 'main'\nhint: There are: origin.{advice}\n"
