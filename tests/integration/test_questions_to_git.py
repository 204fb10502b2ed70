"""Each question to Git is a process: a command of ours asks for settings, and for the files of a commit, once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.evaluation.scripts import COMMAND, write_script
from tests.sandbox import Sandbox, model, track_and_commit
from tests.two_branches import contested

READING = [
    "git status", "git add --renormalize .", "git commit -qm same --allow-empty", "git diff HEAD~1", "git theta status",
    "git theta diff HEAD~1 HEAD", "git theta log", "git theta show", "git theta blame model.safetensors",
    "git theta fsck", "git theta ls-files", "git theta du", "git theta gc --dry-run", "git theta env",
    "git theta doctor", "git theta plugins", "git theta path HEAD~1 HEAD",
]  # fmt: skip


LOOKING_BACK = [
    "git theta blame model.safetensors", "git theta path HEAD~1 HEAD", "git theta map HEAD~1 HEAD",
    "git theta centroid HEAD~1 HEAD -o mean.safetensors -- model.safetensors",
]  # fmt: skip


def list_repeated(
    trace: Path, questions: tuple[str, ...] = ("git config ", "git ls-tree -r ", "git diff-tree ")
) -> list[str]:
    """The questions that processes asked again, of all that a command started: each process has its own.

    Hooks, drivers and filters ask below one Git, which starts them one after the other, and notes when.
    """
    started, asked = Counter[str](), Counter[tuple[str, int, str]]()
    for event in map(json.loads, trace.read_text().splitlines()):
        if event["event"] == "child_start" and (event["child_class"] == "hook" or "git_theta" in str(event["argv"])):
            started[event["sid"]] += 1
        elif event["event"] == "start":
            above = event["sid"].rpartition("/")[0]
            asked[above, started[above], " ".join(event["argv"])] += 1
    return [words for (_, _, words), count in asked.items() if count > 1 and words.startswith(questions)]


@pytest.mark.parametrize("command", ["git merge side -m merged", "git theta merge side -s average"])
def test_a_merge_asks_each_question_once(sandbox: Sandbox, tmp_path: Path, command: str) -> None:
    contested(sandbox)
    sandbox.git("config", "theta.merge.strategy", "average")
    sandbox.run(*command.split(), env={"GIT_TRACE2_EVENT": str(tmp_path / "trace")})
    assert list_repeated(tmp_path / "trace") == []


def test_so_does_a_command_that_settles_it(sandbox: Sandbox, tmp_path: Path) -> None:
    contested(sandbox)
    assert sandbox.git("merge", "side", check=False).returncode == 1
    sandbox.git("theta", "resolve", "--ours", env={"GIT_TRACE2_EVENT": str(tmp_path / "trace")})
    assert list_repeated(tmp_path / "trace") == []


@pytest.mark.parametrize("arguments", [["HEAD"], ["--compare", "HEAD~1", "HEAD"]], ids=["versions", "sides"])
def test_so_do_evaluations_that_are_known(sandbox: Sandbox, tmp_path: Path, arguments: list[str]) -> None:
    for seed in (0, 1):
        track_and_commit(sandbox, {"model.safetensors": model(seed)})
    sandbox.git("config", "theta.eval.mine.command", write_script(tmp_path, COMMAND))
    sandbox.theta("eval", "HEAD~1", "HEAD")
    sandbox.git("theta", "eval", *arguments, env={"GIT_TRACE2_EVENT": str(tmp_path / "trace")})
    assert list_repeated(tmp_path / "trace") == []


@pytest.mark.parametrize("command", READING)
def test_settings_are_read_once(sandbox: Sandbox, tmp_path: Path, command: str) -> None:
    for seed in (0, 1):
        track_and_commit(sandbox, {"model.safetensors": model(seed)})
    sandbox.run(*command.split(), env={"GIT_TRACE2_EVENT": str(tmp_path / "trace")})
    assert list_repeated(tmp_path / "trace", ("git config ",)) == []


@pytest.mark.parametrize("command", LOOKING_BACK)
def test_revisions_and_places_are_looked_up_once(sandbox: Sandbox, tmp_path: Path, command: str) -> None:
    for seed in (0, 1):
        track_and_commit(sandbox, {"model.safetensors": model(seed)})
    sandbox.run(*command.split(), env={"GIT_TRACE2_EVENT": str(tmp_path / "trace")})
    assert list_repeated(tmp_path / "trace", ("git rev-parse ", "git ls-tree ", "git config ")) == []


def test_env_asks_once_where_a_remote_is(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.git("remote", "add", "origin", str(tmp_path / "remote"))
    sandbox.git("theta", "env", env={"GIT_TRACE2_EVENT": str(tmp_path / "trace")})
    assert list_repeated(tmp_path / "trace", ("git remote ",)) == []


def test_the_state_of_a_round_lists_each_head_once(sandbox: Sandbox, tmp_path: Path) -> None:
    track_and_commit(sandbox, {"model.safetensors": model(0)})
    sandbox.theta("round", "start", "cold")
    for who in ("ann", "bob"):
        sandbox.git("switch", "-q", "-C", who, "cold/0")
        track_and_commit(sandbox, {"model.safetensors": model(len(who) + ord(who[0]))})
        sandbox.theta("round", "submit", "--as", who)
    sandbox.git("theta", "round", "status", env={"GIT_TRACE2_EVENT": str(tmp_path / "trace")})
    assert list_repeated(tmp_path / "trace", ("git ls-tree ",)) == []
