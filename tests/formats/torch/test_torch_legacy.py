"""Files of torch before 1.6, which torch still writes, against what torch loads."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from git_theta.errors import FormatError
from git_theta.formats.base import Format, Span
from git_theta.formats.torch.torch_legacy import LegacyTorchFormat
from git_theta.testing.formats import FormatLaws
from tests.formats.built_files import built, contents, parts_of, template
from tests.formats.sources import BytesSource, names_of, spans_or_refusal
from tests.formats.torch_files import filled, flattened, saved, storage_bytes, windows

# pickletools warns about odd escapes in text opcodes; a warning is no way to fail.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
READER = LegacyTorchFormat()
BASE = torch.arange(6.0)
STATE = collections.OrderedDict(w=torch.nn.Parameter(torch.ones(2, 3)), v=BASE[1:], t=BASE.reshape(2, 3).t(), n=3)


def legacy(value: object, protocol: int = 2) -> bytes:
    return saved(value, _use_new_zipfile_serialization=False, pickle_protocol=protocol)


def spans(data: bytes) -> list[Span]:
    return READER.spans(BytesSource(data))


def assert_faithful(data: bytes, tensors: Mapping[str, torch.Tensor]) -> None:
    found = spans(data)
    assert sorted(names_of(found)) == sorted(tensors)
    assert len(found) == len({tensor.untyped_storage()._cdata for tensor in tensors.values()})
    for name, (span, view) in windows(found).items():
        tensor = tensors[name]
        assert view.spec.dtype.torch == str(tensor.dtype).removeprefix("torch.")
        assert view.spec.shape == tuple(tensor.shape)
        assert data[span.offset : span.offset + span.size] == storage_bytes(tensor)
        assert view.stride == (None if tensor.is_contiguous() else tensor.stride())


class TestLegacyTorchFormat(FormatLaws):
    def make_format(self) -> Format:
        return READER

    def samples(self) -> Mapping[str, bytes]:
        return {
            "state.pt": legacy({"model": STATE, "epoch": 3}),
            "framed.pt": legacy({"w": torch.ones(3), "rng": np.arange(4)}, 4),
            "none.pt": legacy({"epoch": 3}),
        }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_names_windows_and_ties_are_those_of_torch(protocol: int) -> None:
    data = legacy({"model": STATE, "tied": STATE["w"], "list": [BASE]}, protocol)
    assert_faithful(data, flattened(torch.load(io.BytesIO(data), weights_only=False)))


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.int16, torch.int32, torch.int64,
        torch.uint8, torch.bool, torch.complex64, torch.complex128,
    ],
)  # fmt: skip
def test_every_dtype_with_a_storage_class(dtype: torch.dtype) -> None:
    assert_faithful(legacy({"w": filled(dtype, 3, 5)}), {"w": filled(dtype, 3, 5)})


def test_an_optimizer_and_a_tensor_without_elements() -> None:
    weights = torch.nn.Parameter(torch.ones(4))
    optimizer = torch.optim.Adam([weights])
    weights.grad = torch.ones(4)
    optimizer.step()
    data = legacy({"optimizer": optimizer.state_dict(), "none": torch.zeros(0, 3)})
    assert_faithful(data, flattened(torch.load(io.BytesIO(data), weights_only=True)))


def test_arrays_of_numpy_are_tensors_from_protocol_3_on() -> None:
    array = np.arange(1 << 15)
    data = legacy({"rng": array, "w": torch.ones(3)}, 4)
    found = {span.name: span for span in spans(data)}
    assert data[found["rng"].offset :][: found["rng"].size] == array.tobytes()


def test_other_values_make_a_file_that_torch_loads() -> None:
    data = legacy({"w": torch.zeros(2, 3), "step": 7})
    made = built(READER, parts_of(template(READER, data).spans, contents(READER, data)), data, {"w": bytes(range(24))})
    loaded = torch.load(io.BytesIO(made), weights_only=True)
    assert storage_bytes(loaded["w"]) == bytes(range(24))
    assert loaded["step"] == 7


def test_addresses_in_memory_are_no_news_and_values_are() -> None:
    first, second = legacy({"a": torch.ones(3), "b": torch.ones(5), "n": 1}), None
    kept = []
    while second is None or second == first:
        kept.append(torch.ones(3))
        second = legacy({"a": kept[-1], "b": torch.ones(5), "n": 1})
    assert READER.read_facts(template(READER, first)) == READER.read_facts(template(READER, second))
    other = READER.read_facts(template(READER, legacy({"a": torch.ones(3), "b": torch.ones(5), "n": 2})))
    assert {key for key, fact in READER.read_facts(template(READER, first)).items() if other[key] != fact} == {"n"}


def test_other_tensors_are_refused_with_the_reason() -> None:
    like = template(READER, legacy({"a": torch.ones(3), "b": torch.ones(5)}))
    with pytest.raises(FormatError, match="save them anew"):
        READER.build(parts_of(like.spans, {"a": b"", "b": b""})[1:], like)


def test_law_10_nothing_is_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (os.fspath(tmp_path / "ran"),)

    data = legacy({"w": torch.ones(3), "x": Evil()})
    assert names_of(spans(data)) == ["w"]
    assert not (tmp_path / "ran").exists()
    torch.load(io.BytesIO(data), weights_only=False)
    assert (tmp_path / "ran").exists(), "the attack itself must work, or this test proves nothing"


def dumped(value: object) -> bytes:
    return pickle.dumps(value, 2)


HEAD = dumped(0x1950A86A20F9469CFC6C) + dumped(1001) + dumped({"little_endian": True})


class Storages(pickle.Pickler):
    """Pickles tuples that begin with "storage" as ids of storages, as torch does."""

    def persistent_id(self, value: object) -> object:
        return value if isinstance(value, tuple) and value[:1] == ("storage",) else None


def handmade(*identities: tuple[object, ...], keys: object = None, tail: bytes = b"") -> bytes:
    """A file of storages that are saved by themselves."""
    buffer = io.BytesIO()
    Storages(buffer, 2).dump(list(identities))
    listed = [identity[2] for identity in identities] if keys is None else keys
    return HEAD + buffer.getvalue() + dumped(listed) + tail


def storage(key: object, elements: object, *view: object) -> tuple[object, ...]:
    return ("storage", torch.FloatStorage, key, "cpu", elements, *(view or (None,)))


def counted(elements: int, content: bytes) -> bytes:
    return struct.pack("<Q", elements) + content


GOOD = handmade(storage("7", 2), storage("8", 1), tail=counted(2, bytes(8)) + counted(1, bytes(4)))


def test_the_handmade_file_is_read_or_this_proves_nothing() -> None:
    assert [(span.name, span.size) for span in spans(GOOD)] == [("0", 8), ("1", 4)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (GOOD[:-1], "cut"),
        (GOOD + b"\0", "several in one"),
        (GOOD + GOOD, "several in one"),
        (handmade(storage("7", 2), tail=counted(3, bytes(8))), "another size"),
        (handmade(storage("7", 1 << 43), tail=counted(1 << 43, bytes(8))), "cut"),
        (handmade(storage("7", 1 << 62), tail=counted(1 << 62, bytes(8))), "cut|shape|size"),
        (handmade(storage("7", 2), storage("7", 3), tail=counted(2, bytes(8))), "each once"),
        (handmade(storage("7", 2), keys=["7", "9"], tail=counted(2, bytes(8)) * 2), "no size"),
        (handmade(storage("7", 2), keys=["7", "7"], tail=counted(2, bytes(8)) * 2), "each once"),
        (handmade(storage("7", 2), keys={"7": 1}, tail=counted(2, bytes(8))), "list"),
        (handmade(storage("7", 2), keys=[7], tail=counted(2, bytes(8))), "list"),
        (handmade(storage("7", 2, ("8", 1, 1)), tail=counted(2, bytes(8))), "no size"),
        (handmade(storage("7", -1), tail=counted(2, bytes(8))), "no size"),
        (GOOD.replace(dumped({"little_endian": True}), dumped({"little_endian": False})), "little-endian"),
        (GOOD.replace(dumped(1001), dumped(1002)), "does not begin"),
    ],
)
def test_lies_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        spans(content)


def test_a_file_that_is_cut_anywhere_is_refused() -> None:
    data = legacy({"model": STATE})
    for end in range(len(data)):
        assert spans_or_refusal(READER, data[:end]) is None
