"""A push brings what its commits need, whatever the remote has and whatever we believe that it has."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.sandbox import Sandbox, changed, model, track_and_commit
from tests.templates import built_once

FILE = "model.safetensors"
FIRST = model(0, weight=(600, 600), bias=30)
SECOND = changed(FIRST, "weight")
THIRD = changed(SECOND, "weight", at=4)


@pytest.fixture
def remote(tmp_path: Path) -> Sandbox:
    return Sandbox.create(tmp_path / "remote.git", install=False, bare=True)


@pytest.fixture
def local(sandbox: Sandbox, remote: Sandbox) -> Sandbox:
    """A repository with three versions on main, of which none needs another's objects."""
    sandbox.theta("install", "--global")
    _commit_thrice(sandbox)
    sandbox.git("remote", "add", "origin", remote.root)
    return sandbox


@built_once
def _commit_thrice(sandbox: Sandbox) -> None:
    sandbox.git("config", "theta.updates", "dense")
    track_and_commit(sandbox, {FILE: FIRST})
    for content in (SECOND, THIRD):
        sandbox.write(FILE, content)
        sandbox.commit()


def missing(remote: Sandbox) -> int:
    """Objects that the commits of a bare repository need and it has not got."""
    return int(remote.theta("fsck", check=False).stdout.count("missing: object"))


def objects(remote: Sandbox) -> int:
    return len([path for path in (remote.root / "theta/objects").rglob("*") if path.is_file()])


def commit_note(sandbox: Sandbox, text: str = "a word") -> None:
    sandbox.write("notes.txt", text.encode())
    sandbox.commit()


def test_a_remote_that_got_its_commits_alone_gets_what_the_next_push_needs(local: Sandbox, remote: Sandbox) -> None:
    """By a mirror, say: the next commit does not touch the checkpoint, and can be checked out all the same."""
    local.git("push", "-q", "--no-verify", "origin", "main")
    commit_note(local)
    assert "theta: pushed 2 objects" in local.git("push", "origin", "main").stderr
    shutil.rmtree(local.root)
    clone = Sandbox.clone(remote, remote.root.parent / "clone")
    assert clone.read(FILE) == THIRD


def test_after_every_verb_the_remote_has_all(local: Sandbox, remote: Sandbox) -> None:
    local.git("push", "-q", "origin", "main~2:refs/heads/main")
    local.git("push", "-q", "origin", "main")
    local.git("switch", "-qc", "side", "main~1")
    local.write(FILE, changed(SECOND, "bias"))
    local.commit()
    local.git("push", "-q", "origin", "side")
    local.git("merge", "-q", "--no-edit", "main")
    local.git("push", "-q", "origin", "side")
    local.git("tag", "-am", "first", "v1", "main~2")
    local.git("push", "-q", "origin", "v1", "side:other")
    local.git("push", "-q", "origin", ":other", "main")
    local.git("switch", "-qc", "picked", "main~2")
    local.git("cherry-pick", "side^1")
    local.git("push", "-q", "--force", "origin", "picked:side")
    assert missing(remote) == 0


def test_each_of_several_push_urls_gets_all(local: Sandbox, remote: Sandbox) -> None:
    second = Sandbox.create(remote.root.parent / "second.git", install=False, bare=True)
    for one in (remote, second):
        local.git("remote", "set-url", "--add", "--push", "origin", one.root)
    local.git("push", "-q", "origin", "main")
    assert [missing(remote), missing(second)] == [0, 0]
    assert objects(remote) == objects(second) == 4


@pytest.fixture
def host(local: Sandbox, remote: Sandbox) -> Sandbox:
    """The remote ``host``, whose refs we cannot see; its objects are to go to another folder."""
    script = local.write(".git/ssh", b'#!/bin/sh\nshift $(($# - 1))\nexec sh -c "$1"\n')
    script.chmod(0o755)
    local.git("config", "core.sshCommand", script)
    local.git("config", "ssh.variant", "simple")
    local.git("remote", "add", "host", f"ssh://host{remote.root}")
    store = Sandbox.create(remote.root.parent / "store.git", install=False, bare=True)
    local.git("config", "theta.remote.host.url", store.root)
    return store


def test_what_tracking_branches_reach_is_not_asked_for_again(local: Sandbox, host: Sandbox) -> None:
    local.git("push", "-q", "host", "main~1:refs/heads/main")
    weight = local.git("show", f"main~2:{FILE}").stdout.splitlines()[2].split('"object":"')[1][:64]
    oldest = host.root / "theta/objects" / weight[:2] / weight[2:4] / weight
    oldest.unlink()
    assert "theta: pushed 1 object" in local.git("push", "host", "main:topic").stderr
    assert not oldest.exists()


def test_stale_tracking_branches_are_not_believed(local: Sandbox, remote: Sandbox, host: Sandbox) -> None:
    """The host was made anew, under the same URL; our branches still say that it has everything but a note."""
    local.git("push", "-q", "host", "main")
    for one in (remote, host):
        shutil.rmtree(one.root)
        Sandbox.create(one.root, install=False, bare=True)
    local.git("switch", "-qc", "topic")
    commit_note(local)
    assert "theta: pushed 4 objects" in local.git("push", "host", "topic").stderr
    assert objects(host) == 4


def test_a_push_without_checkpoints_goes_where_no_objects_can_go(
    local: Sandbox, remote: Sandbox, host: Sandbox
) -> None:
    local.git("config", "theta.remote.host.url", "gopher://host/x")
    local.git("switch", "-q", "--orphan", "text")
    local.write("notes.txt", b"no checkpoint")
    local.git("add", "notes.txt")
    local.git("commit", "-qm", "notes")
    local.git("push", "-q", "host", "text")
    assert remote.git("rev-parse", "text").stdout == local.git("rev-parse", "text").stdout
    local.git("switch", "-q", "main")
    failed = local.git("push", "-q", "host", "main", check=False)
    assert failed.returncode == 1
    assert f"of {FILE}" in failed.stderr


def test_a_partial_clone_pushes(local: Sandbox, remote: Sandbox) -> None:
    local.git("push", "-q", "origin", "main")
    remote.git("config", "uploadpack.allowFilter", "true")
    remote.git("config", "uploadpack.allowAnySHA1InWant", "true")
    clone = Sandbox.clone(remote.root.as_uri(), remote.root.parent / "clone", "--filter=blob:none")
    clone.write(FILE, changed(THIRD, "bias"))
    clone.commit()
    clone.git("push", "-q", "origin", "HEAD:topic")
    assert missing(remote) == 0


@pytest.mark.parametrize("left_out", ["blob:none", "tree:0"])
def test_a_partial_clone_pushes_to_another_remote_what_it_never_saw(
    local: Sandbox, remote: Sandbox, left_out: str
) -> None:
    """Nor does Git have the blobs that it sends: it fetches them, and our hook has to see which are manifests."""
    local.write("outside/b.safetensors", model(7, weight=(50, 50)))
    local.commit()
    local.git("push", "-q", "origin", "main")
    remote.git("config", "uploadpack.allowFilter", "true")
    remote.git("config", "uploadpack.allowAnySHA1InWant", "true")
    clone = Sandbox.clone(remote.root.as_uri(), remote.root.parent / "clone", f"--filter={left_out}", "--sparse")
    assert not (clone.root / "outside").exists()
    second = Sandbox.create(remote.root.parent / "second.git", install=False, bare=True)
    clone.git("push", "-q", second.root, "HEAD:refs/heads/main")
    assert missing(second) == 0
    assert objects(second) == objects(remote)


def test_a_submodule_pushes_with_what_is_above_it(local: Sandbox, remote: Sandbox, tmp_path: Path) -> None:
    local.git("push", "-q", "origin", "main")
    Sandbox.create(tmp_path / "above.git", install=False, bare=True)
    above = Sandbox.create(tmp_path / "above", install=False)
    above.git("submodule", "--quiet", "add", remote.root, "models")
    above.commit("a submodule")
    inner = Sandbox(above.root / "models")
    inner.write(FILE, changed(THIRD, "bias"))
    inner.commit()
    above.commit("a newer version")
    above.git("remote", "add", "origin", tmp_path / "above.git")
    above.git("push", "-q", "--recurse-submodules=on-demand", "origin", "main")
    assert objects(remote) == 5
    assert missing(remote) == 0


def test_what_a_replacement_hides_is_pushed(local: Sandbox, remote: Sandbox) -> None:
    """`git replace` shows another history, and pushes the real one."""
    second, manifest = local.git("rev-parse", "main~1", f"main~2:{FILE}").stdout.split()
    local.git("replace", "--graft", second)  # without its parent
    local.git("replace", manifest, local.git("rev-parse", f"main:{FILE}").stdout.strip())
    local.git("push", "-q", "origin", "main")
    assert missing(remote) == 0
    assert objects(remote) == 4


def test_a_server_sees_through_replacements(local: Sandbox, remote: Sandbox) -> None:
    remote.theta("install", "--server")
    local.git("push", "-q", "origin", "main~2:refs/heads/main")
    tip, first = local.git("rev-parse", "main", "main~2").stdout.split()
    local.git("push", "-q", "origin", f"{first}:refs/replace/{tip}")
    assert "did not come along" in local.git("push", "--no-verify", "origin", "main", check=False).stderr


def test_git_that_takes_no_bare_repository_unasked(local: Sandbox, remote: Sandbox) -> None:
    """The remote was named, and our own Git directory is a bare repository to whoever stands in it."""
    local.git("config", "--global", "safe.bareRepository", "explicit")
    assert "theta: pushed 4 objects" in local.git("push", "origin", "main").stderr
    local.theta("fsck", "--remote", "origin", "--verify")
    local.git("config", "--global", "--unset", "safe.bareRepository")
    assert missing(remote) == 0
