"""The git transport runs the kit, against a bare repository by its path."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from git_theta.store.base import Store
from git_theta.testing.transports import TransportLaws
from git_theta.transport.base import Transport
from git_theta.transport.git_blobs import GitTransport
from git_theta.vcs.discovery import Repository
from git_theta.vcs.scratch_repository import RemoteAccess, read_remote_access
from tests.sandbox import Sandbox

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
IDENTITY = {
    f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in (("NAME", "x"), ("EMAIL", "x"))
}


def git(folder: Path, *args: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["git", "-C", folder, *args], input=stdin, check=True, stdout=subprocess.PIPE).stdout


def put_by_hand(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Put objects into a repository as docs/spec/objects.md says, with Git alone."""
    blobs = {
        oid: git(folder, "hash-object", "-w", "--stdin", stdin=text).decode().strip() for oid, text in contents.items()
    }
    tree = git(folder, "mktree", stdin="".join(f"100644 blob {blob}\t{oid}\n" for oid, blob in blobs.items()).encode())
    parent = git(folder, "commit-tree", tree.decode().strip(), "-m", "x").decode().strip()
    listing = "".join(f"{oid} {len(contents[oid])} {blobs[oid]}\n" for oid in sorted(blobs)).encode()
    file = git(folder, "hash-object", "-w", "--stdin", stdin=listing).decode().strip()
    listed = git(folder, "mktree", stdin=f"100644 blob {file}\tobjects\n".encode()).decode().strip()
    commit = git(folder, "commit-tree", listed, "-p", parent, "-m", "x").decode().strip()
    git(folder, "update-ref", f"refs/theta/objects/{hashlib.sha256(listing).hexdigest()}", commit)


def contents_of(folder: Path) -> dict[str, bytes]:
    """What the repository keeps, by object id; what is not what its id says, by the blob's."""
    found = {}
    for ref in git(folder, "for-each-ref", "--format=%(refname)", "refs/theta").decode().split():
        for line in git(folder, "ls-tree", f"{ref}^").decode().splitlines():
            facts, _, oid = line.partition("\t")
            content = git(folder, "cat-file", "blob", facts.split()[2])
            found[oid if hashlib.sha256(content).hexdigest() == oid else facts] = content
    return found


class TestByPath(TransportLaws):
    @pytest.fixture(autouse=True)
    def person(self, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
        """The repository that we are in."""
        person = Sandbox.create(tmp_path / "person", install=False)
        monkeypatch.chdir(person.root)
        return person

    @pytest.fixture
    def remote(self, tmp_path: Path) -> Path:
        return Sandbox.create(tmp_path / "remote", install=False, bare=True).root

    def open_transport(self, folder: Path, ours: Store) -> Transport:
        theta = folder.parent / "person/.git/theta"
        return GitTransport(ours, access_to(folder, theta.parent), theta)

    def raw_contents(self, folder: Path) -> Mapping[str, bytes]:
        return contents_of(folder)

    def raw_put(self, folder: Path, oid: str, content: bytes) -> None:
        put_by_hand(folder, {oid: content})

    @contextmanager
    def losing(self, folder: Path) -> Iterator[None]:
        """A server that keeps no refs but those that it knows."""
        hook = folder / "hooks/post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\nwhile read old new ref; do git update-ref -d $ref; done\n")
        hook.chmod(0o755)
        yield
        hook.unlink()


def access_to(remote: Path | str, git_dir: Path) -> RemoteAccess:
    """How to get to a remote from a repository."""
    return read_remote_access(
        "origin", os.fspath(remote), Repository(git_dir, git_dir, git_dir / "hooks", git_dir.parent)
    )
