"""Models as the onnx package writes them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = np.arange(12, dtype="<f4").reshape(3, 4)
LARGE = np.linspace(-1, 1, 300, dtype="<f4")


def initializer(name: str, array: NDArray[Any]) -> TensorProto:
    return numpy_helper.from_array(array, name)


def typed(name: str, code: int, shape: list[int], values: list[Any]) -> TensorProto:
    return helper.make_tensor(name, code, shape, values)


def model(initializers: list[TensorProto], nodes: list[onnx.NodeProto] | None = None, **said: str) -> onnx.ModelProto:
    graph = helper.make_graph(nodes or [], "main", [], [], initializers)
    made = helper.make_model(graph, producer_name="tests")
    if said:
        helper.set_model_props(made, said)
    return made


def branch(name: str, scale: float, nodes: list[onnx.NodeProto] | None = None) -> onnx.GraphProto:
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [300])
    return helper.make_graph(nodes or [], name, [], [out], [initializer("w", LARGE * scale)])


def conditional() -> onnx.NodeProto:
    """An If whose branches have an initialiser of the same name each."""
    return helper.make_node("If", ["c"], ["y"], name="choose", then_branch=branch("a", 1), else_branch=branch("b", 2))


def constant(name: str, array: NDArray[Any]) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=initializer("", array))


ARRAYS: dict[str, NDArray[Any]] = {
    **{kind: np.arange(6).astype(kind) for kind in ("f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")},
    "bool": np.array([True, False, True]),
    "c8": np.arange(3).astype("c8"),
    "c16": np.arange(3).astype("c16"),
    "bf16": np.arange(5).astype(ml_dtypes.bfloat16),
    "e4m3": np.arange(5).astype(ml_dtypes.float8_e4m3fn),
    "e5m2": np.arange(5).astype(ml_dtypes.float8_e5m2),
    "e4m3fnuz": np.arange(5).astype(ml_dtypes.float8_e4m3fnuz),
    "e5m2fnuz": np.arange(5).astype(ml_dtypes.float8_e5m2fnuz),
    "int4": np.arange(-3, 4).astype(ml_dtypes.int4),
    "uint4": np.arange(7).astype(ml_dtypes.uint4),
    "f4e2m1": np.arange(5).astype(ml_dtypes.float4_e2m1fn),
    "scalar": np.array(3.5, "f4"),
}
"""One of every type that numpy, with ml_dtypes, and onnx can write."""
