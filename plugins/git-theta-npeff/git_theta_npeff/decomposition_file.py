"""Decompositions as files: ``model.npeff.safetensors`` beside ``model.safetensors``."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from git_theta.checkpoints.index_file import whole_path_of
from git_theta.errors import StoreError, UsageError
from numpy.typing import NDArray

from git_theta_npeff.factors import Form

Array = NDArray[Any]
_MARK = "git-theta-npeff"
_VERSION = 1
_HINT = "git theta npeff fit writes it."


@dataclass(frozen=True)
class Decomposition:
    """Components of a model's Fisher information, parameter by parameter.

    Attributes:
        form: "diagonal" or "low-rank".
        explained: the share of the examples' Fishers that it stands for.
        shapes: of the parameters that were looked at, by name.
        columns: which elements of each the components have, flat; int64. None for parameters without any.
        components: components by these elements; fp32.
        weights: examples by components; fp32.
        norms: the Frobenius norm of each example's Fisher: what its row of weights is scaled by; fp32.
    """

    form: Form
    explained: float
    shapes: dict[str, tuple[int, ...]]
    columns: dict[str, Array]
    components: dict[str, Array]
    weights: Array
    norms: Array


def find_decomposition_file(checkpoint: str) -> Path:
    """Where the one of a checkpoint lies, if nothing else is said."""
    file = Path(whole_path_of(checkpoint))
    return file.with_name(f"{file.stem}.npeff.safetensors")


def write_decomposition(found: Decomposition, file: Path) -> None:
    """Write it as safetensors. Raises StoreError."""
    from safetensors.numpy import save

    tensors = {"weights": found.weights, "norms": found.norms}
    tensors |= {f"columns.{name}": one for name, one in found.columns.items()}
    tensors |= {f"components.{name}": one for name, one in found.components.items()}
    about = {"version": _VERSION, "form": found.form, "explained": found.explained, "shapes": found.shapes}
    data = save(tensors, {_MARK: json.dumps(about)})  # one key: the library writes several in any order
    try:
        file.write_bytes(data)
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}", hint="Name another file: -o FILE") from error


def read_decomposition(file: Path) -> Decomposition:
    """Read it. Raises UsageError, which names the file, for one that is not there, or that is something else."""
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise UsageError("there is no such file", hint=_HINT, path=str(file))
    try:
        with safe_open(file, "numpy") as opened:
            about = json.loads((opened.metadata() or {})[_MARK])
            return _assemble(about, {name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118 (no mapping)
    except (
        OSError,
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        RecursionError,
    ) as error:
        raise UsageError(f"it is no decomposition: {error}", hint=_HINT, path=str(file)) from None


def _assemble(about: dict[str, Any], tensors: dict[str, Array]) -> Decomposition:
    """Raises ValueError and KeyError for what does not fit together."""
    if about["version"] != _VERSION or about["form"] not in ("diagonal", "low-rank"):
        raise ValueError(f"version {about['version']}, {about['form']!r} is not known here")
    shapes = {name: tuple(map(int, shape)) for name, shape in about["shapes"].items()}
    weights, norms = (_require_floats(tensors.pop(name), name) for name in ("weights", "norms"))
    columns = {name: tensors[f"columns.{name}"] for name in shapes if f"columns.{name}" in tensors}
    components = {name: _require_floats(tensors[f"components.{name}"], name) for name in columns}
    for name, held in components.items():
        _require_columns(columns[name], math.prod(shapes[name]), name)
        if held.shape != (weights.shape[1], len(columns[name])):
            raise ValueError(f"components of {name!r} are {list(held.shape)}")
    if weights.ndim != 2 or norms.shape != weights.shape[:1]:
        raise ValueError("weights and norms are of other examples")
    form: Form = "diagonal" if about["form"] == "diagonal" else "low-rank"
    return Decomposition(form, float(about["explained"]), shapes, columns, components, weights, norms)


def _require_floats(values: Array, name: str) -> Array:
    if values.dtype != np.float32 or not np.isfinite(values).all():
        raise ValueError(f"values of {name!r} are no finite fp32")
    return values


def _require_columns(columns: Array, count: int, name: str) -> None:
    """Raise ValueError for what are no places among so many elements."""
    if (
        columns.dtype != np.int64
        or columns.ndim != 1
        or not len(columns)
        or not 0 <= columns.min() <= columns.max() < count
    ):
        raise ValueError(f"columns of {name!r} are not in its shape")
