"""A file of arrays as an adapter: ``PARAMETER/ARRAY`` names each, and says of which update it is.

| update | arrays of each parameter |
|---|---|
| low-rank | ``A`` [r, n] and ``B`` [m, r]: ``B @ A`` is added; times ``scaling``, one number, where that is there |
| scale | ``scale``: each dimension is the parameter's, or 1 |
| sparse | ``indices`` [k] and ``values``: [k] for elements in row-major order, or [k, ...] for rows |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from git_theta.errors import UsageError
from git_theta.operations.updating.adapter_arrays import open_arrays
from git_theta.operations.updating.update_steps import (
    AddProduct,
    ParameterUpdate,
    ScaleElements,
    SetElements,
    UpdateStep,
)
from git_theta.tensors.adapter_arithmetic import COMPUTED, AdapterFactors, read_number
from git_theta.tensors.values import Values

LOW_RANK, SPARSE, SCALE = "low-rank", "sparse", "scale"
_HINT = "See which arrays each update has: docs/how-to/add-an-adapter.md"

_Arrays = Mapping[str, Values]


@contextmanager
def open_named_arrays(file: Path, kind: str) -> Iterator[list[ParameterUpdate]]:
    """The updates of a file in the order of their names; arrays are read within the ``with`` block.

    Raises UsageError for arrays that are not those of ``kind``.
    """
    with open_arrays(file) as arrays:
        grouped: dict[str, dict[str, Values]] = {}
        for whole, values in sorted(arrays.items()):
            name, slash, array = whole.rpartition("/")
            if not slash:
                raise UsageError(f"{whole!r} is not PARAMETER/ARRAY", hint=_HINT, path=str(file))
            grouped.setdefault(name, {})[array] = values
        try:
            updates = [ParameterUpdate(name, (_read_step(kind, name, held),)) for name, held in grouped.items()]
        except UsageError as error:
            raise error.add_location(path=str(file)) from None
        yield updates


def _read_step(kind: str, name: str, arrays: _Arrays) -> UpdateStep:
    read, needed, further = _KINDS[kind]
    lacking, unknown = needed - arrays.keys(), arrays.keys() - needed - further
    if lacking or unknown:
        problem = f"it lacks the array {min(lacking)!r}" if lacking else f"{min(unknown)!r} is no array"
        raise UsageError(f"{problem} of the update {kind!r}", hint=_HINT, parameter=name)
    return read(name, arrays)


def _read_product(name: str, arrays: _Arrays) -> UpdateStep:
    scaling = 1.0
    if said := arrays.get("scaling"):
        if said.spec.elements != 1 or said.spec.dtype.name not in COMPUTED:
            raise UsageError("its scaling must be one number", hint=_HINT, parameter=name)
        scaling = read_number(said)
        if not math.isfinite(scaling):
            raise UsageError(f"its scaling is {scaling}", hint=_HINT, parameter=name)
    return AddProduct(AdapterFactors(arrays["A"], arrays["B"], scaling))


def _read_scale(name: str, arrays: _Arrays) -> UpdateStep:  # noqa: ARG001
    return ScaleElements(arrays["scale"], arrays["scale"].spec.shape)


def _read_elements(name: str, arrays: _Arrays) -> UpdateStep:  # noqa: ARG001
    return SetElements(arrays["indices"], arrays["values"])


_KINDS: dict[str, tuple[Callable[[str, _Arrays], UpdateStep], set[str], set[str]]] = {
    LOW_RANK: (_read_product, {"A", "B"}, {"scaling"}),
    SCALE: (_read_scale, {"scale"}, set()),
    SPARSE: (_read_elements, {"indices", "values"}, set()),
}
