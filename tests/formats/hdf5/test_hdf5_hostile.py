"""HDF5 files made to harm whoever reads them: the answer is a reason, in bounded time and memory."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc

import h5py
import numpy as np
import pytest

from git_theta.errors import FormatError
from git_theta.formats.hdf5.hdf5_format import Hdf5Format
from git_theta.formats.hdf5.hdf5_reader import SIGNATURE
from tests.formats.hdf5.hdf5_files import LIBVERS, WEIGHTS, written
from tests.formats.sources import BytesSource, names_of, spans_or_refusal

READER = Hdf5Format()
UNDEFINED = (1 << 64) - 1
TERABYTES = 1 << 43
FILES = {libver: written({"g/w": WEIGHTS, "b": np.ones(3)}, libver) for libver in LIBVERS}


def superblock(root: int, size: int, base: int = 0, sizes: bytes = b"\x08\x08") -> bytes:
    """One of version 2, 48 bytes."""
    return SIGNATURE + b"\2" + sizes + b"\0" + struct.pack("<4Q", base, UNDEFINED, size, root) + bytes(4)


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("<BHB", kind, len(body), 0) + body


def header(*messages: bytes) -> bytes:
    content = b"".join(messages)
    return b"OHDR\2\2" + struct.pack("<L", len(content)) + content + bytes(4)


def link(name: str, address: int) -> bytes:
    return message(6, b"\1\1" + struct.pack("<H", len(name.encode())) + name.encode() + struct.pack("<Q", address))


F32 = bytes.fromhex("1120 1f00 0400 0000 0000 2000 1708 0017 7f00 0000")


def dataset(address: int, shape: tuple[int, ...] = (4,), size: int = 16) -> bytes:
    space = struct.pack(f"<4B{len(shape)}Q", 2, len(shape), 0, 1, *shape)
    return header(message(1, space), message(3, F32), message(8, b"\3\1" + struct.pack("<2Q", address, size)))


def file_of(*objects: bytes, root: int = 0, base: int = 0, size: int = 0) -> bytes:
    """The objects at bytes 1024, 2048 and so on, 16 bytes of data at 512; the first one is the root."""
    content = b"".join([one.ljust(1024, b"\0") for one in objects])
    return superblock(root or 1024, size or 1024 + len(content), base).ljust(1024, b"\1") + content


def test_the_handmade_file_is_read_or_this_proves_nothing() -> None:
    content = file_of(header(link("w", 2048)), dataset(512))
    [span] = READER.spans(BytesSource(content))
    assert (span.name, span.offset, span.spec.dtype.name, span.spec.shape) == ("w", 512, "F32", (4,))


@pytest.mark.parametrize("libver", LIBVERS)
def test_a_file_that_is_cut_anywhere_is_refused(libver: str) -> None:
    for end in range(0, len(FILES[libver]), 7):
        assert spans_or_refusal(READER, FILES[libver][:end]) is None
        with pytest.raises(OSError):
            h5py.File(io.BytesIO(FILES[libver][:end]), "r")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (file_of(header(), size=TERABYTES), "cut"),
        (file_of(header(), base=8), "own content"),
        (file_of(header(), root=TERABYTES), "outside"),
        (file_of(header(), root=UNDEFINED), "no root group"),
        (file_of(header(), root=2000), "no object header"),
        (SIGNATURE + b"\x63" + bytes(100), "superblock"),
        (SIGNATURE + b"\2\7\7\0" + bytes(100), "lengths of 7"),
        (file_of(header(link("w", TERABYTES))), "outside"),
        (file_of(header(link("w", 2048)), dataset(TERABYTES)), "lies outside"),
        (file_of(header(link("w", 2048)), dataset(1030)), "own structures"),
        (file_of(header(link("w", 2048)), dataset(2050)), "own structures"),
        (file_of(header(link("w", 2048)), dataset(40)), "own structures"),
        (file_of(header(link("v", 2048), link("w", 3072)), dataset(512), dataset(520)), "overlaps"),
        (file_of(header(link("w", 2048), link("w", 3072)), dataset(512), dataset(600)), "two links"),
        (file_of(header(link("w", 2048)), dataset(512, (1,) * 65)), "shape"),
        (file_of(header(link("w", 2048)), dataset(512, (1 << 63,))), "shape"),
        (file_of(header(message(0x11, struct.pack("<2Q", 1024, 1024)))), "heap"),
        (file_of(header(message(0x10, struct.pack("<2Q", 1024, 100)))), "does not go on"),
        (file_of(header(message(0x10, struct.pack("<2Q", 1024, TERABYTES)))), "outside"),
        (file_of(b"OHDR\2\2\xff\xff\xff\x7f"), "outside"),
        (file_of(b"\1\0\xff\xff" + bytes(4) + b"\xff\xff\xff\x7f" + bytes(4)), "outside"),
        (file_of(header(message(6, b"\1\1\xff\xff"))), "cut"),
        (file_of(header(message(6, b"\1\1\2\0\xff\xfe" + bytes(8)))), "UTF-8"),
    ],
)
def test_lies_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        READER.spans(BytesSource(content))


@pytest.mark.parametrize(
    "lie", [dataset(512, (TERABYTES,)), dataset(512, (1 << 40,) * 60), dataset(512, size=TERABYTES), dataset(512, (3,))]
)
def test_a_dataset_that_is_not_what_it_says_stays_in_the_frame(lie: bytes) -> None:
    content = file_of(header(link("lie", 2048), link("w", 3072)), lie, dataset(600))
    assert names_of(READER.spans(BytesSource(content))) == ["w"]


def test_groups_that_hold_each_other_end() -> None:
    content = file_of(header(link("a", 2048)), header(link("b", 1024), link("w", 3072)), dataset(512))
    assert names_of(READER.spans(BytesSource(content))) == ["a.w"]


def test_groups_in_groups_take_time_by_their_number_and_end_at_the_length_of_a_way() -> None:
    deep = file_of(*[header(link("n" * 3, 1024 * (level + 2))) for level in range(3000)], dataset(512))
    assert [len(name) for name in names_of(READER.spans(BytesSource(deep)))] == [3000 * 4 - 1]
    longer = file_of(*[header(link("n" * 300, 1024 * (level + 2))) for level in range(300)], dataset(512))
    with pytest.raises(FormatError, match="characters long"):
        READER.spans(BytesSource(longer))


def test_blocks_that_overlap_are_not_read_again_and_again() -> None:
    """Each message sends the reader back to the block that it stands in."""
    block = b"OCHK" + message(0x10, struct.pack("<2Q", 2048, 1000)) * 40
    content = file_of(header(message(0x10, struct.pack("<2Q", 2048, 1000))), block.ljust(1024, b"\0"))
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(FormatError, match="overlap"):
        READER.spans(BytesSource(content))
    assert time.process_time() - began < 2
    assert tracemalloc.get_traced_memory()[1] < 1 << 21
    tracemalloc.stop()


def test_a_tree_whose_nodes_are_their_own_children_ends() -> None:
    node = b"TREE\0\1\x20\0" + bytes(16) + struct.pack("<2Q", 0, 2048) * 32
    heap = b"HEAP" + bytes(4) + struct.pack("<3Q", 8, 0, 512)
    content = file_of(header(message(0x11, struct.pack("<2Q", 2048, 3072))), node, heap)
    with pytest.raises(FormatError, match="overlap"):
        READER.spans(BytesSource(content))
