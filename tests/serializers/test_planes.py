"""The planes serializer: the conformance kit, literal bytes, and blocks that lie."""

from __future__ import annotations

import io
import math
import struct
import sys
from collections.abc import Iterable

import pytest

from git_theta.errors import CorruptObject
from git_theta.serializers.base import Payload, Serializer
from git_theta.serializers.framing import MAX_STORED_BLOCK
from git_theta.serializers.planes import PlanesSerializer
from git_theta.serializers.zstd import compress
from git_theta.tensors.arrays import BLOCK, Array
from git_theta.testing.blocks import weight_bytes
from git_theta.testing.serializers import SerializerLaws

RAW = 1 << 31
ZEROS = compress(bytes(MAX_STORED_BLOCK))


def block(*arrays: tuple[int, int, list[tuple[int, bytes]]], count: int | None = None, after: bytes = b"") -> bytes:
    """A payload of one block: per array width, size, and for each plane the length as it is written, and bytes."""
    body = bytes([len(arrays) if count is None else count])
    for width, size, planes in arrays:
        body += struct.pack("<BI", width, size) + b"".join(struct.pack("<I", word) + data for word, data in planes)
    body += after
    return struct.pack("<I", len(body)) + body


class TestPlanes(SerializerLaws):
    def make_serializer(self) -> Serializer:
        return PlanesSerializer()

    def hostile_payloads(self) -> Iterable[bytes]:
        yield from super().hostile_payloads()
        yield block(*[(1, MAX_STORED_BLOCK, [(len(ZEROS), ZEROS)])] * 255)
        yield block((1, 0xFFFFFFFF, [(len(ZEROS), ZEROS)]))
        yield block((1, 8, [(len(ZEROS), ZEROS)]))


def decoded(payload: bytes) -> list[list[tuple[int, bytes]]]:
    blocks = PlanesSerializer().decode(Payload(io.BytesIO(payload), len(payload)), map)
    return [[(array.width, bytes(array.data)) for array in arrays] for arrays in blocks]


def test_literal_bytes() -> None:
    payload = b"".join(PlanesSerializer().encode([(Array(2, b"aAbBcC"),)], map))
    #                 length             arrays  width size        the low bytes        the high bytes
    assert payload == b"\x14\0\0\0" + b"\x01" + b"\x02\x06\0\0\0" + b"\x03\0\0\x80abc" + b"\x03\0\0\x80ABC"


def test_bytes_that_are_no_whole_numbers_are_one_plane() -> None:
    payload = b"".join(PlanesSerializer().encode([(Array(4, b"abcde"),)], map))
    assert payload == block((1, 5, [(5 | RAW, b"abcde")]))
    assert decoded(payload) == [[(1, b"abcde")]]


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_a_process_that_has_no_numpy_writes_the_same_and_reads_it(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    data = weight_bytes(BLOCK // 2)
    payload = b"".join(PlanesSerializer().encode([(Array(width, data),)], map))
    monkeypatch.setitem(sys.modules, "numpy", None)  # an import of it fails
    assert b"".join(PlanesSerializer().encode([(Array(width, data),)], map)) == payload
    assert decoded(payload) == [[(width, data)]]


def test_exponents_shrink_and_mantissas_stay_raw() -> None:
    data = weight_bytes(BLOCK)
    payload = b"".join(PlanesSerializer().encode([(Array(4, data),)], map))
    assert 0.75 * len(data) < len(payload) < 0.86 * len(data)


def windowed_waves(frequencies: int) -> bytes:
    """A Fourier transform's basis in fp32, as models of sound have it. Most of its waves come back later."""
    window = [0.5 - 0.5 * math.cos(math.pi * at / 128) for at in range(256)]
    waves = [window[at] * math.cos(math.pi * (row * at % 256) / 128) for row in range(frequencies) for at in range(256)]
    return struct.pack(f"<{len(waves)}f", *waves)


def test_what_repeats_from_afar_is_told_once() -> None:
    data = windowed_waves(258)
    near = sum(len(compress(data[significance::4])) for significance in range(4))
    payload = b"".join(PlanesSerializer().encode([(Array(4, data),)], map))
    assert len(payload) < near / 2
    assert decoded(payload) == [[(4, data)]]


def test_no_block_is_larger_because_another_repeats() -> None:
    waves, weights = windowed_waves(258), weight_bytes(BLOCK)
    apart = [b"".join(PlanesSerializer().encode([(Array(4, data),)], map)) for data in (waves, weights)]
    assert b"".join(PlanesSerializer().encode([(Array(4, waves),), (Array(4, weights),)], map)) == b"".join(apart)


def test_any_width_is_read() -> None:
    planes = [(2 | RAW, bytes([65 + number, 97 + number])) for number in range(3)]
    assert decoded(block((3, 6, planes))) == [[(3, b"ABCabc")]]


def test_a_compressed_plane_is_read() -> None:
    packed = compress(bytes(100))
    assert decoded(block((2, 200, [(len(packed), packed), (100 | RAW, b"\1" * 100)]))) == [[(2, b"\0\1" * 100)]]


@pytest.mark.parametrize(
    "payload",
    [
        struct.pack("<I", 0),
        block(count=1),
        block((1, 4, [(4 | RAW, b"abcd")]), count=2),
        block((1, 4, [(4 | RAW, b"abcd")]), after=b"\0"),
        block((0, 0, [])),
        block((1, 5, [(4 | RAW, b"abcd")])),
        block((1, 3, [(4 | RAW, b"abcd")])),
        block((1, 4, [(5 | RAW, b"abcd")])),
        block((2, 5, [(2 | RAW, b"ab"), (2 | RAW, b"cd")])),
        block((2, 4, [(2 | RAW, b"ab"), (1 | RAW, b"c")])),
        block((1, 4, [(4, b"abcd")])),
        block((1, 99, [(len(compress(bytes(100))), compress(bytes(100)))])),
        block((1, 101, [(len(compress(bytes(100))), compress(bytes(100)))])),
        block((1, 100, [(len(compress(bytes(100))) + 1, compress(bytes(100)) + b"\0")])),
        block((1, MAX_STORED_BLOCK + 1, [(len(ZEROS), ZEROS)])),
        block(*[(1, MAX_STORED_BLOCK, [(len(ZEROS), ZEROS)])] * 2),
    ],
    ids=range(16),
)
def test_a_block_that_lies_is_corrupt(payload: bytes) -> None:
    with pytest.raises(CorruptObject):
        decoded(payload)


def test_a_frame_that_wants_much_memory_is_corrupt() -> None:
    #        magic                window descriptor: 128 MiB   an empty last block, raw
    frame = b"\x28\xb5\x2f\xfd" + b"\x00" + bytes([17 << 3]) + b"\x01\0\0"
    with pytest.raises(CorruptObject, match="memory"):
        decoded(block((1, 0, [(len(frame), frame)])))
