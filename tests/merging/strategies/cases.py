"""Contests to merge, and how close a merge must come to the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import assume
from hypothesis import strategies as st
from torch import Tensor

from git_theta.merging import options
from git_theta.merging.base import Contest
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.execution import merge_bytes
from git_theta.merging.given_operands import TensorOperand
from git_theta.tensors.torch_values import from_bytes, to_bytes

Array = npt.NDArray[np.float64]
STORED = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32, "fp64": torch.float64}
FP8 = [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz]
COMPLEX = [torch.complex32, torch.complex64, torch.complex128]
FLOATING = [*STORED.values(), *FP8, *COMPLEX]
NUMERIC = (
    *("average", "weighted", "task-arithmetic", "ties", "dare", "dare-ties", "breadcrumbs", "slerp", "model-stock"),
    *("lines", "iso-c", "tsv-m", "wudi"),
)


class Case(NamedTuple):
    """A base and its fine-tunes."""

    base: Tensor
    heads: list[Tensor]


def gridded(rng: np.random.Generator, size: int, step: float) -> Array:
    """Normal numbers on a grid within +-4: fp32 adds and subtracts them without rounding, and some cancel exactly."""
    return np.clip(np.round(rng.standard_normal(size) / step), -4 / step, 4 / step) * step


@st.composite
def cases(draw: st.DrawFn, *, most: int = 4, dtypes: Sequence[torch.dtype] = tuple(STORED.values())) -> Case:
    """One to 70 elements, two to ``most`` heads, contested; on a fine grid, or a coarse one with many equal values."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size, step = draw(st.integers(1, 70)), draw(st.sampled_from([0.5, 2.0**-12]))
    dtype = draw(st.sampled_from(list(dtypes)))
    arrays = [gridded(rng, size, step) for _ in range(1 + draw(st.integers(2, most)))]
    base, *heads = (torch.from_numpy(array).to(dtype) for array in arrays)
    assume(len({bytes(to_bytes(head)) for head in heads} - {bytes(to_bytes(base))}) > 1)
    return Case(base, heads)


def arrays(tensors: Sequence[Tensor]) -> list[Array]:
    """The values in fp64."""
    return [tensor.double().numpy() for tensor in tensors]


def ulp(values: Array, dtype: torch.dtype) -> Array:
    """The distance between neighbouring numbers of ``dtype`` there."""
    info = torch.finfo(dtype)
    exponent = np.floor(np.log2(np.maximum(np.abs(values), info.tiny)))
    return np.asarray(np.exp2(exponent) * info.eps)


def assert_close(merged: Tensor, truth: Array, terms: Sequence[Array]) -> None:
    """Within 1 ulp of the stored dtype, beside what rounding terms of such a size in the accumulator may cost.

    Args:
        merged: what came out.
        truth: in fp64.
        terms: what was added up to it: each costs a few roundings of its own size.
    """
    unit = 2.0**-53 if merged.dtype == torch.float64 else 2.0**-24
    slack = 8 * unit * np.sum([np.abs(term) for term in terms], axis=0)
    error = np.abs(merged.double().numpy() - truth)
    assert np.all(error <= ulp(truth, merged.dtype) + slack), (error, truth)


def same_bytes(left: Tensor, right: Tensor) -> bool:
    """Equal bit for bit: NaNs, zeros and all."""
    return (left.dtype, left.shape) == (right.dtype, right.shape) and torch.equal(
        left.contiguous().reshape(-1).view(torch.uint8), right.contiguous().reshape(-1).view(torch.uint8)
    )


def contest(strategy: str, branches: Sequence[Tensor | None], base: Tensor | None = None, **rest: Any) -> Contest:
    """A contest with options by name; ``weights``, ``seed``, ``chunk``, ``library`` and ``name`` are the contest's."""
    own = {key: rest.pop(key) for key in ("weights", "seed", "chunk", "library") if key in rest}
    return Contest(
        rest.pop("name", "layer.weight"),
        tuple(None if branch is None else TensorOperand(branch) for branch in branches),
        None if base is None else TensorOperand(base),
        options=options.parse_options(strategy, load_strategy(strategy).options, rest),
        **own,
    )


def merge(strategy: str, asked: Contest) -> Tensor:
    """The contest's result: flat."""
    return from_bytes(b"".join(map(bytes, merge_bytes(load_strategy(strategy), asked))), asked.spec.dtype)
