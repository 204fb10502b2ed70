"""The pre-receive hook of a repository that others push to: commits come with their objects, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import pytest

from tests.sandbox import Sandbox, changed, model, track_and_commit

FILE = "model.safetensors"
FIRST = model(0, weight=(600, 600), bias=30)


@pytest.fixture(params=["sha1", "sha256"])
def object_format(request: pytest.FixtureRequest) -> Literal["sha1", "sha256"]:
    return "sha1" if request.param == "sha1" else "sha256"


@pytest.fixture
def server(object_format: Literal["sha1", "sha256"], tmp_path: Path) -> Sandbox:
    server = Sandbox.create(tmp_path / "server.git", object_format, install=False, bare=True)
    assert "pre-receive hook written to" in server.theta("install", "--server").stdout
    assert "pre-receive hook is already in" in server.theta("install", "--server").stdout
    return server


@pytest.fixture
def local(object_format: Literal["sha1", "sha256"], server: Sandbox, tmp_path: Path) -> Sandbox:
    local = Sandbox.create(tmp_path / "local", object_format)
    local.theta("install", "--global")
    track_and_commit(local, {FILE: FIRST})
    local.git("remote", "add", "origin", server.root)
    return local


def test_commits_come_with_their_objects_or_not_at_all(local: Sandbox, server: Sandbox) -> None:
    failed = local.git("push", "--no-verify", "origin", "main:topic", check=False)
    assert failed.returncode != 0
    told = f"theta: error: {FILE}: 2 objects of what is pushed to refs/heads/topic did not come along"
    assert told in failed.stderr
    assert "pre-receive hook declined" in failed.stderr
    assert server.git("for-each-ref").stdout == ""
    local.git("push", "-q", "origin", "main")
    local.git("push", "-q", "--no-verify", "origin", "main:topic", "main~0:refs/tags/v1")
    local.git("push", "-q", "origin", ":topic")


def test_clones_in_which_no_filter_ever_ran(local: Sandbox, server: Sandbox, tmp_path: Path) -> None:
    local.git("push", "-q", "origin", "main")
    local.write(FILE, changed(FIRST, "weight"))
    local.commit()
    bare = Sandbox.clone(local, tmp_path / "bare.git", "--bare")
    unchecked = Sandbox.clone(local, tmp_path / "unchecked", "--no-checkout")
    for branch, clone in (("one", bare), ("two", unchecked)):
        assert not list(clone.root.glob("**/hooks/pre-push"))
        failed = clone.git("push", server.root, f"HEAD:refs/heads/{branch}", check=False)
        assert f"{FILE}: weight: 1 object of what is pushed to refs/heads/{branch} did not come" in failed.stderr
        clone.theta("push", server.root)
        clone.git("push", "-q", server.root, f"HEAD:refs/heads/{branch}")
        shutil.rmtree(server.root / "theta")
        local.theta("push", "origin", "main~1")


@pytest.mark.parametrize("object_format", ["sha1"], indirect=True)
def test_hooks_that_somebody_else_keeps_are_no_way_around(local: Sandbox, server: Sandbox) -> None:
    """husky and lefthook put theirs in the place of ours, and core.hooksPath=/dev/null none at all."""
    husky = local.write(".husky/_/pre-push", b"#!/bin/sh\nexit 0\n")
    husky.chmod(0o755)
    for folder in (".husky/_", "/dev/null"):
        local.git("config", "core.hooksPath", folder)
        assert local.git("push", "-q", "origin", "main", check=False).returncode != 0
    assert server.git("for-each-ref").stdout == ""


@pytest.mark.parametrize("object_format", ["sha1"], indirect=True)
def test_law_l11_the_rest_of_the_hook_stays(local: Sandbox, server: Sandbox) -> None:
    hook = server.root / "hooks/pre-receive"
    assert "pre-receive hook removed from" in server.theta("uninstall", "--server").stdout
    assert not hook.exists()
    hook.write_text("#!/bin/sh\ncat >seen\n")
    hook.chmod(0o755)
    assert "pre-receive hook added to" in server.theta("install", "--server").stdout
    assert local.git("push", "--no-verify", "origin", "main", check=False).returncode != 0
    assert not (server.root / "seen").exists()
    local.git("push", "-q", "origin", "main")
    assert (server.root / "seen").read_text().endswith(" refs/heads/main\n")
    server.theta("uninstall", "--server")
    assert hook.read_text() == "#!/bin/sh\ncat >seen\n"


@pytest.mark.parametrize("object_format", ["sha1"], indirect=True)
def test_what_is_no_hooks_input_is_refused(server: Sandbox) -> None:
    assert server.theta("pre-receive", input="nonsense\n", check=False).returncode == 2


@pytest.mark.parametrize("object_format", ["sha1"], indirect=True)
def test_many_refs_are_looked_at_at_once(local: Sandbox, server: Sandbox, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for number in range(40):
        local.git("tag", f"v{number}")
    lost = local.git("push", "--no-verify", "--tags", "origin", check=False)
    assert "did not come along" in lost.stderr
    local.theta("push", "origin")
    local.git("push", "-q", "--no-verify", "--tags", "origin", env={"GIT_TRACE": str(trace)})
    assert len(server.git("for-each-ref").stdout.splitlines()) == 40
    assert 1 <= trace.read_text().count("rev-list --objects --missing=print") < 10
