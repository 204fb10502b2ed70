"""Numbers as people read them: three significant digits, percentages that never round to all or nothing."""

from __future__ import annotations

import math

from git_theta.diffing.base import NamedValue

_DIGITS = 3
_PLAIN_EXPONENTS = range(-4, 6)
"""Decimal exponents that are written out; others take an exponent."""

_MAX_ELEMENTS = 10**15
"""Elements that no tensor has: a shape that says so is a lie, and its product may be beyond what a float holds."""


def format_number(value: float | None) -> str:
    """Three significant digits: ``0.0123``, ``1,230``, ``4.56e-07``; "" where there is no number."""
    if value is None:
        return ""
    if not value or not math.isfinite(value):
        return f"{abs(value):.0f}" if not value else str(value)
    rounded = float(f"{value:.{_DIGITS - 1}e}")
    exponent = math.floor(math.log10(abs(rounded)))
    if exponent not in _PLAIN_EXPONENTS:
        return f"{value:.{_DIGITS - 1}e}"
    return f"{rounded:,.{max(0, _DIGITS - 1 - exponent)}f}"


def format_percent(share: float | None) -> str:
    """A share of 1: ``1.23%``. ``0%`` and ``100%`` mean none and all, and nothing else."""
    if share is None:
        return ""
    if share in (0, 1):
        return f"{share:.0%}"
    if 0 < share < 1e-6:
        return "<0.0001%"
    if 0.9995 <= share < 1:
        return ">99.9%"
    return f"{format_number(100 * share)}%"


def format_value(found: NamedValue) -> str:
    """What a measure found, in its unit."""
    return format_percent(found.value) if found.unit == "share" else format_number(found.value)


def format_cosine(value: float | None) -> str:
    """A cosine in four decimals. ``1`` means the same direction, as far as fp64 can tell, not merely close to it."""
    if value is None:
        return ""
    if abs(value) >= 1:
        return f"{value:.0f}"
    rounded = f"{value:.4f}".replace("-0.0000", "0.0000")
    return {"1.0000": ">.9999", "-1.0000": "<-.9999"}.get(rounded, rounded)


def format_magnitude(elements: int) -> str:
    """How many elements, in the unit that suits them: ``384``, ``22.7 M``."""
    if elements < 1000:
        return str(elements)
    if elements >= _MAX_ELEMENTS:
        return ">999 T"
    amount, units = float(f"{elements:.3g}"), ["", "k", "M", "G", "T"]
    power = min(len(units) - 1, math.floor(math.log10(amount)) // 3)
    return f"{format_number(amount / 1000**power)} {units[power]}"


def format_shape(dimensions: tuple[int, ...]) -> str:
    """A shape: ``[384, 384]``."""
    return f"[{', '.join(map(str, dimensions))}]"
