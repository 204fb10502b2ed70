"""Objects from remotes: each is asked in turn, and none in vain."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_theta.repository.stores.opening import open_context
from git_theta.vcs.discovery import discover_repository
from tests.sandbox import Sandbox
from tests.servers.lfs_server import Fault, LfsServer


def test_a_remote_that_was_given_up_is_asked_no_more(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file that waits for objects asks for its own: a minute for each would be an hour for all."""
    monkeypatch.chdir(sandbox.root)
    with LfsServer() as server:
        remote = server.add_repository(tmp_path / "remote")
        remote.fault = Fault("batch", "stall")
        for key, value in {"lfs.url": remote.url, "theta.remote.origin.patience": "1"}.items():
            sandbox.git("config", key, value)
        sandbox.git("remote", "add", "origin", "https://nowhere.invalid/team/model.git")
        with open_context(discover_repository(sandbox.root), print) as context:
            first = context.fetch({"0" * 64: 5})
            asked = len(remote.requests)
            assert context.fetch({"1" * 64: 5}) == first
        assert "has moved nothing for 1 s" in first[0]
        assert len(remote.requests) == asked == 1
