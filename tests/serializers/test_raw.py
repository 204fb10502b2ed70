"""The raw serializer runs the conformance kit; its payload is the values themselves."""

from __future__ import annotations

from git_theta.serializers.base import Serializer
from git_theta.serializers.raw import RawSerializer
from git_theta.tensors.arrays import Array
from git_theta.testing.serializers import SerializerLaws


class TestRaw(SerializerLaws):
    def make_serializer(self) -> Serializer:
        return RawSerializer()


def test_the_payload_is_the_values() -> None:
    blocks = [(Array(4, b"abcd"),), (Array(4, b"efgh"),)]
    assert b"".join(RawSerializer().encode(blocks, map)) == b"abcdefgh"
