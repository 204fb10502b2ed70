"""Parts beside their update bases: one for each form that a delta has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from git_theta.tensors.casts import CASTS, cast_codes
from git_theta.testing.blocks import noise_bytes


def moved(old: bytes, width: int, share: float, most: int, seed: int = 0) -> bytes:
    """Numbers of which a share moved by up to so many units."""
    generator = np.random.default_rng(seed)
    numbers = np.frombuffer(old, f"<u{width}").copy()
    steps = generator.integers(-most, most + 1, len(numbers)).astype(f"<i{width}").view(f"<u{width}")
    steps[generator.random(len(numbers)) >= share] = 0
    return bytes((numbers + steps).tobytes())


def decayed(old: bytes, share: float) -> bytes:
    """fp32 numbers that became smaller by a share of each."""
    return (np.frombuffer(old, "<f4") * np.float32(1 - share)).tobytes()


def weights(dtype: str, count: int, seed: int = 0, spread: float = 0.02) -> bytes:
    """Normally distributed weights."""
    drawn = np.random.default_rng(seed).normal(0, spread, count).astype("<f4").view("<u4")
    return cast_codes(drawn, "F32", dtype).tobytes() if dtype != "F32" else drawn.tobytes()


def trained(old: bytes, dtype: str, step: float, seed: int = 1) -> bytes:
    """Weights that all moved by about as much."""
    codes = np.frombuffer(old, f"<u{CASTS[dtype].width}")
    values = (cast_codes(codes, dtype, "F64") if dtype != "F64" else codes).view("<f8")
    values = values + step * np.random.default_rng(seed).normal(0, 1, len(values))
    return (cast_codes(values.view("<u8"), "F64", dtype) if dtype != "F64" else values).tobytes()


def pruned(old: bytes, dtype: str, *, signed: bool = False, share: float = 0.5) -> bytes:
    """Weights of which the smallest, a share of them, are 0 now."""
    width = CASTS[dtype].width
    numbers = np.frombuffer(old, f"<u{width}").copy()
    sizes = numbers << 1
    small = sizes < np.quantile(sizes.astype(np.float64), share)
    numbers[small] &= 1 << 8 * width - 1 if signed else 0
    return numbers.tobytes()


FORMS: dict[str, Callable[[], tuple[bytes, bytes, str]]] = {
    "same": lambda: (weights("F32", 1000), weights("F32", 1000), "F32"),
    "dense": lambda: (noise_bytes(4000, 1), noise_bytes(4000), "F32"),
    "planes": lambda: (trained(weights("F32", 1500), "F32", 1e-4), weights("F32", 1500), "F32"),
    "changes": lambda: (trained(weights("BF16", 1500), "BF16", 2e-5), weights("BF16", 1500), "BF16"),
    "changes of 64 bits": lambda: (moved(weights("F64", 700), 8, 0.1, 1 << 40), weights("F64", 700), "F64"),
    "unchanged tiles": lambda: (
        trained(weights("BF16", 1500), "BF16", 2e-5) + weights("BF16", 1500, 5),
        weights("BF16", 1500) + weights("BF16", 1500, 5),
        "BF16",
    ),
    "quiet tiles": lambda: (
        trained(weights("F32", 1500), "F32", 1e-4) + decayed(weights("F32", 1500, 5), 1e-5) + weights("F32", 300),
        weights("F32", 1500) + weights("F32", 1500, 5) + weights("F32", 300),
        "F32",
    ),
    "all quiet": lambda: (decayed(weights("F32", 640), 1e-5), weights("F32", 640), "F32"),
    "zeros": lambda: (pruned(weights("BF16", 1500), "BF16", signed=False), weights("BF16", 1500), "BF16"),
    "signed zeros": lambda: (pruned(weights("F32", 1500), "F32", signed=True), weights("F32", 1500), "F32"),
    "zeros of codes": lambda: (
        bytes(0 if byte < 100 else byte for byte in noise_bytes(2500)), noise_bytes(2500), "I8"
    ),
    "rare changes": lambda: (moved(weights("BF16", 8000), 2, 0.003, 3), weights("BF16", 8000), "BF16"),
}  # fmt: skip
"""New bytes, old bytes, dtype."""
