"""A model that people share: on a host with one URL for Git and Git LFS, which asks for a password."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from git_theta.manifest.text import decode_manifest, is_manifest
from tests.command_server import name_launchers_in
from tests.integration.checkpoint_history import History, versions
from tests.sandbox import Sandbox, environment
from tests.servers.git_http import GitHost, store_password
from tests.templates import copy_repository

PASSWORD = ("alice", "secret of alice")

needs_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs moves the objects")


@dataclass(frozen=True)
class SharedModel:
    """A history that was pushed, ``main`` and ``v0`` to ``v2``, and a clone of it that is Alice's.

    Attributes:
        host: where it is; other repositories are there, too.
        name: of the repository there.
        alice: her clone, with ``main`` checked out.
        asked: what her credential helper was asked, a line per call.
        folder: for more clones.
    """

    host: GitHost
    name: str
    alice: History
    asked: Path
    folder: Path

    @property
    def url(self) -> str:
        return f"{self.host.root}/{self.name}"

    @property
    def bare(self) -> Sandbox:
        """The repository on the host."""
        return Sandbox(self.host.folder / self.name)

    @property
    def objects(self) -> dict[str, int]:
        """What the host has: oid to size in bytes."""
        return self.host.objects(self.name)

    def clone(self, name: str, *args: str) -> Sandbox:
        """A new clone from the host."""
        return Sandbox.clone(self.url, self.folder / name, *args)

    def moved_bytes(self, method: str, part: str = "info/lfs/objects/") -> int:
        """Bytes that went up (PUT, POST) or down (GET) in requests to this repository."""
        return self.host.moved_bytes(method, f"/{self.name}/{part}")

    def assert_whole(self) -> None:
        """Every manifest that any ref of the host leads to has its objects there: anybody can check it out."""
        listed = self.bare.git(
            "rev-list", "--objects", "--all", "--filter=object:type=blob", "--filter-provided-objects"
        )
        needed: dict[str, int] = {}
        for line in listed.stdout.splitlines():
            text = self.bare.git("cat-file", "blob", line.split()[0]).stdout.encode(errors="surrogateescape")
            if is_manifest(text):
                needed |= decode_manifest(text).objects()
        assert needed.items() <= self.objects.items()

    def refs(self) -> str:
        """What the branches and tags of the host point at."""
        return self.bare.git("for-each-ref", "refs/heads", "refs/tags").stdout


def publish_history(host: GitHost, folder: Path, configuration: bytes) -> Path:
    """Push a history to ``published.git``; the repository that it was pushed from, in ``folder``."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(folder / "home").items():
            patch.setenv(name, value)
        (folder / "home" / ".gitconfig").write_bytes(configuration)
        store_password(folder / "home", host.root, *PASSWORD)
        history = History.create(folder / "repository", versions("small"), "sha1")
        history.git("remote", "add", "origin", host.create("published.git"))
        history.git("push", "--quiet", "-u", "origin", "main", "v0", "v1", "v2")
    return history.root


def copy_published(published: Path, host: GitHost, name: str, home: Path, folder: Path) -> SharedModel:
    """A copy of what was published, on the host and with Alice, whose home this is."""
    shutil.copytree(host.folder / "published.git", host.folder / name)
    copy_repository(published, folder / "alice")
    name_launchers_in(folder / "alice")
    alice = History(Sandbox(folder / "alice"), versions("small"))
    alice.git("remote", "set-url", "origin", host.create(name))
    return SharedModel(host, name, alice, store_password(home, host.root, *PASSWORD), folder)
