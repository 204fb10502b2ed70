"""``git theta fetch`` and ``pull``: which objects come, from whom, and what is said."""

from __future__ import annotations

import json
import shutil
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.sandbox import Sandbox, changed, model, track_and_commit
from tests.templates import built_once

FIRST = model(0, weight=(600, 600), bias=30)
SECOND = changed(FIRST, "weight")
OTHER = model(1, weight=(600, 600), bias=30)


@pytest.fixture
def remote(tmp_path: Path, sandbox: Sandbox) -> Sandbox:
    """A remote with two versions of a.safetensors on main, each in full, and x/b.safetensors beside the second."""
    sandbox.theta("install", "--global")
    _commit_twice(sandbox)
    remote = Sandbox.create(tmp_path / "remote.git", install=False, bare=True)
    sandbox.git("remote", "add", "origin", remote.root)
    sandbox.git("push", "-q", "origin", "main")
    return remote


@built_once
def _commit_twice(sandbox: Sandbox) -> None:
    sandbox.git("config", "theta.updates", "dense")
    track_and_commit(sandbox, {"a.safetensors": FIRST})
    sandbox.write("a.safetensors", SECOND)
    sandbox.write("x/b.safetensors", OTHER)
    sandbox.commit()


@pytest.fixture
def clone(remote: Sandbox, tmp_path: Path) -> Sandbox:
    """A clone of it without any object."""
    return Sandbox.clone(remote, tmp_path / "clone", "--no-checkout")


def objects(sandbox: Sandbox) -> int:
    return len([path for path in (sandbox.root / ".git/theta/objects").rglob("*") if path.is_file()])


def test_what_is_fetched(clone: Sandbox) -> None:
    """Of each file its weight and a bundle, b using a's too; the first version of a differs in its weight."""
    assert clone.theta("fetch", "-n").stdout == "4 objects would be fetched, 2.4 MB\n"
    assert objects(clone) == 0
    assert clone.theta("fetch", "-p", "w*", "-I", "b.*").stdout == "1 object fetched, 1.2 MB\n"
    assert clone.theta("fetch", "-X", "x/**").stdout.startswith("2 objects fetched")
    assert clone.theta("fetch").stdout.startswith("1 object fetched")
    assert objects(clone) == 4
    assert clone.theta("fetch", "origin", "HEAD~").stdout.startswith("1 object fetched")
    assert clone.theta("fetch", "--all").stdout == "0 objects fetched, 0 B\n"


def test_ranges_all_and_recent(clone: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(clone.theta("fetch", "origin", "HEAD~..HEAD", "--json", "-n").stdout)["objects"] == 4
    assert json.loads(clone.theta("fetch", "--all", "--json", "-n").stdout)["objects"] == 5
    assert json.loads(clone.theta("fetch", "origin", "HEAD", "HEAD~", "--json", "-n").stdout)["objects"] == 5
    clone.git("branch", "old", "HEAD~")
    recent = ("fetch", "origin", "HEAD", "--recent", "--json", "-n")
    assert json.loads(clone.theta(*recent).stdout)["objects"] == 4
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    clone.git("branch", "new", clone.git("commit-tree", "-m", "now", "HEAD~^{tree}").stdout.strip())
    assert json.loads(clone.theta(*recent).stdout)["objects"] == 5


def test_a_file_that_did_not_change_is_found_by_its_path(clone: Sandbox, remote: Sandbox) -> None:
    """Git leaves commits out that change nothing at a path."""
    clone.git("update-ref", "HEAD", clone.git("commit-tree", "-p", "HEAD", "-m", "x", "HEAD^{tree}").stdout.strip())
    assert clone.theta("fetch", "-I", "b.safetensors").stdout.startswith("3 objects fetched")


def test_a_remote_that_is_named_is_asked_alone(clone: Sandbox, remote: Sandbox, tmp_path: Path) -> None:
    empty = Sandbox.create(tmp_path / "empty.git", install=False, bare=True)
    clone.git("remote", "add", "empty", empty.root)
    failed = clone.theta("fetch", "empty", check=False)
    assert failed.returncode == 3
    assert "a.safetensors: " in failed.stderr and f"empty ({empty.root}): has no such objects" in failed.stderr
    assert "origin" not in failed.stderr
    assert clone.theta("fetch", remote.root).returncode == 0
    assert clone.theta("fetch", "HEAD", check=False).returncode == 2


@pytest.mark.parametrize("option", ["-I", "-p"])
def test_a_pattern_that_matches_nothing_is_told_of(clone: Sandbox, option: str) -> None:
    done = clone.theta("fetch", option, "nope")
    assert done.stdout.startswith("0 objects fetched") and "nothing that is versioned matches" in done.stderr
    assert done.stderr.count("warning") == 1


def test_what_is_wrong_with_a_remote_comes_with_what_to_do(clone: Sandbox) -> None:
    clone.git("remote", "add", "other", "rsync://host/model.git")
    told = clone.theta("fetch", "other", check=False).stderr
    assert "hint:   other (rsync://host/model.git): objects do not go through rsync\n" in told
    assert "\nhint:     Say where they shall go, for example: git config theta.remote.other.url s3://" in told


def test_what_has_arrived_stays(clone: Sandbox, remote: Sandbox) -> None:
    largest = max((path for path in (remote.root / "theta/objects").rglob("*") if path.is_file()), key=lambda p: p.name)
    aside = largest.rename(remote.root / "aside")
    failed = clone.theta("fetch", "--all", "--json", check=False)
    told = json.loads(failed.stdout)
    assert failed.returncode == 3
    assert (told["objects"], [one["object"] for one in told["missing"]]) == (4, [largest.name])
    assert objects(clone) == 4
    aside.rename(largest)
    assert clone.theta("fetch", "--all").stdout.startswith("1 object fetched")


def test_pull_after_a_clone_that_skipped_the_weights(remote: Sandbox, tmp_path: Path) -> None:
    clone = Sandbox(tmp_path / "clone")
    Sandbox(tmp_path).git("clone", "-q", remote.root, clone.root, env={"GIT_THETA_SKIP_SMUDGE": "1"})
    assert clone.theta("pull", "-I", "x/**").stdout == "3 objects fetched, 1.2 MB\n1 file checked out, 1.4 MB\n"
    assert clone.read("x/b.safetensors") == OTHER
    assert clone.read("a.safetensors").startswith(b"git-theta manifest")
    told = json.loads(clone.theta("pull", "origin", "--json").stdout)
    assert told["files"] == [{"path": "a.safetensors", "size": len(SECOND)}]
    assert clone.read("a.safetensors") == SECOND
    assert clone.git("status", "--porcelain").stdout == ""


def test_pull_goes_on_without_what_cannot_be_had(remote: Sandbox, clone: Sandbox) -> None:
    clone.git("reset", "-q", "--hard", env={"GIT_THETA_SKIP_SMUDGE": "1"})
    line = clone.git("show", "HEAD:a.safetensors").stdout.splitlines()[2]
    oid = line.split('"object":"')[1][:64]
    (remote.root / "theta/objects" / oid[:2] / oid[2:4] / oid).unlink()
    failed = clone.theta("pull", check=False)
    assert failed.returncode == 3
    assert "theta: error: a.safetensors: weight: 1 of its objects are missing here" in failed.stderr
    assert clone.read("x/b.safetensors") == OTHER


def test_a_shallow_clone_fetches_what_it_knows(remote: Sandbox, tmp_path: Path) -> None:
    shallow = Sandbox.clone(remote.root.as_uri(), tmp_path / "shallow", "--depth", "1")
    shutil.rmtree(shallow.root / ".git/theta/objects")
    assert shallow.theta("fetch", "--all").stdout.startswith("4 objects fetched")


def test_a_silent_remote_is_asked_once(clone: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the objects, and not again for the files that wait for them."""
    with monkeypatch.context() as skipping:
        skipping.setenv("GIT_THETA_SKIP_SMUDGE", "1")
        clone.git("checkout", "-q", "main")
    clone.git("config", "theta.remote.origin.patience", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        clone.git("config", "remote.origin.url", f"http://127.0.0.1:{silent.getsockname()[1]}/r.git")
        failed = clone.theta("pull", check=False)
        assert failed.stderr.count("has moved nothing for 1 s") == 2  # of each file
        assert count_connections(silent) == 1


def count_connections(listening: socket.socket) -> int:
    """How many have come that nobody has accepted."""
    listening.settimeout(0)
    count = 0
    with suppress(BlockingIOError):
        while True:
            listening.accept()[0].close()
            count += 1
    return count
