"""What a URL is, as Git says: `git fetch-pack --diag-url` is the oracle."""

from __future__ import annotations

import os
import subprocess

import pytest

from git_theta.transport.urls import local_path, redact_url, url_scheme
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


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("HTTPS://host/x", "https"),
        ("me@host:path", "ssh"),
        ("[::1]:x", "ssh"),
        ("./srv:R.git", ""),
        ("/srv/R", ""),
        ("ext::sh -c x", ""),
    ],
)
def test_what_has_no_scheme_is_ssh_a_path_or_a_helper(url: str, scheme: str) -> None:
    assert url_scheme(url) == scheme


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
