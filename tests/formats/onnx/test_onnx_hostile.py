"""Models made to harm whoever reads them: the answer is a reason, in bounded time and memory."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from git_theta.errors import FormatError
from git_theta.formats.onnx.onnx_format import OnnxFormat
from git_theta.formats.onnx.protobuf_reader import ProtobufReader
from tests.formats.onnx.onnx_models import WEIGHTS, conditional, initializer, model
from tests.formats.sources import BytesSource, spans_or_refusal

READER = OnnxFormat()
TERABYTES = 1 << 43
SAMPLE = model([initializer("w", WEIGHTS), initializer("v", WEIGHTS)], [conditional()], epoch="3").SerializeToString()


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes, claimed: int | None = None) -> bytes:
    return varint(number << 3 | 2) + varint(len(content) if claimed is None else claimed) + content


def number(field_number: int, value: int) -> bytes:
    return varint(field_number << 3) + varint(value)


def tensor(*fields: bytes, name: str = "w", code: int = 1) -> bytes:
    return field(5, number(2, code) + field(8, name.encode()) + b"".join(fields))


def file_of(*graph: bytes) -> bytes:
    return number(1, 8) + field(7, b"".join(graph))


GOOD = tensor(number(1, 2), field(9, bytes(8)))


def test_the_handmade_file_is_read_or_this_proves_nothing() -> None:
    assert [span.name for span in READER.spans(BytesSource(file_of(GOOD)))] == ["w"]


@pytest.mark.parametrize("content", [file_of(GOOD), SAMPLE])
def test_a_file_that_is_cut_anywhere_is_read_or_refused(content: bytes) -> None:
    for end in range(len(content)):
        spans_or_refusal(READER, content[:end])
    for end in range(3, len(file_of(GOOD))):
        assert spans_or_refusal(READER, file_of(GOOD)[:end]) is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (number(1, 8) + field(7, GOOD, TERABYTES), "claims"),
        (file_of(field(5, b"", TERABYTES)), "claims"),
        (file_of(tensor(number(1, 2), field(9, b"", TERABYTES))), "claims"),
        (file_of(tensor(number(1, 2), field(9, bytes(8), 9))), "claims"),
        (file_of(tensor(number(1, (1 << 64) - 1), field(9, bytes(8)))), "shape"),
        (file_of(tensor(*[number(1, 1)] * 65, field(9, bytes(8)))), "64 dimensions"),
        (file_of(tensor(field(1, b"\1" * (1 << 16)), field(9, bytes(8)))), "64 dimensions"),
        (file_of(GOOD, GOOD), "that of another one"),
        (file_of(tensor(number(1, 2), field(9, bytes(8)), name="")), "no name"),
        (file_of(tensor(number(1, 2), field(9, bytes(8)), name="w" * 5000)), "is not read"),
        (file_of(field(5, field(8, b"\xff\xfe"))), "UTF-8"),
        (file_of(b"\x80" * 20), "cut off or too long"),
        (file_of(b"\x0b\x0c"), "unknown kind"),
        (file_of(b"\x00"), "no field"),
        (file_of(field(1, field(5, b"") * 10_001)), "attributes"),
    ],
)
def test_lies_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        READER.spans(BytesSource(content))


@pytest.mark.parametrize(
    "lie",
    [
        tensor(number(1, TERABYTES), field(9, bytes(8))),
        tensor(*[number(1, 1 << 31)] * 60, field(9, bytes(8))),
        tensor(number(1, 2), field(9, bytes(8)), field(9, bytes(8))),
        tensor(number(1, 2), field(4, bytes(4)), field(4, bytes(4))),
        tensor(number(1, 2), field(3, number(1, 0)), field(9, bytes(8))),
        tensor(number(1, 2), field(9, bytes(8)), code=99),
        tensor(number(1, 2), field(4, bytes(8)), code=7),
        tensor(number(1, 2), number(9, 1)),
    ],
)
def test_a_tensor_that_is_not_what_it_says_stays_in_the_frame(lie: bytes) -> None:
    good = tensor(number(1, 2), field(9, bytes(8)), name="good")
    assert [span.name for span in READER.spans(BytesSource(file_of(lie, good)))] == ["good"]


def nested(levels: int, name: str = "") -> bytes:
    content = GOOD
    for _ in range(levels):
        content = field(1, field(3, name.encode()) + field(5, field(1, b"g") + field(6, content)))
    return file_of(content)


def test_graphs_in_graphs_are_bounded() -> None:
    assert len(READER.spans(BytesSource(nested(30)))) == 1
    for deep in (nested(40), nested(2000)):
        with pytest.raises(FormatError, match="deep"):
            READER.spans(BytesSource(deep))
    with pytest.raises(FormatError, match="characters long"):
        READER.spans(BytesSource(nested(20, "n" * 4000)))


def test_what_was_claimed_takes_no_memory_and_many_small_fields_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("git_theta.formats.onnx.protobuf_reader._MAX_FIELDS", 100_000)
    content = file_of(b"\x10\x00" * (1 << 21))
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(FormatError, match="over 100000 fields"):
        READER.spans(BytesSource(content))
    assert tracemalloc.get_traced_memory()[1] < 1 << 21
    assert time.process_time() - began < 10
    tracemalloc.stop()


def test_numbers_of_any_length_are_bounded() -> None:
    with pytest.raises(FormatError):
        list(ProtobufReader(BytesSource(b"\xff" * 100)).read_fields(0, 100))
