"""The kit for serializers catches wrong ones."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator

import pytest

from git_theta.serializers.base import Payload, Serializer
from git_theta.tensors.arrays import BLOCK, Array, Arrays, Buffer, Parallel
from git_theta.testing.serializers import SerializerLaws


class _GzipSerializer(Serializer):
    """Blocks of one array, each as gzip has it, which writes the second into its header."""

    name = "gzip"
    takes_any_arrays = False

    def encode(self, blocks: Iterable[Arrays], parallel: Parallel) -> Iterator[Buffer]:
        for packed in parallel(lambda arrays: gzip.compress(arrays[0].data, 1), blocks):
            yield len(packed).to_bytes(4, "little") + packed

    def decode(self, payload: Payload, parallel: Parallel) -> Iterator[Arrays]:
        while payload.left:
            yield (Array(1, gzip.decompress(payload.read_exactly(int.from_bytes(payload.read_exactly(4), "little")))),)


class _HoldingEncoder(_GzipSerializer):
    """Reads all blocks before it encodes the first one."""

    def encode(self, blocks: Iterable[Arrays], parallel: Parallel) -> Iterator[Buffer]:
        return super().encode(list(blocks), parallel)


class _HoldingDecoder(_GzipSerializer):
    """Decodes all blocks before it gives the first one."""

    def decode(self, payload: Payload, parallel: Parallel) -> Iterator[Arrays]:
        return iter(list(super().decode(payload, parallel)))


def laws_of(serializer: Serializer) -> SerializerLaws:
    class Laws(SerializerLaws):
        def make_serializer(self) -> Serializer:
            return serializer

    return Laws()


def test_a_serializer_of_one_array_is_lossless() -> None:
    laws_of(_GzipSerializer()).test_lossless_for_every_width_and_length(4, BLOCK)
    laws_of(_GzipSerializer()).test_l6_a_long_tensor_is_never_held()


def test_a_serializer_that_writes_the_time_is_caught() -> None:
    with pytest.raises(AssertionError):
        laws_of(_GzipSerializer()).test_deterministic_on_any_day()


@pytest.mark.parametrize("serializer", [_HoldingEncoder(), _HoldingDecoder()], ids=["encoder", "decoder"])
def test_a_serializer_that_holds_the_tensor_is_caught(serializer: Serializer) -> None:
    with pytest.raises(AssertionError):
        laws_of(serializer).test_l6_a_long_tensor_is_never_held()
