"""Git's own push, clone and pull, with a Git LFS host for the objects: a real server, and git-lfs itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox import Sandbox, changed, model, track_and_commit
from tests.servers.lfs_server import Fault, LfsRepository, LfsServer

BEFORE = model(seed=1)
AFTER = changed(BEFORE, "layer.weight")


@pytest.fixture(scope="module")
def server() -> Iterator[LfsServer]:
    with LfsServer() as running:
        yield running


@pytest.fixture
def host(server: LfsServer, tmp_path: Path) -> LfsRepository:
    return server.add_repository(tmp_path / "host")


@pytest.fixture
def bare(sandbox: Sandbox, tmp_path: Path) -> Sandbox:
    """A bare repository, the remote ``origin`` of the sandbox, which has one version of a checkpoint."""
    bare = Sandbox.create(tmp_path / "remote.git", install=False, bare=True)
    sandbox.theta("install")
    track_and_commit(sandbox, {"model.safetensors": BEFORE})
    sandbox.git("remote", "add", "origin", bare.root)
    return bare


def state_of(sandbox: Sandbox) -> tuple[str, list[str]]:
    """What git-lfs likes to leave behind: settings, and files in our folder of what is under way."""
    temporaries = [file.name for file in (sandbox.root / ".git/theta/tmp").glob("*")]
    return sandbox.git("config", "--local", "--list").stdout, temporaries


def test_push_clone_and_pull(sandbox: Sandbox, bare: Sandbox, host: LfsRepository, tmp_path: Path) -> None:
    sandbox.git("config", "--global", "lfs.url", host.url)
    before = state_of(sandbox)
    sandbox.git("push", "--quiet", "origin", "main")
    assert state_of(sandbox) == before
    assert not (bare.root / "theta").exists()  # the person's lfs.url wins over a path
    clone = Sandbox.clone(bare, tmp_path / "clone")
    assert clone.read("model.safetensors") == BEFORE
    sandbox.write("model.safetensors", AFTER)
    sandbox.commit()
    host.requests.clear()
    sandbox.git("push", "--quiet", "origin", "main")
    assert len([one for one in host.requests if one[0] == "PUT"]) == 1
    clone.git("pull", "--quiet", "--ff-only")
    assert clone.read("model.safetensors") == AFTER
    assert state_of(clone)[1] == [] and not (clone.root / ".git/lfs/objects").exists()


def test_l7_a_push_whose_objects_are_lost_moves_no_ref(sandbox: Sandbox, bare: Sandbox, host: LfsRepository) -> None:
    sandbox.git("config", "lfs.url", host.url)
    host.fault = Fault("upload", "lost")
    done = sandbox.git("push", "--quiet", "origin", "main", check=False)
    assert done.returncode != 0
    assert "model.safetensors" in done.stderr and "did not arrive" in done.stderr
    assert bare.git("for-each-ref").stdout == ""


def test_a_lfsconfig_of_the_repository_sends_nothing_elsewhere(
    sandbox: Sandbox, bare: Sandbox, server: LfsServer, host: LfsRepository, tmp_path: Path
) -> None:
    own = server.add_repository(tmp_path / "own")
    url = own.url.removesuffix("/info/lfs")
    sandbox.git("remote", "set-url", "origin", url)
    sandbox.git("config", "--file", ".lfsconfig", "lfs.url", host.url)
    sandbox.git("add", ".lfsconfig")
    sandbox.git("commit", "--quiet", "-m", "elsewhere")
    for _ in ("in the worktree", "in the index alone"):
        done = sandbox.theta("pre-push", "origin", url, input=push_line(sandbox), check=False)
        assert done.returncode != 0
        assert f"git config lfs.url {host.url}" in done.stderr
        assert own.requests == host.requests == []
        (sandbox.root / ".lfsconfig").unlink(missing_ok=True)
    sandbox.git("config", "lfs.url", host.url)
    done = sandbox.theta(
        "pre-push", "origin", url, input=push_line(sandbox), check=False
    )  # there is no Git for pointers
    assert "pushed 1 object" in done.stderr
    assert own.requests == [] and list(host.folder.iterdir())


def push_line(sandbox: Sandbox) -> str:
    """What Git tells the hook of a push of main."""
    return f"refs/heads/main {sandbox.git('rev-parse', 'main').stdout.strip()} refs/heads/main {'0' * 40}\n"


def test_a_directory_can_be_the_host_as_for_git_lfs(sandbox: Sandbox, bare: Sandbox, tmp_path: Path) -> None:
    store = Sandbox.create(tmp_path / "shared.git", install=False, bare=True)
    sandbox.git("config", "--global", "lfs.url", f"file://{store.root}")
    sandbox.git("push", "--quiet", "origin", "main")
    assert list((store.root / "lfs/objects").glob("??/??/*"))
    shutil.rmtree(sandbox.root)
    assert Sandbox.clone(bare, tmp_path / "clone").read("model.safetensors") == BEFORE


def test_without_git_lfs_the_push_fails_and_says_how_to_install_it(
    sandbox: Sandbox, bare: Sandbox, host: LfsRepository, tmp_path: Path
) -> None:
    sandbox.git("config", "lfs.url", host.url)
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).glob("*"):
            if program.name != "git-lfs" and not (programs / program.name).exists():
                (programs / program.name).symlink_to(program)
    done = sandbox.git("push", "--quiet", "origin", "main", check=False, env={"PATH": str(programs)})
    assert done.returncode != 0
    assert "git-lfs" in done.stderr and "apt install git-lfs" in done.stderr
    assert bare.git("for-each-ref").stdout == ""


def test_the_password_of_a_url_that_is_pushed_to_is_not_told(sandbox: Sandbox) -> None:
    """Git calls a remote without a name by its URL, and build servers keep what they print."""
    track_and_commit(sandbox, {"model.safetensors": BEFORE})
    for url in ("http://bot:s3cret@127.0.0.1:1/R.git", "http://s3cret@127.0.0.1:1/R.git"):
        failed = sandbox.theta("push", url, "main", check=False)
        assert failed.returncode == 9
        assert "http://127.0.0.1:1/R.git: 127.0.0.1 cannot be asked" in failed.stderr
        assert "s3cret" not in failed.stdout + failed.stderr
