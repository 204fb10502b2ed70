"""What a person told Git of pathspecs is about the person's words, and means what Git means by it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from git_theta.vcs import pathspecs
from git_theta.vcs.git import git, literal_pathspec
from git_theta.vcs.pathspecs import read_pathspec, take_pathspec_variables
from tests.sandbox import Sandbox

FILES = ("a.pt", "A.pt", "[a].pt", "sub/a.pt", "sub/B.pt", ":(top)a.pt", "sub/:a.pt")
WORDS: tuple[str, ...] = (
    "a.pt",
    "*.pt",
    "[a].pt",
    ":(top)a.pt",
    ":/a.pt",
    ":!a.pt",
    ":(icase,top)SUB/*",
    ":^/sub",
    "../*a.pt",
    ":",
)
WORDS += (":(glob)*.PT", ":(literal)[a].pt", ":(exclude)*.pt", ":/:a.pt", ".")


@pytest.fixture
def files(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setattr(pathspecs, "_TAKEN", [])
    for name in FILES:
        sandbox.write(name, b"")
    sandbox.git("--literal-pathspecs", "add", "--", *FILES)
    monkeypatch.chdir(sandbox.root / "sub")
    return sandbox


def list_files(files: Sandbox, words: Sequence[str]) -> tuple[bool, str]:
    done = files.run("git", "-C", "sub", "ls-files", "--full-name", "--", *words, check=False)
    return done.returncode == 0, done.stdout


@pytest.mark.parametrize("names", [["LITERAL"], ["GLOB"], ["NOGLOB"], ["ICASE"], ["GLOB", "ICASE"], []])
def test_words_mean_what_they_mean_to_git(names: list[str], files: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in names:
        monkeypatch.setenv(f"GIT_{name}_PATHSPECS", "1")
    by_git = {word: list_files(files, [word]) for word in WORDS}
    assert len({listed for _, listed in by_git.values()}) > 2
    take_pathspec_variables()
    assert not [name for name in os.environ if name.endswith("_PATHSPECS")]
    assert {word: list_files(files, [read_pathspec(word)]) for word in WORDS} == by_git


@pytest.mark.parametrize("name", ["LITERAL", "GLOB", "NOGLOB", "ICASE"])
def test_our_own_words_mean_what_they_say(name: str, files: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"GIT_{name}_PATHSPECS", "true")
    take_pathspec_variables()
    assert git("ls-files", "--full-name", "--", literal_pathspec("a.pt"), cwd=Path.cwd()) == b"a.pt\n"
    assert git("--literal-pathspecs", "ls-files", "--", ":(top)a.pt", cwd=files.root) == b":(top)a.pt\n"


def test_what_is_not_so_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pathspecs, "_TAKEN", [])
    monkeypatch.setenv("GIT_LITERAL_PATHSPECS", "0")
    take_pathspec_variables()
    assert read_pathspec(":(top)a.pt") == ":(top)a.pt"
