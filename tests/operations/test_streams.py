"""A file's bytes: as a stream whose head can be looked at, at random, and whether the two are the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_theta.errors import ChangedFile, FormatError
from git_theta.operations.streams import (
    HEAD_SIZE,
    BytesSource,
    FileSource,
    SourceValues,
    Stream,
    open_file_source,
)
from git_theta.tensors.arrays import BLOCK
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.testing.blocks import noise_bytes

DATA = noise_bytes(2 * HEAD_SIZE + 1234)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(DATA)
    return file


@pytest.fixture(params=["file", "bytes"])
def source(request: pytest.FixtureRequest, file: Path) -> BytesSource | FileSource:
    if request.param == "bytes":
        return BytesSource(DATA)
    opened = FileSource(file)
    request.addfinalizer(opened.close)
    return opened


def test_a_source_gives_exactly_what_is_asked_for(source: BytesSource | FileSource) -> None:
    assert source.size == len(DATA)
    assert source.read(5, 7) == DATA[5:12]
    assert source.read(0, len(DATA)) == DATA
    assert source.read(len(DATA), 0) == b""


@pytest.mark.parametrize(("offset", "size"), [(0, -1), (-1, 1), (0, len(DATA) + 1), (len(DATA), 1), (1 << 70, 1)])
def test_a_source_refuses_what_is_not_there(source: BytesSource | FileSource, offset: int, size: int) -> None:
    with pytest.raises(FormatError):
        source.read(offset, size)


def test_a_file_that_shrinks_is_noticed(file: Path) -> None:
    source = FileSource(file)
    file.write_bytes(b"short")
    with pytest.raises(ChangedFile, match="shrank"):
        source.read(0, 100)
    source.close()


def test_a_file_that_nobody_wants_split_any_more_is_not_read(file: Path) -> None:
    source = FileSource(file)
    source.halt()
    with pytest.raises(ChangedFile):
        source.read(0, 100)
    assert b"".join(source.prefix(HEAD_SIZE + 5)) == DATA[: HEAD_SIZE + 5], "what was compared is"
    source.close()


@pytest.mark.parametrize("size", [0, 1, BLOCK, 2 * BLOCK + 7])
def test_values_of_a_source_can_be_read_from_any_block_on(source: BytesSource | FileSource, size: int) -> None:
    values = SourceValues(Spec(BY_NAME["U8"], (size,)), size, source, 11)
    expected = DATA[11 : 11 + size]
    for _ in range(2):
        assert b"".join(values.blocks()) == expected
    assert [len(block) for block in values.blocks()] == [len(expected[i : i + BLOCK]) for i in range(0, size, BLOCK)]
    assert b"".join(values.blocks(1)) == expected[BLOCK:]


def test_l10_a_link_is_no_source(tmp_path: Path, file: Path) -> None:
    (tmp_path / "link").symlink_to(file)
    assert open_file_source(tmp_path / "link") is None
    assert open_file_source(tmp_path / "absent") is None
    assert open_file_source(tmp_path) is None
    with pytest.raises(OSError, match="symbolic"):
        FileSource(tmp_path / "link")


@pytest.mark.parametrize("size", [0, 1, HEAD_SIZE - 1, HEAD_SIZE, HEAD_SIZE + 1, len(DATA)])
def test_a_stream_has_a_head_and_gives_everything(size: int) -> None:
    stream = Stream.from_pieces([DATA[:size][:100], b"", DATA[:size][100:]])
    assert stream.head == DATA[:size][:HEAD_SIZE]
    assert stream.is_short == (size < HEAD_SIZE)
    assert bytes(stream.take(10)) == DATA[:size][:10]
    assert b"".join(stream.take_rest()) == DATA[:size][10:]
    assert stream.offset == size
    assert bytes(stream.take(10)) == b""


def test_a_stream_may_be_followed_by_another() -> None:
    second = Stream.from_pieces([DATA])
    second.take(HEAD_SIZE + 7)
    assert b"".join(Stream.from_pieces([b"first"], then=second).take_rest()) == b"first" + DATA[HEAD_SIZE + 7 :]


def test_what_was_taken_does_not_change_later() -> None:
    """Threads hash and encode it while more is read."""
    stream = Stream.from_pieces([DATA])
    first = stream.take(1000)
    list(stream.take_rest())
    assert bytes(first) == DATA[:1000]
