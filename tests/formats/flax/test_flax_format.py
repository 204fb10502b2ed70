"""Flax's files: one that Flax wrote, and such as it would write; and those that mean harm."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Mapping

import msgpack
import numpy as np
import pytest

from git_theta.errors import FormatError
from git_theta.formats.base import Format, Span
from git_theta.formats.flax.flax_format import FlaxFormat
from git_theta.testing.format_hooks import MemorySource
from git_theta.testing.formats import FormatLaws
from tests.formats.built_files import built, contents, parts_of, template
from tests.formats.flax.flax_files import CONTENT, FLAX, restored, serialized
from tests.formats.sources import BytesSource, names_of

READER = FlaxFormat()
WEIGHTS = np.arange(12, dtype="<f4").reshape(3, 4)


def spans(content: bytes) -> dict[str, Span]:
    return {span.name: span for span in READER.spans(BytesSource(content))}


class TestFlaxFormat(FormatLaws):
    def make_format(self) -> Format:
        return READER

    def samples(self) -> Mapping[str, bytes]:
        return {
            "flax.msgpack": FLAX.read_bytes(),
            "one.msgpack": serialized({"w": WEIGHTS, "step": 300}),
            "none.msgpack": serialized({"step": 1}),
        }


def test_what_flax_wrote_is_found_with_its_values() -> None:
    content = FLAX.read_bytes()
    found = spans(content)
    assert found.keys() == CONTENT.keys()
    for name, array in CONTENT.items():
        assert content[found[name].offset :][: found[name].size] == array.tobytes(), name
        assert found[name].spec.shape == array.shape
        assert found[name].spec.dtype.torch == array.dtype.name
    assert serialized(restored(content)) == content, "or our writer is not Flax's"


def test_what_is_no_array_is_told_by_key() -> None:
    facts = READER.read_facts(template(READER, FLAX.read_bytes()))
    assert {key: fact.text for key, fact in facts.items()} == {
        "step": "3", "name": "'run'", "lr": "0.001", "done": "True", "opt_state.0.mu.1": "None", "opt_state.1": "{}",
    }  # fmt: skip
    assert all(fact.plain for fact in facts.values())


def test_other_values_make_a_file_that_is_restored() -> None:
    content = serialized({"a": {"w": WEIGHTS}, "step": 7})
    values = {"a.w": (WEIGHTS + 1).tobytes()}
    assert contents(READER, content).keys() == values.keys()
    made = restored(built(READER, parts_of(template(READER, content).spans, values), content, values))
    assert made["step"] == 7
    assert np.array_equal(made["a"]["w"], WEIGHTS + 1)


@pytest.mark.parametrize(
    "value", [np.array(["cat"]), np.zeros(2, [("x", "f4")]), np.longdouble(1) * np.ones(2), b"bytes", 1 + 2j]
)
def test_what_is_no_number_stays_in_the_frame_and_is_no_plain_value(value: object) -> None:
    value = msgpack.ExtType(2, msgpack.packb((1.0, 2.0))) if isinstance(value, complex) else value
    content = serialized({"x": value, "w": WEIGHTS})
    assert list(spans(content)) == ["w"]
    assert not READER.read_facts(template(READER, content))["x"].plain


def test_arrays_that_flax_cut_are_its_parts() -> None:
    chunked = {"__msgpack_chunked_array__": True, "shape": {"0": 3, "1": 4}, "chunks": {"0": WEIGHTS.ravel()}}
    assert list(spans(serialized({"w": chunked}))) == ["w.chunks.0"]


def test_arrays_are_passed_by() -> None:
    source = MemorySource(serialized({"w": np.zeros(1 << 20, "f4"), "b": np.ones(3)}))
    assert names_of(READER.spans(source)) == ["w", "b"]
    assert sum(end - start for start, end in source.reads) < 1 << 15


def test_it_has_to_be_called_so() -> None:
    content = FLAX.read_bytes()
    assert READER.matches(content, "flax_model.msgpack")
    assert not READER.matches(content, "model.bin")
    assert not READER.matches(msgpack.packb([1]), "list.msgpack")


def test_other_arrays_are_refused() -> None:
    like = template(READER, FLAX.read_bytes())
    with pytest.raises(FormatError, match="other arrays"):
        READER.build(parts_of(like.spans, dict.fromkeys((span.name for span in like.spans), b""))[1:], like)


def extension(*parts: object, data: bytes | None = None) -> bytes:
    packed = msgpack.packb(parts) if data is None else data
    return b"\x81\xa1w" + bytes(msgpack.packb(msgpack.ExtType(1, packed)))


TERABYTES = (1 << 43).to_bytes(8, "big")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (FLAX.read_bytes()[:-1], "claims|missing|ends"),
        (FLAX.read_bytes() + b"\0", "several in one"),
        (b"\xdf\xff\xff\xff\xff", "missing"),
        (b"\x81\xa1w\xc9\xff\xff\xff\xff\1", "claims"),
        (b"\x81\xa1w\xc6\xff\xff\xff\xff", "claims"),
        (b"\x81\xdb\xff\xff\xff\xff", "claims"),
        (b"\x81\x01\x01", "no text"),
        (b"\x81\xa2\xff\xfe\x01", "UTF-8"),
        (b"\x81\xa1w\xc1", "no value"),
        (serialized({"k" * 5000: WEIGHTS}), "too long"),
        (extension([2], "float32"), "has not shape"),
        (extension([2], "float32", "text"), "does not end"),
        (extension([2], "float32", b"12345678", b""), "has not shape"),
        (extension([-1], "float32", b""), "natural"),
        (extension(["2"], "float32", b""), "natural"),
        (extension([1] * 65, "float32", b"1234"), "64"),
        (extension([2], "f" * 5000, b"12345678"), "too long"),
        (extension(data=b"\x93\xdd\xff\xff\xff\xff"), "64"),
        (extension(data=b"\x93\x91\xcf" + TERABYTES + b"\xa7float32\xc6\x7f\xff\xff\xff"), "claims"),
    ],
)
def test_lies_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        READER.spans(BytesSource(content))


def test_a_key_twice_is_two_tensors() -> None:
    assert list(spans(b"\x82" + serialized({"w": WEIGHTS})[1:] * 2)) == ["w", "w~2"]


@pytest.mark.parametrize("shape", [[3], [1 << 43], [1 << 40] * 60])
def test_an_array_that_is_not_what_it_says_stays_in_the_frame(shape: list[int]) -> None:
    assert spans(extension(shape, "float32", b"12345678")) == {}


def test_nesting_is_bounded() -> None:
    assert len(spans(b"\x81\xa1a" * 400 + extension([2], "float32", b"12345678"))) == 1
    for deep in (b"\x81\xa1a" * 600 + b"\1", b"\x81\xa1a" + b"\x91" * 100_000 + b"\1"):
        with pytest.raises(FormatError, match="deep"):
            READER.spans(BytesSource(deep))
    with pytest.raises(FormatError, match="characters long"):
        READER.spans(BytesSource((b"\x81\xda\x0f\xff" + b"a" * 4095) * 5 + b"\1"))


def test_many_values_take_bounded_time_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("git_theta.formats.flax.flax_reader._MAX_ITEMS", 100_000)
    content = b"\x81\xa1w\xdd\x7f\xff\xff\xff" + b"\1" * (1 << 22)
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(FormatError, match="over 100000 values"):
        READER.spans(BytesSource(content))
    assert time.process_time() - began < 10
    assert tracemalloc.get_traced_memory()[1] < 1 << 21
    tracemalloc.stop()
