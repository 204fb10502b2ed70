"""The msgpack serializer: the conformance kit, literal bytes, and blocks that are valid msgpack and no arrays."""

from __future__ import annotations

import io

import msgpack
import pytest

from git_theta.errors import CorruptObject
from git_theta.serializers.base import Payload, Serializer
from git_theta.serializers.msgpack import MsgpackSerializer
from git_theta.tensors.arrays import Array
from git_theta.testing.serializers import SerializerLaws


class TestMsgpack(SerializerLaws):
    def make_serializer(self) -> Serializer:
        return MsgpackSerializer()


def test_literal_bytes() -> None:
    payload = b"".join(MsgpackSerializer().encode([(Array(2, b"abcd"), Array(1, b""))], map))
    #                 length              [ [ 2  bin8 4  abcd ]  [ 1  bin8 0 ] ]
    assert payload == b"\x0d\0\0\0" + b"\x92\x92\x02\xc4\x04abcd\x92\x01\xc4\x00"


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        "text",
        [1, 2],
        [[1]],
        [[4, "text"]],
        [["4", b"data"]],
        [[4.0, b"data"]],
        [[True, b"data"]],
        [[0, b"data"]],
        [[-1, b"data"]],
        [[256, b"data"]],
        [[4, b"data", 1]],
        {4: b"data"},
        [[4, [b"data"]]],
        [[4, msgpack.ExtType(1, b"data")]],
        [[4, msgpack.Timestamp(1)]],
    ],
    ids=repr,
)
def test_msgpack_that_holds_no_arrays_is_corrupt(value: object) -> None:
    body = msgpack.packb(value)
    payload = len(body).to_bytes(4, "little") + body
    with pytest.raises(CorruptObject):
        list(MsgpackSerializer().decode(Payload(io.BytesIO(payload), len(payload)), map))


def test_deep_nesting_is_corrupt() -> None:
    body = b"\x91" * 100_000
    payload = len(body).to_bytes(4, "little") + body
    with pytest.raises(CorruptObject):
        list(MsgpackSerializer().decode(Payload(io.BytesIO(payload), len(payload)), map))
