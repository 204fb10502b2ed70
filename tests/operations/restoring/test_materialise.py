"""A file in its manifest's place: room for it, its time, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from git_theta.errors import StoreError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import encode_manifest
from git_theta.operations.context import Context
from git_theta.operations.restoring.materialise import materialise_file, require_room
from tests.operations.restoring.test_restore import manifest_of

CONTENT = b"what the manifest stands for"


@pytest.fixture
def manifest(context: Context) -> Manifest:
    return manifest_of(context, [CONTENT], [])


@pytest.fixture
def target(tmp_path: Path, manifest: Manifest) -> Path:
    """Where the manifest lies."""
    file = tmp_path / "worktree" / "model.bin"
    file.parent.mkdir()
    file.write_bytes(encode_manifest(manifest))
    return file


def test_a_file_has_the_time_that_it_is_given_or_that_of_its_writing(
    target: Path, manifest: Manifest, context: Context
) -> None:
    text, before = encode_manifest(manifest), time.time_ns()
    given = materialise_file(manifest, text, target, context, modified_ns=before - 3 * 10**9)
    assert given and given.st_mtime_ns == target.stat().st_mtime_ns == before - 3 * 10**9
    target.write_bytes(text)
    written = materialise_file(manifest, text, target, context)
    assert written and abs(written.st_mtime_ns - before) < 2 * 10**9
    assert target.read_bytes() == CONTENT


def test_files_that_were_written_are_closed(target: Path, manifest: Manifest, context: Context) -> None:
    """A checkpoint of a thousand shards must not need a thousand descriptors."""
    counts = []
    for _ in range(4):
        target.write_bytes(encode_manifest(manifest))
        assert materialise_file(manifest, encode_manifest(manifest), target, context)
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    assert counts[1:] == counts[:1] * 3  # the first has the state database opened, which stays so


def test_nobody_sees_a_file_that_is_being_written(target: Path, manifest: Manifest, context: Context) -> None:
    """The scratch directory is on the target's file system here: nothing else stands beside it meanwhile."""
    seen: list[list[Path]] = []
    watched = context._replace(progress=lambda _: seen.append(list(target.parent.iterdir())))
    assert materialise_file(manifest, encode_manifest(manifest), target, watched)
    assert seen == [[target]]


def test_what_a_killed_process_left_beside_the_file_is_swept(
    target: Path, manifest: Manifest, context: Context
) -> None:
    """Temporary files stand beside the target where no other place is on its file system."""
    with subprocess.Popen(["true"]) as died:
        left = target.with_name(f".theta-{died.pid}-0a")
    left.write_bytes(bytes(1000))
    os.utime(left, (time.time() - 3600,) * 2)
    context.scratch.write_bytes(b"no folder")
    assert materialise_file(manifest, encode_manifest(manifest), target, context)
    assert list(target.parent.iterdir()) == [target]
    assert target.read_bytes() == CONTENT


def test_all_the_room_there_is_may_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = os.statvfs(tmp_path)  # once: other processes write to this file system, too
    monkeypatch.setattr(os, "statvfs", lambda _: described)
    free = described.f_bavail * described.f_frsize
    require_room(free, tmp_path)
    with pytest.raises(StoreError, match="nothing was written"):
        require_room(free + 1, tmp_path)
