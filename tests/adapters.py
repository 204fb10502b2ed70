"""Adapters for the tests: those that PEFT made and are kept here, and files of arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.sandbox import Sandbox, safetensors_bytes
from tests.two_branches import tensor

PEFT_ADAPTERS = Path(__file__).parent / "operations" / "updating" / "peft_adapters"
MODEL = "model.safetensors"
_SPELLED = {"float32": "F32", "float64": "F64", "float16": "F16", "int64": "I64", "int32": "I32"}


def peft_file(name: str) -> bytes:
    """A checkpoint that belongs to the adapters of PEFT: a base, or what PEFT merged."""
    return (PEFT_ADAPTERS / f"{name}.safetensors").read_bytes()


def array_file(**arrays: np.ndarray[Any, Any]) -> bytes:
    """A file of arrays as an adapter; ``__`` in a name stands for the slash."""
    return tensor_file({name.replace("__", "/"): array for name, array in arrays.items()})


def tensor_file(tensors: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """A safetensors file of these arrays."""
    return safetensors_bytes(
        {name: (_SPELLED[array.dtype.name], array.shape, array.tobytes()) for name, array in tensors.items()}
    )


def values_of(checkpoint: bytes) -> dict[str, np.ndarray[Any, Any]]:
    """The fp32 parameters of a safetensors file, in the shapes that they have."""
    header = json.loads(checkpoint[8 : 8 + int.from_bytes(checkpoint[:8], "little")])
    return {
        name: np.frombuffer(tensor(checkpoint, name), "<f4").reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def status(sandbox: Sandbox) -> str:
    """What `git status` says of the files, without what is not tracked."""
    return sandbox.git("status", "--porcelain", "--untracked-files=no").stdout
