"""ONNX models, written by the onnx package, and their values as that package loads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from git_theta.errors import FormatError
from git_theta.formats.base import Format, Span
from git_theta.formats.detect import OPAQUE, detect_format
from git_theta.formats.onnx.onnx_format import OnnxFormat
from git_theta.testing.format_hooks import MemorySource
from git_theta.testing.formats import FormatLaws
from tests.formats.built_files import parts_of, template
from tests.formats.onnx.onnx_models import (
    ARRAYS,
    LARGE,
    WEIGHTS,
    conditional,
    constant,
    initializer,
    model,
    typed,
)
from tests.formats.sources import BytesSource

READER = OnnxFormat()


def spans(content: bytes) -> dict[str, Span]:
    return {span.name: span for span in READER.spans(BytesSource(content))}


def sparse(name: str) -> onnx.SparseTensorProto:
    return helper.make_sparse_tensor(
        initializer(name, np.array([1, 2], "f4")), initializer("", np.array([3, 7], "i8")), [10]
    )


def nested() -> onnx.ModelProto:
    """Weights wherever a model can have them."""
    made = model([initializer("w", WEIGHTS)], [conditional(), constant("k", LARGE), constant("axis", np.array([1]))])
    made.graph.sparse_initializer.append(sparse("s"))
    made.functions.append(helper.make_function("d", "Scale", [], ["y"], [constant("f", LARGE * 3)], []))
    made.training_info.add().algorithm.CopyFrom(helper.make_graph([], "t", [], [], [initializer("lr", WEIGHTS * 9)]))
    return made


class TestOnnxFormat(FormatLaws):
    def make_format(self) -> Format:
        return READER

    def samples(self) -> Mapping[str, bytes]:
        made = {
            "weights.onnx": model([initializer("w", WEIGHTS), initializer("b", np.zeros(0, "f4"))], epoch="3"),
            "nested.onnx": nested(),
            "typed.onnx": model([typed("w", TensorProto.FLOAT, [2], [1, 2]), typed("i", TensorProto.INT64, [1], [7])]),
            "said.onnx": model([initializer("w", WEIGHTS)], epoch="4", run="a"),
        }
        return {path: one.SerializeToString() for path, one in made.items()}


@pytest.mark.parametrize("kind", ARRAYS)
def test_every_type_is_as_onnx_loads_it(kind: str) -> None:
    content = model([initializer("w", ARRAYS[kind])]).SerializeToString()
    loaded = onnx.load_model_from_string(content).graph.initializer[0]
    span = spans(content)["w"]
    assert content[span.offset : span.offset + span.size] == loaded.raw_data
    assert span.spec.shape == tuple(loaded.dims)
    array = numpy_helper.to_array(loaded)
    if span.spec.dtype.bits >= 8:
        assert content[span.offset :][: span.size] == array.tobytes()
    else:
        codes = [int(code) & 15 for code in array.view("u1").ravel()]
        pairs = zip(codes[::2], [*codes[1::2], 0], strict=False)
        assert content[span.offset :][: span.size] == bytes([low | high << 4 for low, high in pairs])
    assert array.dtype.itemsize * 8 in (span.spec.dtype.bits, 8)


def test_the_dtypes_are_those_that_onnx_names() -> None:
    names = {kind: spans(model([initializer("w", array)]).SerializeToString())["w"] for kind, array in ARRAYS.items()}
    assert {kind: span.spec.dtype.name for kind, span in names.items()} == {
        "f4": "F32", "f8": "F64", "f2": "F16", "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64", "u1": "U8",
        "u2": "U16", "u4": "U32", "u8": "U64", "bool": "BOOL", "c8": "C64", "c16": "C128", "bf16": "BF16",
        "e4m3": "F8_E4M3", "e5m2": "F8_E5M2", "e4m3fnuz": "F8_E4M3FNUZ", "e5m2fnuz": "F8_E5M2FNUZ", "int4": "INT4",
        "uint4": "UINT4", "f4e2m1": "F4", "scalar": "F32",
    }  # fmt: skip


def test_tensors_are_found_wherever_a_model_has_them() -> None:
    content = nested().SerializeToString()
    found = spans(content)
    assert set(found) == {
        "w", "choose.then_branch.w", "choose.else_branch.w", "k.value", "s.values", "s.indices", "Scale.f.value",
        "training.0.algorithm.lr",
    }  # fmt: skip
    for name, array in (("choose.else_branch.w", LARGE * 2), ("k.value", LARGE), ("Scale.f.value", LARGE * 3)):
        assert content[found[name].offset :][: found[name].size] == array.tobytes(), name


@pytest.mark.parametrize(
    ("code", "dtype", "values"),
    [
        (TensorProto.FLOAT, "<f4", [1.5, -2.0]),
        (TensorProto.DOUBLE, "<f8", [1.5, -2.0]),
        (TensorProto.COMPLEX64, "<c8", [1 + 2j, 3j]),
        (TensorProto.COMPLEX128, "<c16", [1 + 2j, 3j]),
    ],
)
def test_typed_numbers_that_are_as_in_memory_are_tensors(code: int, dtype: str, values: list[float]) -> None:
    content = model([typed("w", code, [2], values)]).SerializeToString()
    span = spans(content)["w"]
    loaded = numpy_helper.to_array(onnx.load_model_from_string(content).graph.initializer[0])
    assert content[span.offset :][: span.size] == loaded.tobytes() == np.array(values, dtype).tobytes()


@pytest.mark.parametrize(
    "code", [TensorProto.INT32, TensorProto.INT64, TensorProto.UINT64, TensorProto.FLOAT16, TensorProto.BOOL]
)
def test_numbers_that_are_spelled_one_by_one_stay_in_the_frame_and_are_told_of(code: int) -> None:
    content = model([typed("i", code, [2], [1, 0])]).SerializeToString()
    assert spans(content) == {}
    fact = READER.read_facts(template(READER, content))["tensor i"]
    assert (fact.text, fact.plain) == ("spelled number by number", False)


def test_texts_stay_in_the_frame() -> None:
    content = model([typed("t", TensorProto.STRING, [1], [b"cat"]), initializer("w", WEIGHTS)]).SerializeToString()
    assert list(spans(content)) == ["w"]


def test_tensors_beside_the_model_are_not_in_it(tmp_path: Path) -> None:
    made = model([initializer("w", LARGE), initializer("v", LARGE), initializer("b", np.ones(2, "f4"))])
    onnx.save(made, tmp_path / "m.onnx", save_as_external_data=True, location="m.onnx.data", size_threshold=100)
    content = (tmp_path / "m.onnx").read_bytes()
    assert list(spans(content)) == ["b"]
    facts = READER.read_facts(template(READER, content))
    assert facts["file m.onnx.data"].text == "2 tensors are in m.onnx.data"
    beside = (tmp_path / "m.onnx.data").read_bytes()
    assert detect_format(BytesSource(beside), beside, "m.onnx.data").format == OPAQUE


def test_a_model_is_known_by_its_content_and_others_are_left_alone() -> None:
    content = model([initializer("w", WEIGHTS)], key="value").SerializeToString()
    assert detect_format(BytesSource(content), content, "model.bin").format == "onnx"
    assert READER.matches(b"\x08\x09:\xff", "cut.onnx")
    for other in (
        b"\x08\x01",
        b"\x08\x01\x12\x04abcd",
        b"\x08\x00:\x01\x00",
        b"\x0a" + content,
        content[2:],
        b"\x08\xff",
    ):
        assert not READER.matches(other, "model.bin")


def test_tensors_are_passed_by() -> None:
    source = MemorySource(model([initializer("w", np.zeros(1 << 20, "f4"))]).SerializeToString())
    READER.spans(source)
    assert sum(end - start for start, end in source.reads) < 1 << 17


def test_metadata_of_another_model_can_be_taken_over() -> None:
    ours, theirs = (
        model([initializer("w", WEIGHTS * scale)], None, **said).SerializeToString()
        for scale, said in ((1, {"epoch": "1", "gone": "x"}), (2, {"epoch": "2", "new": "y"}))
    )
    like, other = template(READER, ours), template(READER, theirs)
    keys = ["metadata.epoch", "metadata.gone", "metadata.new"]
    made = READER.take_facts(like, dict.fromkeys(keys, other))
    file = b"".join(run + tensor for run, tensor in zip(made.runs, [WEIGHTS.tobytes(), b""], strict=True))
    loaded = onnx.load_model_from_string(file)
    assert {one.key: one.value for one in loaded.metadata_props} == {"epoch": "2", "new": "y"}
    assert np.array_equal(numpy_helper.to_array(loaded.graph.initializer[0]), WEIGHTS)
    with pytest.raises(FormatError, match="graph"):
        READER.take_facts(like, {"graph": other})


def test_other_tensors_are_refused_with_the_reason() -> None:
    content = model([initializer("w", WEIGHTS), initializer("v", LARGE)]).SerializeToString()
    like = template(READER, content)
    with pytest.raises(FormatError, match="the graph says how each is used"):
        READER.build(parts_of(like.spans, {"w": b"", "v": b""})[1:], like)


def test_the_same_graph_is_the_same_fact_whatever_was_trained() -> None:
    facts = [
        READER.read_facts(template(READER, model([initializer("w", WEIGHTS + one)]).SerializeToString()))
        for one in (0, 1)
    ]
    assert facts[0] == facts[1]
