"""A reader of ``delta`` written from docs/spec/objects.md alone, in plain integers, one number at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

BLOCK = 524_288
FLOATS = {"F64": (8, 11, 52), "F32": (4, 8, 23), "F16": (2, 5, 10), "BF16": (2, 8, 7)}
"""Bytes, bits of exponent, bits of fraction."""
MADE_OF = {"C128": "F64", "C64": "F32", "C32": "F16"}
WHOLE = {"I64": 8, "U64": 8, "I32": 4, "U32": 4, "QINT32": 4, "I16": 2, "U16": 2, "BITS16": 2}
TILE = 128


Predict = Callable[[int, int], tuple[int, int]]
"""What a number of the base, at its place in the part, is taken to be there; and the nearness."""


def from_delta(
    blocks: list[list[bytes]], base: bytes | None, storage: dict[str, Any], predict: Predict | None = None
) -> bytes:
    """The bytes of a part on those of its base; ``predict``: of another update that codes its blocks so."""
    assert base is not None
    options = storage.get("options", {})
    assert options.keys() <= {"cast"}
    dtype = MADE_OF.get(storage["dtype"], storage["dtype"])
    source = options.get("cast", dtype)
    assert source == dtype or {source, dtype} <= FLOATS.keys()
    assert options == {} or source != dtype
    width, old_width = (FLOATS[name][0] if name in FLOATS else WHOLE.get(name, 1) for name in (dtype, source))
    whole = []
    for number, arrays in enumerate(blocks):
        size = min(BLOCK, storage["size"] - number * BLOCK)
        assert size > 0
        step = BLOCK * old_width // width
        beside = base[number * step : (number + 1) * step]
        known = [
            int.from_bytes(beside[at : at + old_width], "little")
            for at in range(0, len(beside) // old_width * old_width, old_width)
        ][: size // width]
        if source != dtype:
            known = [cast(code, source, dtype) for code in known]
        near = None
        if predict:
            predicted = [predict(number * BLOCK // width + at, code) for at, code in enumerate(known)]
            known, near = [code for code, _ in predicted], [key for _, key in predicted]
        whole.append(Block(arrays, dtype, width, near).restore(known, size))
    return b"".join(whole)


class Block:
    """The arrays of a block, taken in turn."""

    def __init__(self, arrays: list[bytes], dtype: str, width: int, near: list[int] | None) -> None:
        assert arrays
        self.words = iter(arrays[0])
        self.arrays = iter(arrays[1:])
        self.float = FLOATS.get(dtype)
        self.width = width
        self.near = near
        self.modulus = 1 << 8 * width

    def word(self, most: int) -> int:
        word = next(self.words)
        assert word <= most
        return word

    def array(self, size: int) -> bytes:
        array = next(self.arrays)
        assert len(array) == size
        return array

    def restore(self, known: list[int], size: int) -> bytes:
        mode = self.word(2)
        if mode == 1:
            known = []
        rest = size - self.width * len(known)
        after = self.array(rest) if rest else b""
        if mode == 2:
            known = self.moved(known)
        assert next(self.words, None) is None
        assert next(self.arrays, None) is None
        return b"".join(number.to_bytes(self.width, "little") for number in known) + after

    def moved(self, known: list[int]) -> list[int]:
        result = list(known)
        left: Sequence[int] = range(len(known))
        told = self.word(2 if self.float and self.float[2] > 16 else 1)
        if told:
            tiles = [range(at, at + TILE) for at in range(0, len(known) // TILE * TILE, TILE)]
            changed = self.chosen(tiles)
            quiet: list[range] = []
            if told == 2:
                flags = self.flags(len(changed))
                quiet = [tile for tile, flag in zip(changed, flags, strict=True) if flag]
                changed = [tile for tile, flag in zip(changed, flags, strict=True) if not flag]
            places = self.ordered([place for tile in quiet for place in tile], known, 4)
            if told == 2:
                self.add(result, places, self.differences(len(places)))
            left = [*(place for tile in changed for place in tile), *range(len(known) // TILE * TILE, len(known))]
        if left:
            self.move(result, left)
        return result

    def move(self, result: list[int], left: Sequence[int]) -> None:
        order = self.word(3 if self.near else 2 if self.float else 0)
        told = self.word(2 if self.float else 1)
        left = self.ordered(left, result, order)
        if told:
            flags = self.flags(len(left))
            for place, flag in zip(left, flags, strict=True):
                if flag:
                    result[place] &= self.modulus // 2 if told == 2 else 0
            left = [place for place, flag in zip(left, flags, strict=True) if not flag]
        if self.word(1) == 0:
            self.add(result, left, self.differences(len(left)))
            return
        left = self.chosen(left)
        large = self.flags(len(left))
        signs = bits(self.array(-(-len(left) // 8)), len(left))
        more = iter(self.planes(sum(large)))
        sizes = [next(more) + 2 if flag else 1 for flag in large]
        self.add(result, left, [-size if sign else size for size, sign in zip(sizes, signs, strict=True)])

    def add(self, result: list[int], places: Sequence[int], differences: Iterable[int]) -> None:
        for place, difference in zip(places, differences, strict=True):
            result[place] = (result[place] + difference) % self.modulus

    def ordered(self, places: Sequence[int], numbers: list[int], order: int) -> list[int]:
        if not self.float or order == 0:
            return list(places)
        _, exponent, fraction = self.float
        keys: dict[int, Callable[[int], int]] = {
            1: lambda number: (number >> fraction) % (1 << exponent),
            2: lambda number: number % (self.modulus // 2) >> max(0, exponent + fraction - 16),
            4: lambda number: number % (1 << fraction) >> max(0, fraction - 8),
        }
        if order == 3:
            assert self.near
            return sorted(places, key=self.near.__getitem__)
        return sorted(places, key=lambda place: keys[order](numbers[place]))

    def chosen(self, items: Sequence[Any]) -> list[Any]:
        return [item for item, flag in zip(items, self.flags(len(items)), strict=True) if flag]

    def flags(self, count: int) -> list[bool]:
        levels = self.word(3)
        sizes = [count]
        for _ in range(levels + 1):
            sizes.append(-(-sizes[-1] // 8))
        level = self.array(sizes[-1])
        for size in sizes[-2:0:-1]:
            filled = bits(level, size)
            stored = iter(self.array(sum(filled)))
            level = bytes(next(stored) if flag else 0 for flag in filled)
        return bits(level, count)

    def planes(self, count: int) -> list[int]:
        planes = [self.array(count) for _ in range(self.word(self.width))]
        return [sum(plane[at] << 8 * j for j, plane in enumerate(planes)) for at in range(count)]

    def differences(self, count: int) -> Iterator[int]:
        return (-(folded + 1) // 2 if folded % 2 else folded // 2 for folded in self.planes(count))


def bits(data: bytes, count: int) -> list[bool]:
    return [bool(data[i // 8] >> i % 8 & 1) for i in range(count)]


def cast(code: int, source: str, target: str) -> int:
    """A number of one kind of float as the nearest one of another."""
    old_width, old_exponent, old_fraction = FLOATS[source]
    width, exponent, fraction = FLOATS[target]
    sign, magnitude = divmod(code, 1 << 8 * old_width - 1)
    e, m = divmod(magnitude, 1 << old_fraction)
    infinity = ((1 << exponent) - 1) << fraction
    if e == (1 << old_exponent) - 1:
        kept = m << fraction >> old_fraction
        found = infinity | kept | 1 << fraction - 1 if m else infinity
    elif not magnitude:
        found = 0
    else:
        old_bias, bias = (1 << old_exponent - 1) - 1, (1 << exponent - 1) - 1
        significand = m + (1 << old_fraction if e else 0)
        power = max(e, 1) - old_bias - old_fraction
        # The last bit of a number of so many bits is worth 2 ** unit, and no less than the smallest number.
        unit = max(significand.bit_length() - 1 + power - fraction, 1 - bias - fraction)
        shift = unit - power
        rounded = significand << -shift if shift <= 0 else round_off(significand, shift)
        found = min(rounded + ((unit - (1 - bias - fraction)) << fraction), infinity)
    return found | sign << 8 * width - 1


def round_off(number: int, shift: int) -> int:
    """The nearest multiple of 2 ** shift, as its multiple; of two the even one."""
    low, half = number % (1 << shift), 1 << shift - 1
    return (number >> shift) + (low > half or (low == half and (number >> shift) % 2 == 1))
