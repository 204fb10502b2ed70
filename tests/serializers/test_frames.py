"""The frames serializer: the conformance kit, literal bytes, short blocks, and blocks that lie."""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Iterable

import pytest

from git_theta.errors import CorruptObject
from git_theta.serializers.base import Payload, Serializer
from git_theta.serializers.frames import PIECE, FramesSerializer
from git_theta.serializers.framing import MAX_STORED_BLOCK
from git_theta.serializers.planes import PlanesSerializer
from git_theta.serializers.zstd import compress
from git_theta.tensors.arrays import BLOCK, Array, Arrays
from git_theta.testing.blocks import noise_bytes, weight_bytes
from git_theta.testing.serializers import SerializerLaws

ZEROS = compress(bytes(MAX_STORED_BLOCK))[4:]
HUNDRED = compress(bytes(100))[4:]


def count(number: int) -> bytes:
    """As the specification has counts."""
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + count(number // 128)


def block(*arrays: tuple[int, int, list[bytes]], number: int | None = None, after: bytes = b"") -> bytes:
    """A payload of one block: per array width, size, and for each plane its count and bytes."""
    body = bytes([len(arrays) if number is None else number])
    for width, size, planes in arrays:
        body += bytes([width]) + count(size) + b"".join(planes)
    body += after
    return struct.pack("<I", len(body)) + body


def frame(stored: bytes) -> bytes:
    return count(len(stored)) + stored


class TestFrames(SerializerLaws):
    def make_serializer(self) -> Serializer:
        return FramesSerializer()

    def hostile_payloads(self) -> Iterable[bytes]:
        yield from super().hostile_payloads()
        yield block(*[(1, MAX_STORED_BLOCK, [frame(ZEROS)])] * 255)
        yield block((1, (1 << 28) - 1, [frame(ZEROS)]))
        yield block((1, 8, [frame(ZEROS)]))


def encoded(*blocks: Arrays) -> bytes:
    return b"".join(FramesSerializer().encode(blocks, map))


def decoded(payload: bytes) -> list[list[tuple[int, bytes]]]:
    blocks = FramesSerializer().decode(Payload(io.BytesIO(payload), len(payload)), map)
    return [[(array.width, bytes(array.data)) for array in arrays] for arrays in blocks]


def test_literal_bytes() -> None:
    #                                                    length     arrays  width size   raw: low bytes, high bytes
    assert encoded((Array(2, b"aAbBcC"), Array(1, b""))) == b"\x0d\0\0\0\x02" + b"\x02\x06" + b"\0abc\0ABC" + b"\x01\0"


def test_a_frame_lacks_its_first_four_bytes() -> None:
    assert decoded(block((1, 100, [frame(HUNDRED)]))) == [[(1, bytes(100))]]
    assert len(encoded((Array(1, bytes(100)),))) == 4 + 1 + 2 + 1 + len(HUNDRED)


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_a_process_that_has_no_numpy_writes_the_same_and_reads_it(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    data = weight_bytes(BLOCK // 2)
    payload = encoded((Array(width, data),))
    monkeypatch.setitem(sys.modules, "numpy", None)  # an import of it fails
    assert encoded((Array(width, data),)) == payload
    assert decoded(payload) == [[(width, data)]]


def test_each_piece_has_a_code_of_its_own() -> None:
    """Bytes of eight values, others in every piece: three bits each, where one code for all takes six."""
    data = b"".join(
        bytes(8 * piece + value % 8 for value in noise_bytes(PIECE, piece)) for piece in range(BLOCK // 8 // PIECE)
    )
    assert len(encoded((Array(1, data),))) < 0.39 * len(data)
    assert len(b"".join(PlanesSerializer().encode([(Array(1, data),)], map))) > 0.7 * len(data)
    assert decoded(encoded((Array(1, data),))) == [[(1, data)]]


def test_zeros_after_noise_shrink() -> None:
    noise = noise_bytes(4 * PIECE)
    for data in (noise + bytes(4 * PIECE), bytes(4 * PIECE) + noise, noise + bytes(8 * PIECE) + noise):
        assert len(encoded((Array(1, data),))) < 0.7 * len(data)


def test_dense_blocks_take_hardly_more_than_in_planes() -> None:
    data = weight_bytes(BLOCK)
    planes = b"".join(PlanesSerializer().encode([(Array(4, data),)], map))
    assert len(encoded((Array(4, data),))) < 1.005 * len(planes)


def test_any_width_is_read() -> None:
    planes = [b"\0" + bytes([65 + number, 97 + number]) for number in range(3)]
    assert decoded(block((3, 6, planes))) == [[(3, b"ABCabc")]]


@pytest.mark.parametrize(
    "payload",
    [
        struct.pack("<I", 0),
        block(number=1),
        block((1, 4, [b"\0abcd"]), number=2),
        block((1, 4, [b"\0abcd"]), after=b"\0"),
        block((0, 0, [])),
        block((0, 4, [])),
        block((1, 5, [b"\0abcd"])),
        block((1, 3, [b"\0abcd"])),
        block((2, 5, [b"\0ab", b"\0cd"])),
        block((2, 4, [b"\0ab", b"\0c"])),
        block((1, 4, [b"\4abcd"])),
        block((1, 99, [frame(HUNDRED)])),
        block((1, 101, [frame(HUNDRED)])),
        block((1, 100, [frame(HUNDRED + b"\0")])),
        block((1, 100, [frame(b"\x28\xb5\x2f\xfd" + HUNDRED)])),
        block((1, MAX_STORED_BLOCK + 1, [frame(ZEROS)])),
        block(*[(1, MAX_STORED_BLOCK, [frame(ZEROS)])] * 2),
        struct.pack("<I", 7) + b"\x01\x01\xff\xff\xff\xff\x00",
    ],
    ids=range(18),
)
def test_a_block_that_lies_is_corrupt(payload: bytes) -> None:
    with pytest.raises(CorruptObject):
        decoded(payload)
