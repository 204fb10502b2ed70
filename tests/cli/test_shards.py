"""Indexes that name parameters where they are not: doctor, status, show and a push say so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sandbox import Sandbox
from tests.sharded_checkpoints import INDEX, replace_files, shard_name, sharded
from tests.templates import built_once

ONE, TWO = shard_name(1, 2), shard_name(2, 2)
FAULT = f"{INDEX} puts c in {ONE}: it is not there but in {TWO}"


@pytest.fixture
def torn(sandbox: Sandbox) -> Sandbox:
    """A checkpoint whose index is of another cut than its shards."""
    _tear(sandbox)
    return sandbox


@built_once
def _tear(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.commit("track")
    replace_files(sandbox, {**sharded("ab", "cde"), INDEX: sharded("abc", "de")[INDEX]}, "torn")


def test_doctor_finds_it(torn: Sandbox) -> None:
    done = torn.theta("doctor", "--json", check=False)
    [finding] = [one for one in json.loads(done.stdout) if one["check"] == "shards"]
    assert (finding["state"], finding["text"]) == ("problem", FAULT)
    assert done.returncode == 1


def test_status_says_it(torn: Sandbox) -> None:
    assert f"shards: {FAULT}\n" in torn.theta("status").stdout
    assert json.loads(torn.theta("status", "--json").stdout)["faults"] == [FAULT]


@pytest.mark.parametrize("name", [f"HEAD:{INDEX}", f":{INDEX}"])
def test_show_says_it(torn: Sandbox, name: str) -> None:
    assert FAULT in torn.theta("show", name).stdout
    assert json.loads(torn.theta("show", "--json", name).stdout)["faults"] == [FAULT]


def test_a_push_says_it_and_goes_on(torn: Sandbox, tmp_path: Path) -> None:
    torn.git("init", "-q", "--bare", tmp_path / "remote.git")
    done = torn.git("push", "-q", tmp_path / "remote.git", "HEAD:refs/heads/main")
    assert f"warning: {FAULT}" in done.stderr


def test_a_tag_of_a_blob_can_be_pushed(torn: Sandbox, tmp_path: Path) -> None:
    torn.git("init", "-q", "--bare", tmp_path / "remote.git")
    torn.git("tag", "key", torn.git("hash-object", "-w", "--stdin", input="a key").stdout.strip())
    torn.git("push", "-q", tmp_path / "remote.git", "key")


def test_nothing_is_said_of_a_whole_checkpoint(torn: Sandbox, tmp_path: Path) -> None:
    replace_files(torn, sharded("ab", "cde"), "whole")
    assert json.loads(torn.theta("status", "--json").stdout)["faults"] == []
    assert "shards:" not in torn.theta("status").stdout
    torn.git("init", "-q", "--bare", tmp_path / "remote.git")
    assert "puts" not in torn.git("push", "-q", tmp_path / "remote.git", "HEAD:refs/heads/main").stderr


def test_a_shard_that_was_only_saved_along_is_no_alarm(torn: Sandbox) -> None:
    replace_files(torn, sharded("ab", "cde", metadata={"format": "pt", "step": "1"}), "whole")
    replace_files(torn, sharded("ab", "cde", metadata={"format": "pt", "step": "2"}, a=1), "trained a")
    assert "stored it anew" not in torn.theta("log", "HEAD~1..").stdout
    replace_files(torn, sharded("ab", "cde", metadata={"format": "pt", "step": "3"}, a=1), "trained nothing")
    assert "stored it anew" in torn.theta("log", "HEAD~1..").stdout


def test_conflict_markers_in_an_index_are_told_when_it_was_committed(sandbox: Sandbox, tmp_path: Path) -> None:
    """Git merges an index as text, and `git commit -a` takes what it left for settled."""
    sandbox.theta("track", "*.safetensors")
    sandbox.commit("track")
    replace_files(sandbox, sharded("abc", "de"), "base")
    sandbox.git("switch", "-qc", "side")
    replace_files(sandbox, sharded("ab", "cd", "e"), "three")
    sandbox.git("switch", "-q", "main")
    replace_files(sandbox, sharded("a", "b", "c", "d", "e"), "five")
    assert sandbox.git("merge", "side", check=False).returncode == 1
    assert "markers" not in sandbox.theta("status").stdout
    sandbox.git("-c", "core.hooksPath=/dev/null", "commit", "-qam", "as Git left it")
    fault = f"{INDEX} has conflict markers in it: no loader can read it"
    assert f"shards: {fault}\n" in sandbox.theta("status").stdout
    assert sandbox.theta("doctor", check=False).stdout.count(fault) == 1
    sandbox.git("init", "-q", "--bare", tmp_path / "bare.git")
    assert fault in sandbox.git("push", tmp_path / "bare.git", "main").stderr
