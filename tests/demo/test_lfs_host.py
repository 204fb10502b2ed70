"""The demo's Git LFS server takes what people push, gives it to others, and counts it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from demo.lfs_host import LfsHost, Traffic
from tests.sandbox import Sandbox

WORDS = os.urandom(100_000)


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is the client")
def test_what_goes_through_is_counted_in_both_directions(tmp_path: Path) -> None:
    bare = Sandbox.create(tmp_path / "shared.git", install=False, bare=True)
    mine = Sandbox.create(tmp_path / "mine", install=False)
    with LfsHost(tmp_path / "objects") as host:
        mine.git("config", "--global", "lfs.url", host.url)
        mine.git("lfs", "install")
        mine.git("lfs", "track", "*.bin")
        mine.write("a.bin", WORDS)
        mine.commit()
        mine.git("push", "--quiet", bare.root, "main")
        pushed = host.take_traffic()
        assert (pushed.up, pushed.down) == (len(WORDS), 0)
        assert pushed.requests >= 2
        assert Sandbox.clone(bare, tmp_path / "clone").read("a.bin") == WORDS
        fetched = host.take_traffic()
        assert (fetched.up, fetched.down) == (0, len(WORDS))
        assert host.take_traffic() == Traffic()
