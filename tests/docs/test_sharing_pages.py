"""What the pages about sharing have a person type does what they say; hosts of theirs are servers of ours here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.test_shell_blocks import find_reason
from tests.docs.typed_pages import ROOT, blocks_of
from tests.integration.shared_model import needs_lfs
from tests.sandbox import Sandbox, model, track_and_commit
from tests.servers.git_http import GitHost

PAGES = ROOT / "docs" / "how-to"
FILE = "model.safetensors"


@pytest.fixture
def mine(tmp_path: Path) -> Sandbox:
    """A repository with a model that nobody has seen yet, of a person who has git-theta."""
    mine = Sandbox.create(tmp_path / "mine", install=False)
    mine.theta("install")
    return track_and_commit(mine, {FILE: model()})


def type_page(mine: Sandbox, page: str, **replaced: str) -> None:
    """Run every command of a page, in its order; the colleague has the model in the end."""
    blocks = [block for block in blocks_of(f"docs/how-to/{page}") if not find_reason(block)]
    commands = "\n".join(line for block in blocks for line in block.commands())
    assert commands
    for old, new in replaced.items():
        commands = commands.replace(old, new)
    mine.run("sh", "-e", "-c", commands)
    assert (mine.root.parent / "colleague" / FILE).read_bytes() == model()


@needs_lfs
def test_a_git_lfs_host(mine: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    with GitHost(tmp_path / "host") as host:
        host.create("model.git")
        mine.git("config", "--global", f"url.{host.root}/.insteadOf", "https://github.com/team/")
        type_page(mine, "share-on-a-git-lfs-host.md")
        assert host.objects("model.git")


def test_a_plain_ssh_server(mine: Sandbox, tmp_path: Path) -> None:
    """Its ssh is a script that runs on this machine what is to be run over there."""
    bare = Sandbox.create(tmp_path / "model.git", install=False, bare=True)
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\nshift\nexec sh -c "$(printf %s "$1" | sed "s#/srv/#{tmp_path}/#")"\n')
    ssh.chmod(0o755)
    mine.git("config", "--global", "core.sshCommand", str(ssh))
    mine.git("config", "--global", "ssh.variant", "simple")
    type_page(mine, "share-over-ssh.md")
    assert not (bare.root / "theta").exists(), "the objects are Git's there"


def test_a_directory(mine: Sandbox, tmp_path: Path) -> None:
    type_page(mine, "share.md", **{"/mnt/team/": f"{tmp_path}/disk/"})
    assert (tmp_path / "disk" / "model.git" / "theta" / "objects").is_dir()


def test_every_page_about_sharing_is_found_from_the_first_one() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)", (PAGES / "share.md").read_text()))
    assert {file.name for file in PAGES.glob("share-*.md")} <= linked
