"""The clean cache: a file that was cleaned before costs a comparison, and a cache that lies costs nothing worse."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from git_theta.manifest.text import loads
from git_theta.operations.adding.clean import clean
from git_theta.operations.context import Desk
from git_theta.operations.streams import HEAD, Stream
from git_theta.testing.blocks import noise

CONTENT = noise(HEAD + 50_000)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A file that is long enough to be remembered, and has rested."""
    file = tmp_path / "model.bin"
    file.write_bytes(CONTENT)
    time.sleep(0.15)
    return file


def cleaned(content: bytes, checkpoint: Path, desk: Desk) -> bytes:
    return clean(Stream.of([content]), checkpoint.name, checkpoint.parent, desk)


def test_the_same_file_gives_the_same_text(checkpoint: Path, desk: Desk) -> None:
    first = cleaned(CONTENT, checkpoint, desk)
    assert desk.state.manifest_of(checkpoint, checkpoint.stat()) == first
    assert cleaned(CONTENT, checkpoint, desk) == first


@pytest.mark.parametrize("at", [0, HEAD, len(CONTENT) - 1])
def test_other_bytes_than_the_files_are_never_taken_for_them(checkpoint: Path, desk: Desk, at: int) -> None:
    """``git hash-object --stdin --path`` cleans what it likes under the name of a file that did not change."""
    first = cleaned(CONTENT, checkpoint, desk)
    other = CONTENT[:at] + bytes([CONTENT[at] ^ 1]) + CONTENT[at + 1 :]
    assert cleaned(other, checkpoint, desk) != first
    assert loads(cleaned(other[:-1], checkpoint, desk)).size == len(CONTENT) - 1
    assert loads(cleaned(CONTENT + b"!", checkpoint, desk)).size == len(CONTENT) + 1
    assert cleaned(CONTENT, checkpoint, desk) == first


@pytest.mark.parametrize("other", [CONTENT[:-1] + b"!", CONTENT[:-1], CONTENT + b"!"], ids=["altered", "cut", "longer"])
def test_other_bytes_than_the_files_are_not_remembered_as_its_own(checkpoint: Path, desk: Desk, other: bytes) -> None:
    """``merge.renormalize`` cleans blobs under the path of a file that has other bytes and has rested."""
    cleaned(other, checkpoint, desk)
    assert desk.state.manifest_of(checkpoint, checkpoint.stat()) is None
    assert loads(cleaned(CONTENT, checkpoint, desk)).size == len(CONTENT)
    assert desk.state.manifest_of(checkpoint, checkpoint.stat()) is not None


@pytest.mark.parametrize("text", [b"", b"nonsense", b"git-theta manifest 1\n{}\n", b"git-theta manifest 9\n"])
def test_a_damaged_memory_is_no_memory(checkpoint: Path, desk: Desk, text: bytes) -> None:
    stat = checkpoint.stat()
    desk.state.remember_clean(checkpoint, stat, time.time() + 1, text)
    assert desk.state.manifest_of(checkpoint, stat) == text
    assert loads(cleaned(CONTENT, checkpoint, desk)).size == len(CONTENT)


def test_a_memory_whose_objects_are_gone_is_no_memory(checkpoint: Path, desk: Desk) -> None:
    first = cleaned(CONTENT, checkpoint, desk)
    empty = desk._replace(store=type(desk.store)())
    assert cleaned(CONTENT, checkpoint, empty) == first
    assert set(empty.store.oids()) == set(desk.store.oids())


def test_a_file_that_is_touched_is_looked_at_again(checkpoint: Path, desk: Desk) -> None:
    first = cleaned(CONTENT, checkpoint, desk)
    os.utime(checkpoint)
    assert desk.state.manifest_of(checkpoint, checkpoint.stat()) is None
    assert cleaned(CONTENT, checkpoint, desk) == first
