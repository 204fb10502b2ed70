"""What a repository borrows from, found as Git finds it: `git count-objects -v` is the oracle."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from git_theta.vcs.alternates import read_alternates
from git_theta.vcs.quoting import unquote


def objects(folder: Path) -> Path:
    """The object directory of a new bare repository."""
    subprocess.run(["git", "init", "--quiet", "--bare", folder], check=True)
    return folder / "objects"


def borrow(where: Path, *lines: str | Path) -> None:
    (where / "info" / "alternates").write_bytes(b"".join(os.fsencode(line) + b"\n" for line in lines))


def found_by_git(where: Path, env: Mapping[str, str]) -> list[str]:
    command = ["git", f"--git-dir={where.parent}", "count-objects", "-v"]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, check=True)
    named = [line.removeprefix(b"alternate: ") for line in done.stdout.splitlines() if line.startswith(b"alternate: ")]
    return [os.fsdecode(os.path.realpath(unquote(name[1:-1]) if name[:1] == b'"' else name)) for name in named]


def found(where: Path, environment: str = "") -> list[Path]:
    """What we find, which is what Git finds, in its order."""
    ours = read_alternates(where, environment).found
    env = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": environment} if environment else {}
    assert list(map(os.path.realpath, ours)) == found_by_git(where, env)
    return list(ours)


@pytest.fixture
def chain(tmp_path: Path) -> list[Path]:
    """Object directories of which each borrows from the next: more than Git follows."""
    made = [objects(tmp_path / f"{number}.git") for number in range(9)]
    for lender, borrower in zip(made[1:], made, strict=False):
        borrow(borrower, lender)
    return made


def test_alternates_of_alternates(chain: list[Path]) -> None:
    assert found(chain[5]) == chain[6:]


def test_a_chain_ends_where_git_ends_it(chain: list[Path]) -> None:
    assert found(chain[0]) == chain[1:7]
    assert read_alternates(chain[0]).ignored == (chain[7],)


def test_a_cycle_ends(chain: list[Path]) -> None:
    borrow(chain[3], chain[1], chain[0], chain[3])
    assert found(chain[0]) == chain[1:4]


def test_relative_paths_start_where_they_are_named(tmp_path: Path, chain: list[Path]) -> None:
    borrow(chain[0], "../../1.git/objects")
    borrow(chain[1], "../../8.git/objects/", "../../7.git/./objects")
    assert found(chain[0]) == [chain[1], chain[8], chain[7]]


def test_comments_quotes_and_empty_lines(tmp_path: Path, chain: list[Path]) -> None:
    odd = objects(tmp_path / "a\tb\\c")
    quoted = '"' + str(odd).replace("\\", "\\\\").replace("\t", "\\t") + '"'
    borrow(chain[0], "# a comment", "", quoted, f"#{chain[3]}", chain[8])
    assert found(chain[0]) == [odd, chain[8]]


def test_what_is_gone_is_told_apart(chain: list[Path]) -> None:
    shutil.rmtree(chain[2].parent)
    assert found(chain[0]) == [chain[1]]
    assert read_alternates(chain[0]).missing == (chain[2],)


def test_the_environment_names_more(tmp_path: Path, chain: list[Path]) -> None:
    odd = objects(tmp_path / "with:colon")
    borrow(chain[0], chain[8])
    assert found(chain[0], f'{chain[7]}:"{odd}"') == [chain[7], chain[8], odd]
    assert found(chain[0], f'"{odd}"') == [odd, chain[8]]


def test_no_alternates(chain: list[Path]) -> None:
    assert found(chain[8]) == []
