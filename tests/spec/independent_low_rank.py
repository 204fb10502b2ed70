"""A reader of ``low-rank`` and ``scale`` written from docs/spec/objects.md alone, in fractions, number by number."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

from tests.spec.independent_delta import FLOATS, from_delta

Number = Fraction | None
"""None is what is infinite or NaN."""
LIST = 1 << 20


def from_low_rank(lists: list[list[bytes]], base: bytes | None, storage: dict[str, Any]) -> bytes:
    """The bytes of a part on those of its base."""
    options, (rows, *others), dtype = storage["options"], storage["shape"], storage["dtype"]
    assert options.keys() <= {"cast", "rank", "rounded", "apart"}
    assert options.get("rounded", True) is True
    assert options.get("apart", True) is True
    assert dtype in ("F32", "F16", "BF16")
    assert others
    columns, rank = prod(others), options["rank"]
    assert rows * columns > 0
    assert 1 <= rank <= 256
    assert rank * (rows + columns) <= 1 << 24
    if "apart" in options:
        first, lists = take_codes(lists, 1 + rank * rows)
        second, lists = take_codes(lists, rank * columns)
        first, second = ([put_sign_first(code) for code in codes] for codes in (first, second))
    else:
        codes, lists = take_codes(lists, 1 + rank * (rows + columns))
        first, second = codes[:1], []
        for at in range(1, len(codes), rows + columns):
            first += codes[at : at + rows]
            second += codes[at + rows : at + rows + columns]
    product = Product(first, second, rank)

    def predict(place: int, code: int) -> tuple[int, int]:
        return add(code, product.at(place // columns, place % columns), dtype, rounded="rounded" in options)

    plain = {**storage, "options": {key: value for key, value in options.items() if key == "cast"}}
    return from_delta(lists, base, plain, predict)


def take_codes(lists: list[list[bytes]], wanted: int) -> tuple[list[int], list[list[bytes]]]:
    """So many numbers from the front of a head, as integers; and the lists after them."""
    size = 4 * wanted
    count = -(-size // LIST)
    assert [[len(array) for array in arrays] for arrays in lists[:count]] == [
        [min(LIST, size - at)] for at in range(0, size, LIST)
    ]
    numbers = b"".join(arrays[0] for arrays in lists[:count])
    return [int.from_bytes(numbers[at : at + 4], "little") for at in range(0, size, 4)], lists[count:]


def put_sign_first(code: int) -> int:
    """Of 8 bits of exponent, the sign and 23 bits of fraction, a number of F32."""
    exponent, rest = divmod(code, 1 << 24)
    sign, fraction = divmod(rest, 1 << 23)
    return sign << 31 | exponent << 23 | fraction


def from_scale(lists: list[list[bytes]], base: bytes | None, storage: dict[str, Any]) -> bytes:
    """The bytes of a part on those of its base."""
    options, (rows, *others), dtype = storage["options"], storage["shape"], storage["dtype"]
    assert options.keys() <= {"cast", "axis"}
    assert dtype in ("F32", "F16", "BF16")
    assert others
    columns, axis = prod(others), options["axis"]
    assert type(axis) is int
    assert 0 < (rows, columns)[axis] <= 1 << 24
    codes, lists = take_codes(lists, (rows, columns)[axis])
    scales = [to_number(code, "F32") for code in codes]
    signs = [code >> 31 for code in codes]
    assert None not in scales
    wide = "F64" if dtype == "F32" else "F32"

    def predict(place: int, code: int) -> tuple[int, int]:
        at = place % columns if axis else place // columns
        old, scale, top = to_number(code, dtype), scales[at], 8 * FLOATS[dtype][0] - 1
        product = to_number(to_code(old * scale, wide), wide) if old is not None and scale is not None else None
        near = nearness(product, dtype, wide)
        if product is None:
            return code, near
        sign = (code >> top ^ signs[at]) << top
        return to_code(abs(product), dtype) | sign, near

    plain = {**storage, "options": {key: value for key, value in options.items() if key == "cast"}}
    return from_delta(lists, base, plain, predict)


class Product:
    """The factors, with few bits."""

    def __init__(self, first: list[int], second: list[int], rank: int) -> None:
        """``first``: the scale and, rank by rank, the left factor; ``second``: the right one."""
        (self.scale, *left), right = (to_finite(codes) for codes in (first, second))
        spare, rows, columns = 53 - (rank - 1).bit_length(), len(left) // rank, len(right) // rank
        self.left = [cut(left[i::rows], spare - spare // 2) for i in range(rows)]
        self.right = [cut(right[j::columns], spare // 2) for j in range(columns)]

    def at(self, row: int, column: int) -> Fraction:
        """The product times the scale, exactly."""
        return self.scale * sum((b * a for b, a in zip(self.left[row], self.right[column], strict=True)), Fraction(0))


def to_finite(codes: list[int]) -> list[Fraction]:
    """Numbers of F32, all of them finite."""
    values = [to_number(code, "F32") for code in codes]
    assert None not in values
    return [value or Fraction(0) for value in values]


def cut(numbers: list[Fraction], bits: int) -> list[Fraction]:
    """To multiples of 2 ** -bits of the power of two above all of them."""
    power = power_above(max(map(abs, numbers)))
    unit = Fraction(2) ** (power - bits)
    return [round(number / unit) * unit for number in numbers]


def power_above(size: Fraction) -> int:
    """The least power of two above ``size``, as its exponent; 0 for 0."""
    if not size:
        return 0
    power = size.numerator.bit_length() - size.denominator.bit_length() + 1
    return power - 1 if size < Fraction(2) ** (power - 1) else power


def add(code: int, product: Fraction, dtype: str, *, rounded: bool) -> tuple[int, int]:
    """A number of the base plus what is added to it, and its nearness."""
    wide = "F64" if dtype == "F32" else "F32"
    old = to_number(code, dtype)
    term = to_number(to_code(product, "F64"), "F64")
    if dtype != "F32":
        term = plus(term, Fraction(0), "F32")
    near = nearness(plus(old, term, wide), dtype, wide)
    if rounded and term is not None:
        term = to_number(to_code(term, dtype), dtype)
    total = plus(old, term, wide)
    return code if total is None else to_code(total, dtype), near


def plus(one: Number, other: Number, kind: str) -> Number:
    """The sum, rounded."""
    return None if one is None or other is None else to_number(to_code(one + other, kind), kind)


def nearness(value: Number, dtype: str, wide: str) -> int:
    """The key of the order 3."""
    if value is None:
        return 0
    _, exponent, fraction = FLOATS[wide]
    code = to_code(value, wide)
    below = fraction - FLOATS[dtype][2]
    distance = abs(code % (1 << below) - (1 << below - 1))
    length = distance.bit_length()
    after = distance >> length - 2 & 1 if length > 1 else 0
    return 2 * (code >> fraction) % (2 << exponent) + 2 * length + after


def to_number(code: int, kind: str) -> Number:
    """What a code stands for."""
    width, exponent, fraction = FLOATS[kind]
    sign, magnitude = divmod(code, 1 << 8 * width - 1)
    e, m = divmod(magnitude, 1 << fraction)
    if e == (1 << exponent) - 1:
        return None
    significand = m + (1 << fraction if e else 0)
    return (-1 if sign else 1) * significand * Fraction(2) ** (max(e, 1) - (1 << exponent - 1) + 1 - fraction)


def to_code(value: Fraction, kind: str) -> int:
    """The nearest number's."""
    width, exponent, fraction = FLOATS[kind]
    bias = (1 << exponent - 1) - 1
    unit = max(power_above(abs(value)) - 1, 1 - bias) - fraction
    multiple = round(abs(value) / Fraction(2) ** unit)
    found = min(multiple + ((unit - (1 - bias - fraction)) << fraction), ((1 << exponent) - 1) << fraction)
    if multiple < 1 << fraction:
        found = multiple
    return found | (1 << 8 * width - 1 if value < 0 else 0)
