"""Objects go where commits go: from repositories that nobody set up by hand, and to remotes that lack them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sandbox import Sandbox, changed, model

FILE = "model.safetensors"
FIRST = model(0, weight=(600, 600), bias=30)
SECOND = changed(FIRST, "weight")


@pytest.fixture
def author(tmp_path: Path) -> Sandbox:
    """A repository made after `git theta install`, in which nothing but track was typed. No version needs another's."""
    elsewhere = Sandbox.create(tmp_path / "elsewhere", install=False)
    elsewhere.theta("install")
    author = Sandbox.create(tmp_path / "author", install=False)
    author.git("config", "theta.updates", "dense")
    author.theta("track", "*.safetensors")
    for content in (FIRST, SECOND):
        author.write(FILE, content)
        author.commit()
    author.git("init", "--bare", "--quiet", str(tmp_path / "remote.git"))
    author.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    return author


def missing(repository: Path, sandbox: Sandbox) -> int:
    done = sandbox.run("git", "-C", str(repository), "theta", "fsck", check=False)
    return int(done.stdout.count("missing: object"))


def test_a_repository_made_after_install_pushes_its_objects(author: Sandbox, tmp_path: Path) -> None:
    pushed = author.git("push", "origin", "HEAD")
    assert "theta: pushed" in pushed.stderr
    assert missing(tmp_path / "remote.git", author) == 0


def test_so_does_a_clone_that_skipped_the_weights(author: Sandbox, tmp_path: Path) -> None:
    author.git("push", "origin", "HEAD")
    author.git(
        "clone", "--quiet", str(tmp_path / "remote.git"), str(tmp_path / "clone"), env={"GIT_THETA_SKIP_SMUDGE": "1"}
    )
    clone = Sandbox(tmp_path / "clone")
    clone.theta("checkout")
    clone.write(FILE, changed(SECOND, "bias"))
    clone.commit()
    assert "theta: pushed" in clone.git("push", "origin", "HEAD").stderr
    assert missing(tmp_path / "remote.git", author) == 0


def test_theta_push_mends_a_remote_that_has_commits_alone(author: Sandbox, tmp_path: Path) -> None:
    author.git("push", "--no-verify", "origin", "HEAD")
    assert missing(tmp_path / "remote.git", author)
    assert "theta: pushed" in author.theta("push").stderr
    assert missing(tmp_path / "remote.git", author) == 0
    assert "has all" in author.theta("push", "origin").stdout


def test_theta_push_names_the_remotes_there_are(author: Sandbox) -> None:
    failed = author.theta("push", "orgin", check=False)
    assert failed.returncode == 2 and "origin" in failed.stderr


def test_theta_fetch_makes_a_clone_complete(author: Sandbox, tmp_path: Path) -> None:
    author.git("push", "origin", "HEAD")
    author.git("clone", "--quiet", str(tmp_path / "remote.git"), str(tmp_path / "clone"))
    clone = Sandbox(tmp_path / "clone")
    assert "0 objects fetched" in clone.theta("fetch").stdout
    assert "1 object fetched" in clone.theta("fetch", "--all").stdout
    (tmp_path / "remote.git").rename(tmp_path / "gone.git")
    assert clone.theta("fsck").returncode == 0
    assert "0 objects fetched" in clone.theta("fetch", "--all").stdout


def test_theta_fetch_says_what_cannot_be_had(author: Sandbox, tmp_path: Path) -> None:
    author.git("push", "--no-verify", "origin", "HEAD")
    author.git(
        "clone", "--quiet", str(tmp_path / "remote.git"), str(tmp_path / "clone"), env={"GIT_THETA_SKIP_SMUDGE": "1"}
    )
    failed = Sandbox(tmp_path / "clone").theta("fetch", check=False)
    assert failed.returncode == 3 and "cannot be had" in failed.stderr and "git theta push" in failed.stderr


def test_a_clone_pushes_all_versions_to_a_second_remote(author: Sandbox, tmp_path: Path) -> None:
    """The one that it never checked out comes from the first remote."""
    author.git("push", "origin", "HEAD")
    author.git("clone", "--quiet", str(tmp_path / "remote.git"), str(tmp_path / "clone"))
    clone = Sandbox(tmp_path / "clone")
    clone.git("init", "--bare", "--quiet", str(tmp_path / "second.git"))
    clone.git("remote", "add", "second", str(tmp_path / "second.git"))
    clone.git("push", "second", "HEAD")
    assert missing(tmp_path / "second.git", author) == 0
