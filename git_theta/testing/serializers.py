"""The laws of ``git_theta.serializers.base``."""

from __future__ import annotations

import io
import tracemalloc
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from git_theta.errors import CorruptObject
from git_theta.serializers.base import Payload, Serializer
from git_theta.serializers.framing import MAX_STORED_BLOCK
from git_theta.tensors.arrays import BLOCK, Array, Arrays, Parallel
from git_theta.testing.blocks import (
    LENGTHS,
    WIDTHS,
    another_day,
    damage_payload,
    noise_bytes,
    sample_blocks,
    threaded_map,
    weight_bytes,
)

_LONG = 48
"""Blocks of a tensor that is too long to be held."""
_OVERHEAD = 4 * MAX_STORED_BLOCK
"""Bytes that decoding one block may take: the stored block, its arrays, and what joins them."""


class SerializerLaws(ABC):
    """Derive, and name the serializer."""

    @abstractmethod
    def make_serializer(self) -> Serializer:
        """The serializer under test."""

    @pytest.mark.parametrize("length", LENGTHS)
    @pytest.mark.parametrize("width", WIDTHS)
    def test_lossless_for_every_width_and_length(self, width: int, length: int) -> None:
        for data in sample_blocks(length, width):
            assert self._decode_bytes(self._encode([(Array(width, data),)])) == data

    def test_lossless_for_blocks_in_a_row(self) -> None:
        data = weight_bytes(3 * BLOCK + 4)
        assert self._decode_bytes(self._encode(_blocks_of(data))) == data

    def test_lossless_for_any_buffer(self) -> None:
        data = weight_bytes(4096)
        for buffer in (bytearray(data), memoryview(data), memoryview(bytes(8) + data)[8:]):
            assert self._decode_bytes(self._encode([(Array(4, buffer),)])) == data

    def test_lossless_for_several_arrays(self) -> None:
        if not self.make_serializer().takes_any_arrays:
            pytest.skip("blocks of one array only")
        blocks: list[Arrays] = [
            (Array(1, noise_bytes(33)), Array(4, weight_bytes(4000)), Array(2, b"")),
            (),
            tuple(Array(width, bytes(8 * width)) for width in WIDTHS),
        ]
        assert [_bytes_of(block) for block in self._decode(self._encode(blocks))] == [
            _bytes_of(block) for block in blocks
        ]

    def test_nothing_is_nothing(self) -> None:
        assert self._decode(self._encode([])) == []

    @pytest.mark.parametrize("threads", [1, 2, 7])
    def test_deterministic_on_any_number_of_threads(self, threads: int) -> None:
        data = weight_bytes(5 * BLOCK + 12)
        parallel = threaded_map(threads)
        payload = self._encode(_blocks_of(data), parallel)
        assert payload == self._encode(_blocks_of(data))
        assert self._decode_bytes(payload, parallel) == data

    def test_deterministic_on_any_day(self) -> None:
        data = weight_bytes(BLOCK + 12)
        payload = self._encode(_blocks_of(data))
        with another_day():
            assert self._encode(_blocks_of(data)) == payload

    def test_l6_a_long_tensor_is_never_held(self) -> None:
        held = _LONG * BLOCK // 2
        with self._limit_memory(held):
            for _ in self.make_serializer().encode(((Array(4, noise_bytes(BLOCK, at)),) for at in range(_LONG)), map):
                pass
        payload = self._encode([(Array(4, noise_bytes(BLOCK)),)] * _LONG)
        with self._limit_memory(held):
            self._decode_or_corrupt(payload)

    def test_reads_no_byte_beyond_its_payload(self) -> None:
        payload = self._encode(_blocks_of(weight_bytes(BLOCK + 40)))
        file = io.BytesIO(payload + b"the next one in the bundle")
        list(self.make_serializer().decode(Payload(file, len(payload)), map))
        assert file.read() == b"the next one in the bundle"

    def test_a_damaged_payload_is_corrupt_or_other_values_and_nothing_else(self) -> None:
        """Whether the values are the right ones is for the reader to say, who knows their hash."""
        for original in (self._encode(_blocks_of(weight_bytes(4000))), self._encode([(Array(8, bytes(800)),)])):
            for payload in damage_payload(original):
                self._decode_or_corrupt(payload)

    def test_a_payload_shorter_than_it_should_be_is_corrupt(self) -> None:
        payload = self._encode(_blocks_of(weight_bytes(BLOCK + 4000)))
        for cut in (0, 1, len(payload) // 2, len(payload) - 1):
            with pytest.raises(CorruptObject):
                list(self.make_serializer().decode(Payload(io.BytesIO(payload[:cut]), len(payload)), map))

    def test_noise_and_claims_of_huge_sizes_stay_in_bounded_memory(self) -> None:
        for payload in self.hostile_payloads():
            with self._limit_memory(len(payload) + _OVERHEAD):
                self._decode_or_corrupt(payload)

    def hostile_payloads(self) -> Iterable[bytes]:
        """Payloads that lie about their sizes; add those that your layout invites."""
        yield b"\xff" * 40
        yield (MAX_STORED_BLOCK + 1).to_bytes(4, "little") + bytes(40)
        yield from (noise_bytes(200, seed) for seed in range(100))
        for size in (1, 5, 100):
            yield from (size.to_bytes(4, "little") + noise_bytes(size, seed) for seed in range(100))
            yield size.to_bytes(4, "little") + b"\xff" * size

    @contextmanager
    def _limit_memory(self, size: int) -> Iterator[None]:
        """A block that takes fewer bytes of memory."""
        tracemalloc.start()
        try:
            yield
            assert tracemalloc.get_traced_memory()[1] < size
        finally:
            tracemalloc.stop()

    def _encode(self, blocks: Iterable[Arrays], parallel: Parallel = map) -> bytes:
        return b"".join(self.make_serializer().encode(blocks, parallel))

    def _decode(self, payload: bytes, parallel: Parallel = map) -> list[Arrays]:
        return list(self.make_serializer().decode(Payload(io.BytesIO(payload), len(payload)), parallel))

    def _decode_bytes(self, payload: bytes, parallel: Parallel = map) -> bytes:
        return b"".join(bytes(array.data) for block in self._decode(payload, parallel) for array in block)

    def _decode_or_corrupt(self, payload: bytes) -> None:
        """Decode block by block, keeping none, as a reader does."""
        try:
            for _ in self.make_serializer().decode(Payload(io.BytesIO(payload), len(payload)), map):
                pass
        except CorruptObject:
            pass


def _blocks_of(data: bytes) -> list[Arrays]:
    return [(Array(4, data[start : start + BLOCK]),) for start in range(0, len(data), BLOCK)]


def _bytes_of(block: Arrays) -> list[bytes]:
    return [bytes(array.data) for array in block]
