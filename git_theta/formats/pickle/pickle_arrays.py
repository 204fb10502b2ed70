"""Arrays of NumPy in a pickle: what describes them, and where their bytes are.

Sources: ``array_reduce`` and ``array_reduce_ex_picklebuffer`` in ``numpy/_core/src/multiarray/methods.c`` (2.4), and
``NumpyArrayWrapper`` in ``joblib/numpy_pickle.py`` (1.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from git_theta.formats.base import Span, SpanView
from git_theta.formats.layout import require_shape
from git_theta.formats.pickle.pickle_records import Call, Global, PlacedBytes
from git_theta.formats.pickle.pickle_stream import ARRAY_WRAPPER, state_of
from git_theta.tensors.dtypes import BY_NAME, DType
from git_theta.tensors.spec import Spec

_DTYPES = {
    "b1": "BOOL", "i1": "I8", "u1": "U8", "i2": "I16", "u2": "U16", "i4": "I32", "u4": "U32", "i8": "I64", "u8": "U64",
    "f2": "F16", "f4": "F32", "f8": "F64", "c8": "C64", "c16": "C128",
}  # fmt: skip
"""What NumPy calls an element type to what manifests call it."""
_MODULES = ("numpy.core.", "numpy._core.")


@dataclass(frozen=True, slots=True)
class PickledArray:
    """An array whose bytes stand in the file.

    Attributes:
        place: where.
        spec: its dtype and shape.
        kind: the path of its class.
        is_fortran: whether the first index changes fastest.
    """

    place: PlacedBytes
    spec: Spec
    kind: str
    is_fortran: bool

    @property
    def strides(self) -> tuple[int, ...] | None:
        """Elements to step per dimension; None where they lie in row-major order."""
        if not self.is_fortran or len(self.spec.shape) < 2:
            return None
        return tuple(accumulate(self.spec.shape[:-1], int.__mul__, initial=1))

    @property
    def flat_spec(self) -> Spec:
        """As one run of elements."""
        return Spec(self.spec.dtype, (self.spec.elements,))


def array_of(value: object) -> PickledArray | None:
    """The array of numbers that a value describes; None for anything else.

    Raises FormatError where its shape is no list of sizes.
    """
    if not isinstance(value, Call) or not isinstance(value.function, Global):
        return None
    found = _describe_array(value)
    if found is None:
        return None
    place, dtype_record, shape, fortran, kind = found
    dtype = _dtype_of(dtype_record)
    if dtype is None or not isinstance(place, PlacedBytes):
        return None
    spec = Spec(dtype, require_shape(shape))
    if spec.nbytes != place.size or not isinstance(kind, Global):
        return None
    return PickledArray(place, spec, kind.path, fortran)


def span_of_arrays(named: Sequence[tuple[str, PickledArray]]) -> Span:
    """The span of arrays, each with its name, that have the same bytes: the first one's, with the others as views."""
    (name, array), *others = named
    flat = array.strides is not None
    spec = array.flat_spec if flat else array.spec
    views = tuple([SpanView(other, one.spec, one.strides) for other, one in (named if flat else others)])
    return Span(name, spec, array.place.offset, array.place.size, views)


def _describe_array(call: Call) -> tuple[object, object, object, bool, object] | None:
    """Bytes, dtype, shape, whether in Fortran order, and class."""
    plain = Global("numpy", "ndarray")
    state, arguments = call.state, call.arguments
    if _is_numpy(call.function, "multiarray._reconstruct") and isinstance(state, tuple) and len(state) == 5:
        _, shape, dtype, fortran, content = state
        return content, dtype, shape, fortran is True, arguments[0] if arguments else plain
    if _is_numpy(call.function, "numeric._frombuffer") and len(arguments) == 4:
        content, dtype, shape, order = arguments
        return content, dtype, shape, order == "F", plain
    if call.function == ARRAY_WRAPPER and call.items:
        told = state_of(call)
        return call.items[0], told.get("dtype"), told.get("shape"), told.get("order") == "F", told.get("subclass")
    return None


def _is_numpy(function: object, name: str) -> bool:
    return isinstance(function, Global) and function.path in [f"{module}{name}" for module in _MODULES]


def _dtype_of(value: object) -> DType | None:
    """The dtype that a pickled one is, if it is little-endian and of numbers."""
    if not isinstance(value, Call) or value.function != Global("numpy", "dtype") or not value.arguments:
        return None
    spelled, state = value.arguments[0], value.state
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "|"
    if not isinstance(spelled, str) or order not in ("<", "|"):
        return None
    return BY_NAME.get(_DTYPES.get(spelled, ""))
