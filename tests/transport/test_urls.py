"""What a URL is, as Git says: `git fetch-pack --diag-url` is the oracle."""

from __future__ import annotations

import os
import subprocess

import pytest

from git_theta.store.base import Store
from git_theta.store.memory import MemoryStore
from git_theta.transport.choose import choose_transport
from git_theta.transport.directory import DirectoryTransport
from git_theta.transport.urls import local_path, redact_url
from tests.sandbox import Sandbox

URLS = (
    "/srv/R", "R.git", "./srv:R.git", "../a:b", "a/b:c", "~/x", "//x", "a%20b", "file:///srv/R%20x", "file://host/R",
    "file:///a#b?c", "file:///x%zz", "file:///x%00y", "file://", "file://host", "FILE:///x", "srv:R.git", "C:/x",
    "u@h:p", "[::1]:x", "file:x", "ssh://h/p", "https://h/x", "1x://y/z", "x::y/z", "ext::sh -c x",
)  # fmt: skip


def path_by_git(url: str) -> str | None:
    done = subprocess.run(["git", "fetch-pack", "--diag-url", url], capture_output=True)
    facts = dict(os.fsdecode(line).partition("Diag: ")[2].partition("=")[::2] for line in done.stdout.splitlines())
    return facts["path"] if facts.get("protocol") == "file" else None


def test_urls_are_read_as_git_reads_them(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sandbox.root)
    found = {url: local_path(url) for url in URLS}
    assert found == {url: path_by_git(url) for url in URLS}
    assert None in found.values() and "/srv/R x" in found.values()


def test_a_directory_gets_the_directory_transport() -> None:
    opened: list[str] = []

    def open_directory(path: str) -> Store | None:
        opened.append(path)
        return MemoryStore() if path == "/there" else None

    assert isinstance(choose_transport("file:///there", MemoryStore(), open_directory), DirectoryTransport)
    assert choose_transport("/gone", MemoryStore(), open_directory) == "no repository is there"
    assert "directories only" in str(choose_transport("srv:R.git", MemoryStore(), open_directory))
    assert opened == ["/there", "/gone"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:word@host/x?token=1#f", "https://host/x"),
        ("me:word@host:path", "host:path"),
        ("./a@b:c", "./a@b:c"),
        ("/srv/a@b", "/srv/a@b"),
    ],
)
def test_secrets_are_left_out(url: str, shown: str) -> None:
    assert redact_url(url) == shown
