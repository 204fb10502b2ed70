"""A server that has Git and nothing else: weights go to its repository, and come back to whoever clones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.integration.checkpoint_history import History
from tests.sandbox import Sandbox

STAND_IN = """\
#!/bin/sh
# ssh [-o SendEnv=GIT_PROTOCOL] HOST COMMAND: runs it here.
for last; do :; done
{unset}
exec sh -c "$last"
"""
TRANSPORT = "theta.remote.origin.transport"


small = pytest.mark.parametrize("history", [("small", "sha1")], indirect=True, ids="-".join)


@pytest.fixture
def protocol() -> str:
    """Of Git, as the server speaks it. v0 is what an sshd as Debian configures it leaves of it: only what refs point at
    can be asked for."""
    return "v0"


@pytest.fixture
def server(history: History, tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """An empty repository that is reached by ssh, or what stands in for it: the history's ``origin``."""
    script = tmp_path / "ssh"
    script.write_text(STAND_IN.format(unset="unset GIT_PROTOCOL" if protocol == "v0" else ""))
    script.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", os.fspath(script))
    monkeypatch.setenv("GIT_SSH_VARIANT", "ssh")
    object_format = history.git("rev-parse", "--show-object-format").strip()
    bare = Sandbox.create(tmp_path / "R.git", object_format, install=False, bare=True)  # type: ignore[arg-type]
    history.git("remote", "add", "origin", url_of(bare))
    history.git("config", TRANSPORT, "git")
    return bare


def url_of(bare: Sandbox) -> str:
    return f"somebody@host:{bare.root}"


@pytest.mark.parametrize(
    ("history", "protocol"),
    [(("small", "sha256"), "v2"), (("large", "sha1"), "v0")],
    indirect=["history"],
    ids=["v2", "v0"],
)
def test_push_and_clone(history: History, server: Sandbox, tmp_path: Path) -> None:
    before = list_belongings(history.sandbox)
    history.git("push", "--quiet", "origin", "main", "v0")
    assert list_belongings(history.sandbox) == before
    shutil.rmtree(history.root)
    clone = Sandbox.clone(url_of(server), tmp_path / "clone", "-c", f"{TRANSPORT}=git")
    history.holds(2, at=clone)
    before = list_belongings(clone)
    clone.git("checkout", "--quiet", "v0")
    history.holds(0, at=clone)
    assert list_belongings(clone) == before
    assert "theta" not in clone.git("for-each-ref").stdout


@small
def test_a_servers_collection_takes_nothing_and_its_mirrors_have_all(
    history: History, server: Sandbox, tmp_path: Path
) -> None:
    history.git("push", "--quiet", "origin", "main")
    server.git("gc", "--quiet", "--prune=now")
    server.git("fsck", "--strict", "--no-dangling")
    mirror = Sandbox.clone(server, tmp_path / "mirror.git", "--mirror")
    shutil.rmtree(history.root)
    clone = Sandbox.clone(url_of(mirror), tmp_path / "clone", "-c", f"{TRANSPORT}=git")
    history.holds(2, at=clone)


@small
def test_later_pushes_bring_what_is_new(history: History, server: Sandbox) -> None:
    history.git("push", "--quiet", "origin", "v0:refs/heads/main")
    first = blobs_of(server)
    done = history.sandbox.git("push", "origin", "main", "v1")
    later = blobs_of(server)
    assert first < later
    assert f"pushed {len(later - first)} objects" in done.stderr
    assert "pushed" not in history.sandbox.git("push", "origin", "v2").stderr
    assert blobs_of(server) == later


@small
def test_a_server_that_refuses_our_refs_gets_no_commits(history: History, server: Sandbox) -> None:
    hook = server.root / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in refs/heads/*) ;; *) echo no such refs here >&2; exit 1;; esac\n')
    hook.chmod(0o755)
    done = history.sandbox.git("push", "origin", "main", check=False)
    assert done.returncode != 0
    assert "no such refs here" in done.stderr
    assert server.git("for-each-ref").stdout == ""


@small
def test_a_server_that_is_not_there_gets_no_commits(history: History, server: Sandbox) -> None:
    shutil.rmtree(server.root)
    done = history.sandbox.git("theta", "push", "origin", check=False)
    assert done.returncode != 0
    assert "git ls-remote" in done.stderr


def list_belongings(sandbox: Sandbox) -> dict[str, object]:
    """What of a person's repository is no business of ours: objects, refs other than tracking ones, configuration."""
    return {
        "objects": sorted(sandbox.git("cat-file", "--batch-all-objects", "--batch-check").stdout.splitlines()),
        "refs": sandbox.git("for-each-ref", "refs/heads", "refs/tags", "refs/theta", "refs/stash").stdout,
        "config": sandbox.git("config", "--local", "--list").stdout,
        "shallow": (sandbox.root / ".git/shallow").exists(),
        "fetched": (sandbox.root / ".git/FETCH_HEAD").exists(),
        "left": [path.name for path in (sandbox.root / ".git/theta/tmp").glob("*")],
    }


def blobs_of(server: Sandbox) -> set[str]:
    """The blobs of all batches that are on a server."""
    refs = server.git("for-each-ref", "--format=%(refname)^", "refs/theta/objects").stdout.split()
    lines = [line for ref in refs for line in server.git("ls-tree", ref).stdout.splitlines() if " blob " in line]
    assert len({line.partition("\t")[2] for line in lines}) == len(lines)  # no object twice
    return set(lines)
