"""``git theta bisect``: the first version that fails, among those alone that changed it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox import Sandbox, changed, model, track_and_commit
from tests.sharded_checkpoints import INDEX, replace_files, sharded
from tests.templates import built_once

FILE = "model.safetensors"
READ = "import sys; print(open(sys.argv[1], 'rb').read()[-1])"


def version(number: int) -> bytes:
    """A checkpoint whose last byte is a number."""
    return model()[:-1] + bytes([number])


def script(first_bad: int) -> str:
    """Fails for versions from that number on; and puts down which commits it was run on."""
    return f'echo "$THETA_COMMIT" >> "$LOG"; test "$(python -c "{READ}" "$1")" -lt {first_bad}'


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "tested"


def bisect(sandbox: Sandbox, log: Path, *arguments: str, code: int = 0) -> Any:
    log.write_text("")
    done = sandbox.theta("bisect", *arguments, "--json", check=False, env={"LOG": str(log)})
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def line_of(sandbox: Sandbox, versions: int) -> list[str]:
    """A history in which every second commit changes the checkpoint: these commits, the first first."""
    _record_line(sandbox, versions)
    return sandbox.git("rev-list", "--reverse", "HEAD", "--", FILE).stdout.split()


@built_once
def _record_line(sandbox: Sandbox, versions: int) -> None:
    track_and_commit(sandbox, {FILE: version(0)})
    for number in range(1, versions):
        sandbox.write("notes.txt", b"%d" % number)
        sandbox.commit(f"notes {number}")
        sandbox.write(FILE, version(number))
        sandbox.commit(f"step {number}")
    sandbox.write("notes.txt", b"the last")
    sandbox.commit("more notes")


def test_the_first_version_that_fails_is_found_in_few_tests(sandbox: Sandbox, log: Path) -> None:
    commits = line_of(sandbox, 16)
    for first_bad in (1, 7, 15):
        found = bisect(sandbox, log, "--good", commits[0], "--run", script(first_bad), FILE)
        assert found["first_bad"]["commit"] == commits[first_bad]
        assert found["candidates"] == [commits[first_bad]]
        tested = log.read_text().split()
        assert len(tested) == len(set(tested)) <= 6
        # HEAD changed nothing of it, and was tested in place of the last that did.
        assert set(tested) <= {*commits, sandbox.git("rev-parse", "HEAD").stdout.strip()}


def test_without_a_good_version_the_very_first_may_be_it(sandbox: Sandbox, log: Path) -> None:
    commits = line_of(sandbox, 4)
    assert bisect(sandbox, log, "--run", "exit 1", FILE)["first_bad"]["commit"] == commits[0]


def test_what_is_printed_says_which_and_worktree_and_temporary_folder_stay_as_they_were(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    commits = line_of(sandbox, 4)
    sandbox.write(FILE, b"something else")
    (tmp_path / "tmp").mkdir()
    test = 'test "$1" = "$THETA_CHECKPOINT" && test -f "$1" && ' + script(2)
    environment = {"LOG": str(tmp_path / "log"), "TMPDIR": str(tmp_path / "tmp")}
    done = sandbox.git("theta", "bisect", "--good", commits[0], "--run", test, FILE, env=environment)
    assert done.stdout.startswith(f"{commits[2]} is the first bad version of {FILE}\ncommit {commits[2]}")
    assert "    step 2\n" in done.stdout
    assert sandbox.read(FILE) == b"something else"
    assert list((tmp_path / "tmp").iterdir()) == []
    assert "theta: " in done.stderr and ": bad" in done.stderr


def test_it_is_told_where_no_version_passed(sandbox: Sandbox, log: Path) -> None:
    """A command that is broken fails for all versions, and nothing is known then."""
    commits = line_of(sandbox, 6)
    for command, warned in (("false", True), ("exit 125", True), (script(3), False)):
        arguments = ["bisect", "--good", commits[0], "--bad", "HEAD", "--run", command, FILE]
        done = sandbox.theta(*arguments, check=False, env={"LOG": str(log)})
        assert ("warning: no version that was tested passed\n" in done.stderr) == warned


def test_a_search_that_was_killed_leaves_a_version_where_the_next_command_sweeps_it(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    commits = line_of(sandbox, 2)
    (tmp_path / "tmp").mkdir()
    environment = {"TMPDIR": str(tmp_path / "tmp")}
    sandbox.theta("bisect", "--good", commits[0], "--run", "kill -9 $PPID", FILE, check=False, env=environment)
    (left,) = (sandbox.root / ".git/theta/tmp").iterdir()
    assert (left / FILE).read_bytes() == version(1) and list((tmp_path / "tmp").iterdir()) == []
    os.utime(left, (0, 0))
    sandbox.theta("fsck")
    assert not left.exists()


def test_skipped_versions_leave_it_open(sandbox: Sandbox, log: Path) -> None:
    commits = line_of(sandbox, 6)
    untestable = f'case "$THETA_COMMIT" in {commits[2]}|{commits[3]}) exit 125 ;; esac; '
    found = bisect(sandbox, log, "--good", commits[0], "--run", untestable + script(3), FILE, code=1)
    assert found["first_bad"] is None
    assert set(found["candidates"]) == {commits[2], commits[3], commits[4]}
    assert {test["verdict"] for test in found["tests"]} == {"good", "bad", "skipped"}


def test_where_the_bad_commit_changed_nothing_skipped_versions_may_still_be_it(sandbox: Sandbox, log: Path) -> None:
    commits = line_of(sandbox, 4)
    untestable = f'test "$THETA_COMMIT" != {commits[1]} || exit 125; false'
    found = bisect(sandbox, log, "--good", commits[0], "--bad", "HEAD", "--run", "exit 125", FILE, code=1)
    assert (found["first_bad"], set(found["candidates"])) == (None, {*commits[1:]})
    found = bisect(sandbox, log, "--good", commits[0], "--bad", f"{commits[2]}~1", "--run", untestable, FILE)
    assert found["first_bad"]["commit"] == commits[1]  # nothing else changed it since the good one


def test_parameters_that_do_not_match_are_no_versions(sandbox: Sandbox, log: Path) -> None:
    """The bias changes in every commit, the embedding in two: no more than those are tested."""
    track_and_commit(sandbox, {FILE: model()})
    commits, content = [sandbox.git("rev-parse", "HEAD").stdout.strip()], model()
    for number in range(1, 9):
        content = changed(content, "layer.bias", bytes([number]))
        if number in (3, 6):
            content = changed(content, "embed.weight", bytes([number]))
        sandbox.write(FILE, content)
        commits.append(sandbox.commit())
    read = "import sys; d = open(sys.argv[1], 'rb').read(); print(d[8 + int.from_bytes(d[:8], 'little')])"
    test = (
        f'echo "$THETA_COMMIT" >> "$LOG"; test "$(python -c "{read}" "$1")" -lt 6 -o "$(python -c "{read}" "$1")" -gt 6'
    )
    found = bisect(sandbox, log, "--good", commits[0], "-p", "embed.*", "--run", test, FILE)
    assert found["first_bad"]["commit"] == commits[6]
    assert len(log.read_text().split()) <= 3
    assert any(one["same_as"] for one in found["tests"])


def merged_branches(sandbox: Sandbox) -> dict[str, str]:
    """Two branches that change two checkpoints, the side branch's turns bad, and their merge."""
    track_and_commit(sandbox, {FILE: version(0), "other.safetensors": model(1)})
    commits = {"base": sandbox.git("rev-parse", "HEAD").stdout.strip()}
    sandbox.git("switch", "-q", "-c", "side")
    for number in (1, 2, 3):
        sandbox.write(FILE, version(number))
        commits[f"side {number}"] = sandbox.commit(f"side {number}")
    sandbox.git("switch", "-q", "main")
    for number in (1, 2):
        sandbox.write("other.safetensors", model(number + 1))
        commits[f"main {number}"] = sandbox.commit(f"main {number}")
    sandbox.git("merge", "-q", "--no-edit", "side")
    commits["merge"] = sandbox.git("rev-parse", "HEAD").stdout.strip()
    return commits


def test_the_side_of_a_merge_that_turned_bad_is_found(sandbox: Sandbox, log: Path) -> None:
    commits = merged_branches(sandbox)
    found = bisect(sandbox, log, "--good", commits["base"], "--run", script(2), FILE)
    assert found["first_bad"]["commit"] == commits["side 2"]
    # A good commit on the other branch says as much: the merge base is tested for it.
    found = bisect(sandbox, log, "--good", commits["main 2"], "--bad", "side", "--run", script(2), FILE)
    assert found["first_bad"]["commit"] == commits["side 2"]
    assert found["tests"][0] == {"commit": commits["base"], "verdict": "good", "same_as": None, "reason": None}


def test_a_merge_base_that_fails_is_told(sandbox: Sandbox, log: Path) -> None:
    commits = merged_branches(sandbox)
    done = sandbox.theta("bisect", "--good", commits["main 2"], "--bad", "side", "--run", "exit 1", FILE, check=False)
    assert done.returncode == 2
    assert f"the merge base {commits['base']} fails already" in done.stderr


def test_a_checkpoint_of_several_files_is_a_folder(sandbox: Sandbox, log: Path) -> None:
    sandbox.theta("track", "*.safetensors")
    commits = []
    for number, shards in enumerate([("ab", "cd"), ("ab", "cd"), ("a", "bc", "d"), ("abcd", "e")]):
        replace_files(sandbox, sharded(*shards, c=float(number)), f"step {number}")
        commits.append(sandbox.git("rev-parse", "HEAD").stdout.strip())
    test = f'echo "$THETA_COMMIT" >> "$LOG"; test -f "$1/{INDEX}" && test $(ls "$1" | wc -l) = 3'
    found = bisect(sandbox, log, "--bad", commits[2], "--run", test, INDEX)
    assert found["first_bad"]["commit"] == commits[2]
    lacks = f"""! grep '"e"' "$1/{INDEX}" """
    found = bisect(sandbox, log, "--good", commits[0], "--run", lacks, INDEX)
    assert found["first_bad"]["commit"] == commits[3]


def test_a_folder_has_all_that_stands_beside(sandbox: Sandbox, log: Path) -> None:
    track_and_commit(sandbox, {"run/model.safetensors": version(0), "run/config.json": b"{}\n"})
    sandbox.write("run/config.json", b"{broken\n")
    broken = sandbox.commit("config")
    sandbox.write("run/model.safetensors", version(1))
    sandbox.commit("step")
    test = 'test -f "$1/model.safetensors" && python -m json.tool "$1/config.json"'
    assert bisect(sandbox, log, "--run", test, "run")["first_bad"]["commit"] == broken


def test_versions_without_the_file_are_skipped(sandbox: Sandbox, log: Path) -> None:
    commits = line_of(sandbox, 3)
    sandbox.git("rm", "-q", FILE)
    gone = sandbox.commit("without it")
    sandbox.write(FILE, version(9))
    back = sandbox.commit("with it again")
    found = bisect(sandbox, log, "--good", commits[0], "--run", script(3), FILE, code=1)
    assert set(found["candidates"]) == {gone, back}
    [skipped] = [test for test in found["tests"] if test["verdict"] == "skipped"]
    assert skipped["commit"] == gone
    assert "is nothing in" in skipped["reason"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--run", "true", FILE], "at HEAD does not fail"),
        (["--run", "exit 128", FILE], "the command exited 128 at"),
        (["--run", "kill -9 $$", FILE], "the command was ended by signal 9 at"),
        (["--run", "no-such-program", FILE], "the command cannot be run: sh exited 127"),
        (["--run", "true", "nothing.safetensors"], "is nothing in"),
        (["--run", "true", "-p", "nothing", FILE], "no parameter of model.safetensors matches"),
        (["--run", "true", "--good", "nothing", FILE], "'nothing' is no commit here"),
        (["--run", "true", "--good", "HEAD~", "--bad", "HEAD", FILE], "can be the first to fail"),
    ],
)
def test_what_cannot_be_is_told(sandbox: Sandbox, arguments: list[str], said: str) -> None:
    line_of(sandbox, 3)
    done = sandbox.theta("bisect", *arguments, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert not any((sandbox.root / ".git/theta/tmp").glob("*"))  # no version is left behind


def test_a_search_that_was_begun_by_git_stays_as_it_is(sandbox: Sandbox, log: Path) -> None:
    commits = line_of(sandbox, 4)
    sandbox.git("bisect", "start", "HEAD", commits[0])
    before = sandbox.git("bisect", "log").stdout, sandbox.git("rev-parse", "HEAD").stdout
    bisect(sandbox, log, "--good", commits[0], "--bad", "main", "--run", script(2), FILE)
    assert (sandbox.git("bisect", "log").stdout, sandbox.git("rev-parse", "HEAD").stdout) == before
