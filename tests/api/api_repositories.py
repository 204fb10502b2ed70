"""Repositories with checkpoints for the tests of the Python API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.sandbox import Sandbox, changed, model, safetensors_bytes, track_and_commit

FILE = "model.safetensors"


def values_of(content: bytes) -> dict[str, NDArray[Any]]:
    """The tensors of an fp32 safetensors file, read by the library."""
    from safetensors.numpy import load

    return dict(load(content))


def two_versions(sandbox: Sandbox) -> tuple[bytes, bytes]:
    """A checkpoint at the tag v1.0, and with one parameter trained at the branch dev; main is checked out, at v1.0."""
    shapes: dict[str, Any] = {"encoder.weight": (64, 32), "encoder.bias": 32, "head.weight": (4, 32), "head.bias": 4}
    first = model(**shapes)
    second = changed(first, "head.weight", np.full(128, 0.5, "<f4").tobytes())
    track_and_commit(sandbox, {FILE: first})
    sandbox.git("tag", "v1.0")
    sandbox.git("switch", "--quiet", "--create", "dev")
    sandbox.write(FILE, second)
    sandbox.commit("Train the head")
    sandbox.git("switch", "--quiet", "main")
    return first, second


def small_kinds() -> bytes:
    """A checkpoint with a tensor of many dtypes: what numpy has, what ml_dtypes adds, and what neither has."""
    return safetensors_bytes(
        {
            "bf16": ("BF16", (2, 2), bytes(range(8))),
            "fp8": ("F8_E4M3", (4,), bytes(range(4))),
            "fp16": ("F16", (2,), np.array([1, 2], "<f2").tobytes()),
            "steps": ("I64", (), np.array(7, "<i8").tobytes()),
            "mask": ("BOOL", (3,), b"\1\0\1"),
            "none": ("F32", (0, 3), b""),
            "packed": ("F4", (4,), b"\x12\x34"),
        }
    )


def forget_objects(root: Path) -> list[Path]:
    """Take away all objects of a repository's store; returns where they were."""
    found = [file for file in (root / ".git" / "theta" / "objects").rglob("*") if len(file.name) == 64]
    for file in found:
        file.unlink()
    return found
