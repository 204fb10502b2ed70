"""What adapters do to a parameter, in torch, as PEFT merges them: the same operations in the same order.

So the bytes are those that PEFT gives with the same torch on the same machine: a matrix product is summed in an order
that depends on both. Sources: ``merge`` and ``get_delta_weight`` of ``peft/tuners/lora/layer.py``, ``merge`` of
``peft/tuners/ia3/layer.py`` (0.21), on a CPU, with adapters in fp32, as ``PeftModel.from_pretrained`` loads them.

The base is read, and what comes out is given, in runs of rows; a product is held whole, in fp32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from git_theta.errors import ThetaError, UsageError
from git_theta.tensors.alignment import recut_blocks
from git_theta.tensors.arrays import BLOCK, Buffer
from git_theta.tensors.dtypes import DType
from git_theta.tensors.spec import Spec
from git_theta.tensors.torch_values import from_bytes, to_bytes, torch_dtype
from git_theta.tensors.values import Values

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

COMPUTED = frozenset(("F64", "F32", "F16", "BF16"))
"""The dtypes of parameters that adapters add to, or scale."""

_INDEX_HINT = "Indices are those of elements in row-major order, or of rows, from 0, each once."


class AdapterFactors(NamedTuple):
    """The factors of a low-rank update: ``up @ down``, times ``scaling``, is added.

    Attributes:
        down: A, of shape [r, n]; of a convolution [r, n, k ...].
        up: B, of shape [m, r]; of a convolution [m, r, 1 ...].
        scaling: what the product is multiplied with.
        transposed: whether the parameter has shape [n, m], as that of a layer that stores fan-in first.
        rounded: whether the product is rounded to the parameter's dtype before it is added, as PEFT does it for
            embeddings. Else the sum alone is rounded.
    """

    down: Values
    up: Values
    scaling: float
    transposed: bool = False
    rounded: bool = False

    @property
    def rank(self) -> int:
        """Terms of the sum."""
        return self.down.spec.shape[0]

    def count_bytes(self) -> int:
        """Bytes of both factors as updates store them: fp32, of whose bytes those that are 0 take none."""
        return sum(min(4, side.spec.dtype.width) * side.spec.elements for side in (self.down, self.up))


def require_torch() -> None:
    """Raise ThetaError where torch is not installed: nothing else sums as PEFT does."""
    from importlib.util import find_spec

    if find_spec("torch") is None:
        raise ThetaError("merging adapters takes torch, which is not installed", hint="pip install 'git-theta[torch]'")


def add_product(base: Values, factors: AdapterFactors) -> Iterator[Buffer]:
    """The parameter with the product of the factors added, in runs of rows."""
    product = _multiply_factors(factors, _compute_dtype(base.spec.dtype))
    kind = torch_dtype(base.spec.dtype)

    def add_rows(rows: Tensor, at: slice) -> Tensor:
        rows += product[at].to(kind) if factors.rounded else product[at]
        return rows

    yield from _map_rows(base, base.spec.shape, add_rows)


def add_scaled(base: Values, addend: Values, scaling: float) -> Iterator[Buffer]:
    """The parameter plus ``addend``, of its shape, times a number, in runs of rows."""
    scaled = _load_tensor(addend, _compute_dtype(base.spec.dtype)) * scaling

    def add_rows(rows: Tensor, at: slice) -> Tensor:
        rows += scaled[at]
        return rows

    yield from _map_rows(base, base.spec.shape, add_rows)


def scale_elements(base: Values, scale: Values, shape: tuple[int, ...]) -> Iterator[Buffer]:
    """The parameter times ``scale``, in runs of rows.

    Args:
        base: the parameter's values.
        scale: as many numbers as ``shape`` has elements.
        shape: how they are laid beside the parameter: each dimension is the parameter's, or 1.
    """
    factors = _load_tensor(scale, _compute_dtype(base.spec.dtype)).reshape(shape).expand(base.spec.shape)
    yield from _map_rows(base, base.spec.shape, lambda rows, at: (rows * factors[at]).to(rows.dtype))


def set_elements(base: Values, indices: Values, values: Values) -> Iterator[Buffer]:
    """The parameter with some elements, or rows, set: rounded once to its dtype.

    Args:
        base: the parameter's values.
        indices: [k], integers: of elements in row-major order, or of rows.
        values: [k] for elements; [k, ...] for rows, each of the shape that a row has.

    Raises UsageError for an index that is out of range, or there twice.
    """
    import torch

    unit = values.spec.shape[1:]
    units = (math.prod(base.spec.shape) // max(1, math.prod(unit)), *unit)
    where = _load_tensor(indices, torch.int64)
    if len(where) and not 0 <= int(where.min()) <= int(where.max()) < units[0]:
        raise UsageError(f"an index is out of range: there are {units[0]:,}", hint=_INDEX_HINT)
    where, order = where.sort()
    if bool((where[1:] == where[:-1]).any()):
        raise UsageError("an index is there twice", hint=_INDEX_HINT)
    new = _load_tensor(values, torch_dtype(base.spec.dtype))[order]

    def set_rows(rows: Tensor, at: slice) -> Tensor:
        first, last = torch.searchsorted(where, torch.tensor([at.start, at.start + len(rows)])).tolist()
        rows[where[first:last] - at.start] = new[first:last]
        return rows

    yield from _map_rows(base, units, set_rows)


def cast_values(values: Values, dtype: DType) -> Iterator[Buffer]:
    """The values as those of another dtype, each rounded once."""
    if values.spec.dtype == dtype:
        yield from values.blocks()
        return
    kind = torch_dtype(dtype)
    for block in values.blocks():
        yield to_bytes(from_bytes(block, values.spec.dtype).to(kind))


def product_shape(down: Spec, up: Spec) -> tuple[int, ...] | None:
    """The shape of a product of factors that is not transposed; None where they are no factors of one product."""
    if len(down.shape) != len(up.shape) or not 2 <= len(down.shape) <= 4 or up.shape[1] != down.shape[0]:
        return None
    if any(size != 1 for size in up.shape[2:]) or not down.shape[0]:
        return None
    return (up.shape[0], *down.shape[1:])


def read_matrix(values: Values) -> NDArray[Any]:
    """All of them as fp32, in rows of the first dimension."""
    import torch

    return _load_tensor(values, torch.float32).reshape(values.spec.shape[0], -1).numpy()


def read_number(values: Values) -> float:
    """The one number that an array holds."""
    import torch

    return float(_load_tensor(values, torch.float64).reshape(()))


def _multiply_factors(factors: AdapterFactors, kind: torch.dtype) -> Tensor:
    import torch

    down, up = _load_tensor(factors.down, kind), _load_tensor(factors.up, kind)
    if down.ndim == 2:
        product = up @ down
    elif down.shape[2:] == (1, 1):
        product = (up[:, :, 0, 0] @ down[:, :, 0, 0])[:, :, None, None]
    else:
        convolve = torch.nn.functional.conv1d if down.ndim == 3 else torch.nn.functional.conv2d
        product = convolve(down.transpose(0, 1), up).transpose(0, 1)
    product *= factors.scaling
    return product.T if factors.transposed else product


def _compute_dtype(dtype: DType) -> torch.dtype:
    """What an adapter is computed in: PEFT has it in fp32, or in the dtype of weights that are wider."""
    import torch

    return torch.float64 if dtype.name == "F64" else torch.float32


def _load_tensor(values: Values, kind: torch.dtype) -> Tensor:
    """All of them, in memory that torch has aligned: what a matrix product comes to may depend on that, too."""
    import torch

    data = b"".join(values.blocks())
    return (
        from_bytes(data, values.spec.dtype)
        .to(kind, copy=True, memory_format=torch.contiguous_format)
        .reshape(values.spec.shape)
    )


def _map_rows(base: Values, shape: tuple[int, ...], function: Callable[[Tensor, slice], Tensor]) -> Iterator[Buffer]:
    """``function(rows, place)`` of all rows, some at a time. It may write into them."""
    shape = shape or (1,)
    row = Spec(base.spec.dtype, shape[1:]).nbytes
    count = max(1, BLOCK // max(1, row))
    for number, piece in enumerate(recut_blocks(base.blocks(), count * row)) if row else ():
        rows = from_bytes(piece, base.spec.dtype).clone().reshape(-1, *shape[1:])
        yield to_bytes(function(rows, slice(number * count, number * count + len(rows))))
