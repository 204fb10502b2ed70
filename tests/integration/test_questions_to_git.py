"""Each question to Git is a process: a command of ours asks for settings, and for the files of a commit, once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.sandbox import Sandbox
from tests.two_branches import contested


def list_repeated(trace: Path, askers: int = 1) -> list[str]:
    """The questions that processes asked again, of all that a command started: each process has its own.

    ``askers``: so many processes of ours, which the trace cannot tell apart, may ask below one of Git.
    """
    events = map(json.loads, trace.read_text().splitlines())
    asked = Counter(
        (event["sid"].rpartition("/")[0], " ".join(event["argv"])) for event in events if event["event"] == "start"
    )
    questions = ("git config ", "git ls-tree -r ", "git diff-tree ")
    return [words for (_, words), count in asked.items() if count > askers and words.startswith(questions)]


@pytest.mark.parametrize(
    ("command", "askers"),
    [
        pytest.param("git merge side -m merged", 2, id="git merge: two hooks of a commit"),
        pytest.param("git theta merge side -s average", 1, id="git theta merge"),
    ],
)
def test_a_merge_asks_each_question_once(sandbox: Sandbox, tmp_path: Path, command: str, askers: int) -> None:
    contested(sandbox)
    sandbox.git("config", "theta.merge.strategy", "average")
    sandbox.run(*command.split(), env={"GIT_TRACE2_EVENT": str(tmp_path / "trace")})
    assert list_repeated(tmp_path / "trace", askers) == []


def test_so_does_a_command_that_settles_it(sandbox: Sandbox, tmp_path: Path) -> None:
    contested(sandbox)
    assert sandbox.git("merge", "side", check=False).returncode == 1
    sandbox.git("theta", "resolve", "--ours", env={"GIT_TRACE2_EVENT": str(tmp_path / "trace")})
    assert list_repeated(tmp_path / "trace") == []
