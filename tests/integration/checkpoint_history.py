"""A story's beginning: versions of one checkpoint, committed; and what must hold at its end."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from git_theta.manifest.text import is_manifest
from git_theta.operations.restoring.deferred import DEFERRED_SIZE
from tests.sandbox import Sandbox, changed, safetensors_bytes
from tests.templates import built_once

MODEL = "model.safetensors"
NOTE = "note.txt"

every_kind = pytest.mark.parametrize(
    "history", list(product(["small", "large"], ["sha1", "sha256"])), indirect=True, ids="-".join
)
"""For the two stories that all others build on; the others are told of one small and one large checkpoint."""

Size = Literal["small", "large"]
ObjectFormat = Literal["sha1", "sha256"]


@lru_cache
def versions(size: Size) -> tuple[bytes, bytes, bytes]:
    """Three versions of a checkpoint, each one parameter away from the one before it.

    A small one is smudged inline; a large one is written when Git has hung up.
    """
    rows = 64 if size == "small" else DEFERRED_SIZE // (4 * 32) + 1
    generator = np.random.default_rng(2)
    first = safetensors_bytes(
        {
            "embed.weight": ("F32", (64, 32), generator.standard_normal(64 * 32, dtype=np.float32).tobytes()),
            "layer.weight": ("F32", (rows, 32), np.linspace(-1, 1, rows * 32, dtype="<f4").tobytes()),
            "layer.bias": ("F32", (32,), generator.standard_normal(32, dtype=np.float32).tobytes()),
        }
    )
    second = changed(first, "layer.bias")
    return first, second, changed(second, "layer.weight", at=4 * 1000)


@dataclass(frozen=True)
class History:
    """A repository whose first three commits, tagged ``v0`` to ``v2``, hold three versions of ``model.safetensors``.

    Attributes:
        sandbox: the repository, with ``v2`` checked out on ``main``.
        versions: the checkpoint's bytes in each.
    """

    sandbox: Sandbox
    versions: tuple[bytes, bytes, bytes]

    @classmethod
    def create(cls, root: Path, checkpoints: tuple[bytes, bytes, bytes], object_format: ObjectFormat) -> History:
        """Make it at ``root``; git-theta must be installed for the user."""
        sandbox = Sandbox.create(root, object_format, install=False)
        _record(sandbox, checkpoints)
        return cls(sandbox, checkpoints)

    @property
    def root(self) -> Path:
        return self.sandbox.root

    def git(self, *args: str | Path, **env: str) -> str:
        """What ``git ARGS`` prints, run in the repository with ``env`` on top."""
        return self.sandbox.git(*args, env=env).stdout

    def branch(self, name: str, start: str, checkpoint: bytes | None = None) -> None:
        """A branch at ``start``, checked out; with one commit of ``checkpoint`` where one is given."""
        self.git("checkout", "--quiet", "-b", name, start)
        if checkpoint is not None:
            self.sandbox.write(MODEL, checkpoint)
            self.sandbox.commit(f"on {name}")

    def note_on(self, name: str, start: str) -> None:
        """A branch at ``start`` with one commit that adds a text file and leaves the checkpoint alone; checked out."""
        self.git("checkout", "--quiet", "-b", name, start)
        self.sandbox.write(f"{name}.txt", b"a word\n")
        self.sandbox.commit(f"note on {name}")

    def holds(self, version: int | None, path: str = MODEL, *, at: Sandbox | None = None) -> None:
        """Assert that a version lies at ``path``, alone in its worktree's status; None: that nothing lies there."""
        sandbox = at or self.sandbox
        if version is None:
            assert not (sandbox.root / path).exists()
            assert_clean(sandbox)
        else:
            assert_round_trip(sandbox, {path: self.versions[version]})


@built_once
def _record(sandbox: Sandbox, checkpoints: tuple[bytes, ...]) -> None:
    sandbox.theta("track", "*.safetensors")
    for number, checkpoint in enumerate(checkpoints):
        sandbox.write(MODEL, checkpoint)
        sandbox.write(NOTE, b"%d\n" % number)
        sandbox.commit(f"version {number}")
        sandbox.git("tag", f"v{number}")


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def assert_round_trip(sandbox: Sandbox, files: Mapping[str, bytes]) -> None:
    """The files are there bit for bit, Git holds their manifests, and has nothing to say or to ask about them."""
    for path, content in files.items():
        assert_file(sandbox, path, content)
        assert is_manifest(staged(sandbox, path)), f"Git holds no manifest for {path!r}"
    assert_clean(sandbox)


def assert_file(sandbox: Sandbox, path: str, content: bytes) -> None:
    """A file of the worktree has these bytes."""
    found = sandbox.read(path)
    assert digest(found) == digest(content), f"{path!r} has {len(found)} bytes: {found[:64]!r}"


def assert_clean(sandbox: Sandbox) -> None:
    """Status has nothing to say, and the second time it starts no filter to find that out."""
    assert sandbox.git("status", "--porcelain").stdout == ""
    with a_second_later(sandbox):
        assert filters_started(sandbox, "status", "--porcelain") == ""


@contextmanager
def a_second_later(sandbox: Sandbox) -> Iterator[None]:
    """Let the index look newer than it is: Git looks again at files as new as their index."""
    index = sandbox.root / sandbox.git("rev-parse", "--git-path", "index").stdout.rstrip("\n")
    was = index.stat()
    os.utime(index, ns=(was.st_atime_ns, was.st_mtime_ns + 2 * 10**9))
    later = index.stat()
    yield
    if index.stat().st_mtime_ns == later.st_mtime_ns:  # else Git has written another one
        os.utime(index, ns=(was.st_atime_ns, was.st_mtime_ns))


def filters_started(sandbox: Sandbox, *args: str) -> str:
    """What ``git ARGS`` prints, which must start no filter of ours."""
    trace = sandbox.root.parent / f"{sandbox.root.name}.trace"
    printed = sandbox.git(*args, env={"GIT_TRACE2_EVENT": str(trace)}).stdout
    started = [line for line in trace.read_text().splitlines() if "child_start" in line and "git_theta" in line]
    trace.unlink()
    assert not started, f"git {' '.join(args)} started a filter:\n{started[0]}"
    return printed


def staged(sandbox: Sandbox, path: str) -> bytes:
    """The blob that the index has for ``path``."""
    listing = sandbox.git("--literal-pathspecs", "ls-files", "-s", "-z", "--", path).stdout
    oid = listing.split(" ", 2)[1]
    return sandbox.git("cat-file", "blob", oid).stdout.encode(errors="surrogateescape")


def stored(sandbox: Sandbox) -> dict[str, int]:
    """oid -> size of every object in the repository's own store."""
    common = sandbox.root / sandbox.git("rev-parse", "--git-common-dir").stdout.rstrip("\n")
    return {file.name: file.stat().st_size for file in (common / "theta" / "objects").glob("??/??/*")}
