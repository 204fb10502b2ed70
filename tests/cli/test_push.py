"""``git theta push``: where it goes, of what, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sandbox import Sandbox, changed, model, track_and_commit
from tests.templates import built_once

FILE = "model.safetensors"
FIRST = model(0, weight=(600, 600), bias=30)
SECOND = changed(FIRST, "weight")


@pytest.fixture
def remote(tmp_path: Path) -> Sandbox:
    return Sandbox.create(tmp_path / "remote.git", install=False, bare=True)


@pytest.fixture
def local(sandbox: Sandbox, remote: Sandbox) -> Sandbox:
    """A repository whose commits, two on main and a third on side, are on a remote that has no object of them."""
    _commit_thrice(sandbox)
    sandbox.git("remote", "add", "origin", remote.root)
    sandbox.git("push", "-q", "--no-verify", "origin", "main", "side")
    return sandbox


@built_once
def _commit_thrice(sandbox: Sandbox) -> None:
    track_and_commit(sandbox, {FILE: FIRST})
    sandbox.write(FILE, SECOND)
    sandbox.commit()
    sandbox.git("switch", "-qc", "side")
    sandbox.write(FILE, changed(SECOND, "bias"))
    sandbox.commit()
    sandbox.git("switch", "-q", "main")


def objects(remote: Sandbox) -> int:
    return len([path for path in (remote.root / "theta/objects").rglob("*") if path.is_file()])


def test_refs_or_all(local: Sandbox, remote: Sandbox) -> None:
    told = json.loads(local.theta("push", "--dry-run", "origin", "main~1", "--json").stdout)
    assert told["urls"][0].pop("bytes") > 1_000_000
    urls = [{"url": str(remote.root), "objects": 2}]
    assert told == {"remote": "origin", "dry_run": True, "needed": 2, "urls": urls}
    assert objects(remote) == 0
    local.theta("push", "origin", "main~1")
    assert objects(remote) == 2
    assert "theta: pushed 1 object" in local.theta("push", "origin", "main~1..main").stderr
    assert "origin has all 3 objects" in local.theta("push", "origin", "main").stdout
    assert "theta: pushed 1 object" in local.theta("push").stderr
    assert "origin has all 4 objects" in local.theta("push", "--all").stdout


def test_versions_of_other_peoples_branches_are_not_sent(local: Sandbox, tmp_path: Path) -> None:
    """All branches and tags are ours: what remote-tracking branches reach may not be here at all."""
    other = Sandbox.create(tmp_path / "other.git", install=False, bare=True)
    local.git("branch", "-qD", "side")
    local.theta("push", other.root)
    assert objects(other) == 3


def test_it_goes_where_git_push_goes(local: Sandbox, tmp_path: Path) -> None:
    folders = {name: Sandbox.create(tmp_path / f"{name}.git", install=False, bare=True) for name in "abcd"}
    for name in "abc":
        local.git("remote", "add", name, folders[name].root)
    for key, name in (
        ("branch.main.remote", "a"),
        ("remote.pushDefault", "b"),
        ("branch.main.pushRemote", "c"),
    ):
        local.git("config", key, name)
        local.theta("push")
        assert objects(folders[name]) == 4
    local.git("config", f"url.{folders['d'].root}.pushInsteadOf", "far:away")
    local.git("remote", "set-url", "c", "far:away")
    local.theta("push")
    assert objects(folders["d"]) == 4


def test_revalidate_puts_right_what_is_damaged_there(local: Sandbox, remote: Sandbox) -> None:
    local.theta("push")
    for number, file in enumerate(path for path in (remote.root / "theta/objects").rglob("*") if path.is_file()):
        content = file.read_bytes()
        file.unlink()  # a link to our own
        file.write_bytes(content[::-1] if number % 2 else content)
    assert "origin has all 4 objects" in local.theta("push").stdout
    assert "theta: pushed 2 objects" in local.theta("push", "--revalidate").stderr
    assert remote.theta("fsck").returncode == 0
    assert "origin has all 4 objects" in local.theta("push", "--revalidate").stdout


def test_what_is_no_remote_and_what_excludes_each_other(local: Sandbox) -> None:
    assert local.theta("push", "main", check=False).returncode == 2
    assert local.theta("push", "origin", "nothing", check=False).returncode == 2
    assert local.theta("push", "--all", "origin", "main", check=False).returncode == 2


def test_a_repository_without_a_branch_has_nothing_to_push(tmp_path: Path, home: Path) -> None:
    empty = Sandbox.create(tmp_path / "empty")
    empty.git("remote", "add", "origin", "/nowhere")
    assert "origin has all 0 objects" in empty.theta("push").stdout


@pytest.mark.parametrize("command", [["push"], ["--debug", "push"], ["fsck", "--remote"], ["prune", "--remote"]])
def test_no_password_in_a_url_is_shown(local: Sandbox, command: list[str]) -> None:
    done = local.theta(*command, "http://ada:s@cret@127.0.0.1:1/model.git", check=False)
    assert done.returncode and "127.0.0.1" in done.stderr
    assert "cret" not in done.stdout + done.stderr and "ada" not in done.stderr


def test_each_hint_of_a_push_has_its_line_and_names_the_remote(local: Sandbox) -> None:
    local.git("remote", "add", "other", "rsync://host/model.git")
    lines = local.theta("push", "other", check=False).stderr.splitlines()
    assert "hint: Say where they shall go, for example: git config theta.remote.other.url s3://BUCKET/PREFIX" in lines
    assert sum(line.startswith("hint: `git push --no-verify`") for line in lines) == 1


def test_a_remote_without_pointers_has_nothing_to_prune(local: Sandbox) -> None:
    assert local.theta("prune", "--remote", "--dry-run").stdout == "origin has no pointers: there is nothing to drop\n"
