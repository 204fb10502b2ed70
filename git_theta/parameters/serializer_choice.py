"""Which serializer suits the bytes of a part: found from a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from git_theta.serializers.base import SERIALIZERS
from git_theta.tensors.arrays import BLOCK, Buffer
from git_theta.tensors.values import Values
from git_theta.updates.base import Coder

WORTHWHILE_SHARE = 0.98
"""A serializer that keeps more than this share of a sample is not worth its time; raw is."""


_SAMPLES = 5
"""Blocks that are sampled: the first, the last, and those between them."""


_SAMPLE_SIZE = 32 << 10
"""Bytes of each that are tried: all five together take a fortieth of the time that a part of 16 MiB takes."""


class SerializerChoice(NamedTuple):
    """What suits the bytes of a part.

    Attributes:
        name: of the serializer.
        payload: what it made of them, where all were tried, and not a sample; else None.
    """

    name: str
    payload: Sequence[Buffer] | None = None


def choose_serializer(values: Values, dense: Coder) -> SerializerChoice:
    """The serializer that suits the bytes."""
    planes = SERIALIZERS.load_plugin("planes")
    sample = _sample_blocks(values)
    payload = list(planes.encode([dense.encode(0, block, b"") for block in sample], map))
    if sum(map(len, payload)) >= WORTHWHILE_SHARE * sum(map(len, sample)):
        return SerializerChoice("raw")
    return SerializerChoice(planes.name, payload if values.size <= BLOCK else None)


def _sample_blocks(values: Values) -> Sequence[Buffer]:
    """What stands for all blocks: the only one, or the starts of some from the first to the last."""
    total = -(-values.size // BLOCK)
    if total <= 1:
        return list(values.blocks())
    places = sorted({at * (total - 1) // (_SAMPLES - 1) for at in range(_SAMPLES)})
    return [memoryview(next(values.blocks(at)))[:_SAMPLE_SIZE] for at in places]
