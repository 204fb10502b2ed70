"""A file's bytes: as a stream whose head can be looked at, at random, and whether the two are the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_theta.errors import FormatError
from git_theta.operations.streams import (
    HEAD_SIZE,
    BytesSource,
    ExpectedReads,
    FileSource,
    Stream,
    TracedSource,
    open_file_source,
)
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
    with pytest.raises(FormatError, match="shrank"):
        source.read(0, 100)
    source.close()


def test_a_file_holds_its_bytes_and_no_others(file: Path) -> None:
    source = FileSource(file)
    for offset, size in ((0, 10), (7, 1000), (len(DATA) - 5, 5), (len(DATA), 0)):
        assert source.holds(offset, memoryview(DATA)[offset : offset + size])
    assert not source.holds(0, memoryview(DATA)[1:11])
    assert not source.holds(len(DATA) - 5, memoryview(DATA[-5:] + b"!"))
    assert not source.holds(1 << 40, memoryview(b"!"))
    source.close()


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


def test_a_traced_source_remembers_the_longest_read_of_a_place() -> None:
    traced = TracedSource(BytesSource(b"0123456789"))
    for offset, size in ((2, 3), (2, 5), (2, 1), (9, 1), (4, 0)):
        traced.read(offset, size)
    assert traced.reads == {2: b"23456", 9: b"9"}


reads = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=6)
blocks = st.lists(st.integers(1, 20), min_size=1)


def _agrees(stream: bytes, traced: TracedSource, sizes: list[int]) -> bool:
    taken = Stream.from_pieces([stream])
    taken.expected = ExpectedReads(traced.reads)
    while any(taken.take(size) for size in sizes):
        pass
    return taken.matches_expected


@given(reads, blocks, st.integers(0, 79))
def test_a_stream_agrees_unless_a_byte_that_was_read_differs(
    places: list[tuple[int, int]], sizes: list[int], at: int
) -> None:
    data = bytes(range(80))
    traced = TracedSource(BytesSource(data))
    for offset, size in places:
        traced.read(offset, size)
    differing = data[:at] + b"\xff" + data[at + 1 :]
    was_read = any(offset <= at < offset + size for offset, size in places)
    assert _agrees(data, traced, sizes)
    assert _agrees(differing, traced, sizes) is not was_read
