"""Checkouts and clones whose objects are elsewhere, or nowhere."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from git_theta.operations.restoring.deferred import DEFERRED_SIZE
from tests.sandbox import Sandbox, changed, model, track_and_commit

SHARDS = {f"model-{number}.safetensors": model(number, weight=(60, 60), bias=30) for number in range(4)}
LARGE = model(9, weight=(DEFERRED_SIZE // 4 // 1000 + 1, 1000))


@pytest.fixture
def remote(tmp_path: Path, sandbox: Sandbox) -> Sandbox:
    """A remote with four shards and a checkpoint that is large enough to be written when Git has hung up."""
    sandbox.theta("install", "--global")
    track_and_commit(sandbox, {**SHARDS, "large.safetensors": LARGE})
    remote = Sandbox.create(tmp_path / "remote.git", install=False, bare=True)
    sandbox.git("remote", "add", "origin", remote.root)
    sandbox.git("push", "-q", "origin", "main")
    return remote


def times_asked(sandbox: Sandbox, remote: Sandbox, *command: str | Path) -> int:
    """How often a remote's folder is opened by a Git command."""
    trace = sandbox.root / ".." / "trace"
    sandbox.git(*command, env={"GIT_TRACE2_EVENT": os.fspath(trace.resolve())})
    starts = [line for line in trace.read_text().splitlines() if '"event":"start"' in line]
    trace.unlink()
    return sum(f'"--git-dir={remote.root}"' in line for line in starts)


def test_a_checkout_asks_once_for_all_its_files(remote: Sandbox, tmp_path: Path) -> None:
    clone = Sandbox(tmp_path / "clone")
    assert times_asked(Sandbox(tmp_path / "repository"), remote, "clone", "-q", remote.root, clone.root) == 1
    assert {path: clone.read(path) for path in SHARDS} == SHARDS
    assert clone.read("large.safetensors") == LARGE
    shutil.rmtree(clone.root / ".git/theta/objects")
    for path in SHARDS:
        (clone.root / path).unlink()
    assert times_asked(clone, remote, "reset", "-q", "--hard") == 4, "what the index has is no news"
    shutil.rmtree(clone.root / ".git/theta/objects")
    clone.git("rm", "-rq", "--cached", ".")
    assert times_asked(clone, remote, "checkout", "-qf", "main") == 1


def test_a_pull_and_a_switch_ask_once(remote: Sandbox, sandbox: Sandbox, tmp_path: Path) -> None:
    clone = Sandbox.clone(remote, tmp_path / "clone")
    for at in (0, 4):
        for path, content in SHARDS.items():
            sandbox.write(path, changed(content, "weight", at=at))
        sandbox.commit()
    sandbox.git("push", "-q", "origin", "main~1:refs/heads/main", "main:topic")
    assert times_asked(clone, remote, "pull", "-q", "--ff-only") == 1
    clone.git("fetch", "-q")
    assert times_asked(clone, remote, "switch", "-q", "topic") == 1
    assert {path: clone.read(path) for path in SHARDS} == {
        path: changed(content, "weight", at=4) for path, content in SHARDS.items()
    }


def test_a_checkout_of_one_file_brings_its_objects_alone(remote: Sandbox, tmp_path: Path) -> None:
    clone = Sandbox.clone(remote, tmp_path / "clone", "--no-checkout")
    clone.git("checkout", "-q", "main", "model-1.safetensors")
    clone.git("restore", "--source=main", "model-2.safetensors")
    assert len([path for path in (clone.root / ".git/theta/objects").rglob("*") if path.is_file()]) <= 4


def test_a_sparse_checkout_brings_what_it_shows(remote: Sandbox, tmp_path: Path) -> None:
    clone = Sandbox.clone(remote, tmp_path / "clone", "--no-checkout")
    clone.git("sparse-checkout", "set", "--no-cone", "/model-1.safetensors")
    clone.git("checkout", "-q", "main")
    assert len([path for path in (clone.root / ".git/theta/objects").rglob("*") if path.is_file()]) <= 2


def test_a_clone_without_objects_is_of_use(remote: Sandbox, tmp_path: Path) -> None:
    """Its manifests stand in the files' places, which is said once, with what to do about it."""
    (remote.root / "theta").rename(tmp_path / "theta")
    outside = Sandbox(tmp_path)
    told = outside.git("clone", "-q", remote.root, "clone").stderr
    assert told.count("theta: warning: the objects of 5 files could not be had") == 1
    assert f"origin ({remote.root}): has no such objects" in told
    assert "git theta pull" in told
    clone = Sandbox(tmp_path / "clone")
    assert clone.git("status", "--porcelain").stdout == ""
    clone.write("notes.txt", b"a word")
    clone.commit()
    assert "missing objects" in clone.theta("status").stdout
    (tmp_path / "theta").rename(remote.root / "theta")
    clone.theta("pull")
    assert {path: clone.read(path) for path in SHARDS} == SHARDS
    assert clone.read("large.safetensors") == LARGE
    assert clone.git("status", "--porcelain").stdout == ""


def test_another_checkout_fails_and_names_the_parameters(remote: Sandbox, tmp_path: Path) -> None:
    clone = Sandbox.clone(remote, tmp_path / "clone", "--no-checkout")
    shutil.rmtree(remote.root / "theta")
    failed = clone.git("checkout", "main", check=False)
    assert failed.returncode != 0
    assert "large.safetensors: " in failed.stderr
    assert "hint: Elsewhere: GIT_THETA_SKIP_SMUDGE=1 git restore :/" in failed.stderr
    assert clone.git("status", "--porcelain", "-uno").stdout.startswith("D ")


@pytest.fixture
def lossy(remote: Sandbox, tmp_path: Path) -> Sandbox:
    """A clone with manifests, of which the weight of one is lost everywhere."""
    clone = Sandbox.clone(remote, tmp_path / "clone", "--no-checkout")
    clone.git("reset", "-q", "--hard", env={"GIT_THETA_SKIP_SMUDGE": "1"})
    line = clone.git("show", "HEAD:large.safetensors").stdout.splitlines()[2]
    oid = line.split('"object":"')[1][:64]
    (remote.root / "theta/objects" / oid[:2] / oid[2:4] / oid).unlink()
    return clone


def test_a_lost_parameter_is_named_and_may_be_zeros_on_request(lossy: Sandbox) -> None:
    failed = lossy.theta("checkout", check=False)
    assert failed.returncode == 3
    assert "large.safetensors: weight: 1 of its objects are missing here" in failed.stderr
    assert lossy.read("large.safetensors").startswith(b"git-theta manifest")
    told = lossy.theta("checkout", "--partial").stderr
    assert "zeros stand in the place of 1 lost parameter: weight" in told
    size = int.from_bytes(LARGE[:8], "little") + 8
    assert lossy.read("large.safetensors") == LARGE[:size] + bytes(len(LARGE) - size)


def test_law_l7_zeros_are_not_recorded_by_accident(lossy: Sandbox, sandbox: Sandbox) -> None:
    lossy.theta("checkout", "--partial")
    assert lossy.git("status", "--porcelain").stdout == " M large.safetensors\n"
    for command in (["add", "-A"], ["commit", "-qam", "x"]):
        failed = lossy.git(*command, check=False)
        assert failed.returncode != 0
        assert "large.safetensors: weight: zeros that `git theta checkout --partial` wrote" in failed.stderr
    # The whole file is no news to anybody once it is there, nor is another one.
    sandbox.git("push", "-q", "origin", "main:again")
    lossy.git("restore", "large.safetensors")
    assert lossy.read("large.safetensors") == LARGE
    lossy.theta("fetch")
    lossy.write("large.safetensors", changed(LARGE, "weight"))
    lossy.git("add", "-A")
    assert not any((lossy.root / ".git/theta/partial").iterdir())
