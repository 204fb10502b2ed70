"""Student's t, for whole degrees of freedom: what scipy would be asked for."""

from __future__ import annotations

import math


def student_bound(freedom: int, confidence: float) -> float:
    """What the magnitude of Student's t exceeds with the rest of the confidence, for whole degrees of freedom."""
    low, high = 0.0, 1.0
    while student_share(high, freedom) < confidence:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if student_share(middle, freedom) < confidence else (low, middle)
    return high


def student_share(bound: float, freedom: int) -> float:
    """How likely Student's t is between -bound and bound (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(bound / math.sqrt(freedom))
    is_odd = freedom % 2
    term = total = math.cos(angle) if is_odd else 1.0
    for k in range(2 + is_odd, freedom - 1, 2):
        term *= (k - 1) / k * math.cos(angle) ** 2
        total += term
    if not is_odd:
        return math.sin(angle) * total
    return 2 / math.pi * (angle + (math.sin(angle) * total if freedom > 1 else 0.0))
