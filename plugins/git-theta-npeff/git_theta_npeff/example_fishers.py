"""The Fisher information of many examples, sparse: of each the largest elements, scaled so that the whole had norm 1.

Source: Matena and Raffel, NPEFF (arXiv 2310.04649), section 3.1.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from git_theta.errors import UsageError

from git_theta_npeff.factors import Form

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class ExampleFishers:
    """Those of some examples.

    Attributes:
        form: what a row is: "diagonal": the diagonal of an example; "low-rank": a column of its A.
        rows: sparse (CSR), examples * classes by columns; fp64.
        turned: the same, transposed: sparse products are fast along rows alone.
        classes: how many rows an example has: 1 of a diagonal.
        columns: which elements of the parameters, one after another, they are: rising, int64. On the CPU, as all here.
        norms: the Frobenius norm of each example's, before it was scaled; fp64.
        total: the sum of squares of all that is kept.
    """

    form: Form
    rows: Tensor
    turned: Tensor
    classes: int
    columns: Tensor
    norms: Tensor
    total: float


def collect_fishers(factors: Iterable[Tensor], form: Form, most: int) -> ExampleFishers:
    """Scale the Fishers of examples, and keep the largest elements.

    Args:
        factors: A^T of each example, classes by elements.
        form: whether of A A^T the diagonal is taken.
        most: how many elements of an example are kept.

    Raises UsageError where there is no example, for one that is not finite, where their classes differ, and where none
    depends on any element.
    """
    import numpy as np
    import torch

    shapes, kept = set(), []
    for number, factor in enumerate(factors):
        rows = factor.square().sum(0, keepdim=True) if form == "diagonal" else factor
        kept.append(_keep_largest(rows, form, most, f"example {number}"))
        shapes.add(tuple(rows.shape))
        if len(shapes) > 1:
            raise UsageError(f"example {number} has other classes than those before it", hint="Give all the same.")
    if not any(len(one.places) for one in kept):
        fault = "no example depends on the parameters" if kept else "there was no example"
        raise UsageError(fault, hint="Yield batches that have some.")
    [(classes, elements)] = shapes
    rowed = np.concatenate([one.places // elements + at * classes for at, one in enumerate(kept)])
    columns, inverse = np.unique(np.concatenate([one.places % elements for one in kept]), return_inverse=True)
    values, norms = torch.cat([one.values for one in kept]), torch.stack([one.norm for one in kept])
    where, size = torch.from_numpy(np.stack([rowed, inverse])), (len(kept) * classes, len(columns))
    with warnings.catch_warnings():  # which would say that CSR is in a beta state; COO takes four to ten times as long
        warnings.simplefilter("ignore", UserWarning)
        rows = torch.sparse_coo_tensor(where, values, size, check_invariants=True).coalesce()
        rows, turned = rows.to_sparse_csr(), rows.t().coalesce().to_sparse_csr()
    return ExampleFishers(
        form, rows, turned, classes, torch.from_numpy(columns), norms, sum(one.square for one in kept)
    )


@dataclass(frozen=True)
class _Kept:
    """What is kept of one example: flat places among its rows, rising, and the values there, scaled; on the CPU."""

    places: NDArray[np.int64]
    values: Tensor
    norm: Tensor
    square: float


def _keep_largest(rows: Tensor, form: Form, most: int, what: str) -> _Kept:
    """Scale an example, and keep the largest elements. Raises UsageError for one that is not finite."""
    import torch

    norm = _measure_norm(rows, form)
    if not bool(torch.isfinite(norm)):
        raise UsageError(f"the gradients of {what} are not finite", hint="Look at its batch.")
    flat = rows.flatten()
    places = flat.abs().topk(min(most, len(flat))).indices.sort().values
    places = places[flat[places] != 0]
    values = flat[places].double() / norm ** (1 if form == "diagonal" else 0.5)
    thinned = torch.zeros_like(flat, dtype=torch.float64).put(places, values).view(rows.shape)
    return _Kept(places.cpu().numpy(), values.cpu(), norm.cpu(), float(_measure_norm(thinned, form)) ** 2)


def _measure_norm(rows: Tensor, form: Form) -> Tensor:
    """The Frobenius norm of a diagonal, or of A A^T; fp64."""
    import torch

    wide = rows.double()
    norm: Tensor = torch.linalg.vector_norm(wide if form == "diagonal" else wide @ wide.T)
    return norm
