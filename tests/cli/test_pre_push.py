"""A push takes along what its commits need, or fails."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_theta.vcs.callers.parent_push import asks_dry_run
from tests.sandbox import Sandbox, changed, model, track_and_commit

BIG = model(0, weight=(600, 600), bias=30)


@pytest.fixture
def remote(tmp_path: Path) -> Sandbox:
    return Sandbox.create(tmp_path / "remote with space.git", install=False, bare=True)


@pytest.fixture
def local(sandbox: Sandbox, remote: Sandbox) -> Sandbox:
    sandbox.theta("install", "--global")  # for the clones that prove what arrived
    track_and_commit(sandbox, {"a.safetensors": BIG})
    sandbox.git("remote", "add", "origin", remote.root)
    return sandbox


def objects(repository: Sandbox) -> set[str]:
    """Ids of the objects in its store."""
    git_dir = repository.root / ".git"
    theta = (git_dir if git_dir.is_dir() else repository.root) / "theta/objects"
    return {path.name for path in theta.rglob("*") if path.is_file()}


def hook_output(done: str) -> list[str]:
    return [line for line in done.splitlines() if line.startswith(("theta:", "hint:"))]


def test_a_clone_of_what_was_pushed_has_every_byte(local: Sandbox, remote: Sandbox, tmp_path: Path) -> None:
    assert not (remote.root / "theta").exists()
    told = local.git("push", "-q", "origin", "main").stderr
    assert hook_output(told)[0].startswith("theta: pushed 2 objects, ")
    assert objects(remote) == objects(local)
    shutil.rmtree(local.root)
    clone = Sandbox.clone(remote, tmp_path / "clone")
    assert clone.read("a.safetensors") == BIG
    assert clone.theta("fsck").returncode == 0


def test_a_second_push_moves_only_what_is_new(local: Sandbox, remote: Sandbox) -> None:
    local.git("push", "-q", "origin", "main")
    before = objects(remote)
    local.write("notes.txt", b"nothing of ours")
    local.commit()
    assert hook_output(local.git("push", "-q", "origin", "main").stderr) == []
    local.write("a.safetensors", changed(BIG, "bias"))
    local.commit()
    told = local.git("push", "-q", "origin", "main").stderr
    assert hook_output(told) == [f"theta: pushed 1 object, {len_of(local, objects(remote) - before)} B"]


def len_of(repository: Sandbox, oids: set[str]) -> int:
    root = repository.root / ".git/theta/objects"
    return sum((root / oid[:2] / oid[2:4] / oid).stat().st_size for oid in oids)


def test_the_ways_to_name_a_directory(local: Sandbox, remote: Sandbox) -> None:
    urls = [f"file://{remote.root}".replace(" ", "%20"), os.path.relpath(remote.root, local.root)]
    for number, url in enumerate(urls):
        local.write("a.safetensors", changed(BIG, "weight", at=4 * number))
        local.commit()
        local.git("push", "-q", url, "HEAD:refs/heads/main")
        assert objects(remote) == objects(local)


def test_deleting_a_ref_and_pushing_what_is_there_move_nothing(local: Sandbox, remote: Sandbox) -> None:
    local.git("push", "-q", "origin", "main", "main:side")
    shutil.rmtree(remote.root / "theta")
    assert hook_output(local.git("push", "-q", "origin", ":side").stderr) == []
    assert hook_output(local.git("push", "-q", "origin", "main").stderr) == []
    assert not (remote.root / "theta").exists()


def test_annotated_tags_and_several_refs(local: Sandbox, remote: Sandbox) -> None:
    local.git("tag", "-am", "first", "v1")
    local.git("switch", "-qc", "side")
    local.write("b.safetensors", model(3, weight=(200, 200)))
    local.commit()
    local.git("push", "-q", "origin", "v1", "side")
    assert objects(remote) == objects(local)


def test_an_object_that_is_nowhere_fails_the_push_by_name(local: Sandbox, remote: Sandbox) -> None:
    line = local.git("cat-file", "blob", ":a.safetensors").stdout.splitlines()[2]
    oid = line.split('"object":"')[1][:64]
    (local.root / ".git/theta/objects" / oid[:2] / oid[2:4] / oid).unlink()
    done = local.git("push", "-q", "origin", "main", check=False)
    assert done.returncode == 1
    assert "theta: error: a.safetensors: weight: 1 of the objects to push are neither here nor" in done.stderr
    assert remote.git("for-each-ref").stdout == ""
    assert not objects(remote)


def test_an_object_that_only_the_remote_has_is_no_obstacle(local: Sandbox, remote: Sandbox) -> None:
    """As in a fresh clone, which fetches only what it checks out."""
    local.git("push", "-q", "origin", "main")
    first, header, *rest = local.git("cat-file", "blob", ":a.safetensors").stdout.splitlines()
    another = "\n".join([first, f'{header[:-1]},"unknown":1}}', *rest, ""])
    shutil.rmtree(local.root / ".git/theta/objects")
    local.write("b.safetensors", another.encode())
    local.git("add", "b.safetensors")
    assert local.git("cat-file", "blob", ":b.safetensors").stdout == another
    local.git("commit", "-qm", "another manifest of the same objects")
    assert hook_output(local.git("push", "-q", "origin", "main").stderr) == []
    assert remote.git("rev-parse", "main").stdout == local.git("rev-parse", "main").stdout


def test_a_remote_that_was_made_anew_gets_everything(local: Sandbox, remote: Sandbox) -> None:
    """Remote-tracking branches still say that it has the commits."""
    local.git("push", "-q", "origin", "main")
    shutil.rmtree(remote.root)
    Sandbox.create(remote.root, install=False, bare=True)
    local.git("push", "-q", "origin", "main")
    assert objects(remote) == objects(local)


@pytest.mark.parametrize("options", [["--dry-run"], ["-qn"], ["--dry", "--no-verbose"]])
def test_a_dry_run_uploads_nothing_and_says_how_much(local: Sandbox, remote: Sandbox, options: list[str]) -> None:
    told = local.git("push", *options, "origin", "main").stderr
    assert hook_output(told) == [f"theta: would push 2 objects, {len_of(local, objects(local)) / 1e6:.1f} MB"]
    assert not objects(remote)
    assert remote.git("for-each-ref").stdout == ""
    local.git("push", "-q", "--dry-run", "--no-dry-run", "origin", "main")
    assert objects(remote) == objects(local)


@pytest.mark.parametrize(
    ("options", "dry"),
    [
        ("-n origin", True),
        ("origin main -fn", True),
        ("--dry-run", True),
        ("--dr", True),
        ("--repo=x -n", True),
        ("", False),
        ("--no-verify", False),
        ("-o -n origin", False),
        ("-fo -n origin", False),
        ("-on origin", False),
        ("-o x -n", True),
        ("--push-option -n", False),
        ("--push-o --dry-run", False),
        ("--receive-pack -n", False),
        ("-n --no-dry-run", False),
        ("origin -- -n", False),
    ],
)
def test_what_a_dry_run_is(options: str, dry: bool) -> None:
    """Where we are wrong about it, weights stay behind."""
    assert asks_dry_run(options.split()) is dry


@pytest.fixture
def elsewhere(local: Sandbox, remote: Sandbox) -> Iterator[Sandbox]:
    """The remote again, by a URL that names no directory: what ssh would run is run here."""
    script = local.write(".git/ssh", b'#!/bin/sh\nshift $(($# - 1))\nexec sh -c "$1"\n')
    script.chmod(0o755)
    local.git("config", "core.sshCommand", script)
    local.git("config", "ssh.variant", "simple")
    local.git("remote", "add", "host", f"ssh://host{remote.root}")
    yield local


def test_a_remote_that_is_no_directory_is_refused_with_the_reason(elsewhere: Sandbox, remote: Sandbox) -> None:
    done = elsewhere.git("push", "-q", "host", "main", check=False)
    assert done.returncode == 1
    assert "theta: error: host: " in done.stderr
    assert done.stderr.count("git-lfs-authenticate: not found") == 1
    assert "without Git LFS takes objects too: git config theta.remote.host.transport git\n" in done.stderr
    assert "2 objects" in done.stderr
    assert "a.safetensors" in done.stderr
    assert "Nothing was pushed" in done.stderr
    assert remote.git("for-each-ref").stdout == ""


def test_a_push_that_needs_no_object_goes_anywhere(elsewhere: Sandbox, remote: Sandbox) -> None:
    elsewhere.git("switch", "-q", "--orphan", "text")
    elsewhere.write("notes.txt", b"no checkpoint")
    elsewhere.git("add", "notes.txt")
    elsewhere.git("commit", "-qm", "notes")
    assert hook_output(elsewhere.git("push", "-q", "host", "text").stderr) == []


def test_what_is_no_hooks_input_is_refused(local: Sandbox, remote: Sandbox) -> None:
    done = local.theta("pre-push", "origin", remote.root, input="nonsense\n", check=False)
    assert done.returncode == 2
    assert "Git's pre-push hook" in done.stderr


def test_from_a_linked_worktree(local: Sandbox, remote: Sandbox) -> None:
    local.git("worktree", "add", "-q", "-b", "side", "../linked")
    linked = Sandbox(local.root.parent / "linked")
    linked.write("a.safetensors", changed(BIG, "weight"))
    linked.commit()
    linked.git("push", "-q", "origin", "side")
    assert objects(remote) == objects(local)
