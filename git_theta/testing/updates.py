"""The laws of ``git_theta.updates.base``."""

from __future__ import annotations

import contextlib
import tracemalloc
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from itertools import chain, count
from typing import Any, NamedTuple

import pytest

from git_theta.errors import CorruptObject
from git_theta.serializers.base import SERIALIZERS
from git_theta.serializers.framing import MAX_STORED_BLOCK
from git_theta.tensors.alignment import aligned_step, recut_blocks
from git_theta.tensors.arrays import BLOCK, Arrays
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import LENGTHS, WIDTHS, another_day, noise_bytes, sample_blocks, threaded_map
from git_theta.testing.update_samples import LONG, LongValues, alter_tensor, copy_lists, odd_arrays, sample_tensors
from git_theta.updates.base import Coder, Update

_MOST_BYTES = MAX_STORED_BLOCK // 2
"""Bytes that the arrays of one block may have: a stored block has at most 2 MiB, the serializer's words included."""


class UpdateLaws(ABC):
    """Derive, and name the update; ``settings`` where it needs some.

    Where the update may say that it does not pay, it must still decode what it encodes; give ``related_bytes`` then.
    """

    @abstractmethod
    def make_update(self) -> Update:
        """The update under test."""

    def settings(self) -> Mapping[str, Any]:
        """What to tell the coder."""
        return {}

    def dtype_of(self, width: int) -> str:
        """The name of a dtype of so many bytes, where the update is not good for unsigned integers."""
        return f"U{8 * width}"

    def shape_of(self, elements: int) -> tuple[int, ...]:
        """The shape of so many, where the update is not good for one dimension."""
        return (elements,)

    def related_bytes(self, base: bytes, width: int) -> bytes:
        """Values, as many as those of ``base``, that the update is good for. ``width``: bytes of a number."""
        return base[: len(base) // 2] + noise_bytes(width) + base[len(base) // 2 + width :]

    @pytest.mark.parametrize("length", LENGTHS)
    @pytest.mark.parametrize("width", WIDTHS)
    def test_exact_for_every_bit_pattern_on_every_base(self, width: int, length: int) -> None:
        for block in sample_blocks(length, width):
            for base in self._bases_for(block, width):
                self._require_exact(block, base, width)

    @pytest.mark.parametrize("width", WIDTHS)
    def test_exact_for_several_blocks(self, width: int) -> None:
        base = noise_bytes(2 * BLOCK + 24)
        for block in (self.related_bytes(base, width), noise_bytes(2 * BLOCK + 24, 1), bytes(3 * BLOCK)):
            for other in self._bases_for(block, width, base):
                self._require_exact(block, other, width)

    def test_blocks_in_any_order_on_any_number_of_threads(self) -> None:
        base = noise_bytes(3 * BLOCK + 8)
        values = self.related_bytes(base, 4)
        lists, options = self._encode(values, base, 4, threads=3)
        assert copy_lists(lists) == copy_lists(self._encode(values, base, 4).lists)
        assert self._decode(lists, options, values, base, threads=3) == values

    def test_the_arrays_of_a_block_fit_into_a_stored_block(self) -> None:
        for width in WIDTHS:
            for block in sample_blocks(BLOCK, width):
                for base in self._bases_for(block, width):
                    for arrays in self._encode(block, base, width).lists:
                        assert sum(len(array.data) for array in arrays) <= _MOST_BYTES

    @pytest.mark.parametrize("dtype", BY_NAME)
    def test_exact_for_every_dtype_and_number_of_dimensions(self, dtype: str) -> None:
        """Those too that it is not meant for: then it does not pay, or is exact."""
        for values in sample_tensors(BY_NAME[dtype]):
            for base in (alter_tensor(values), MemoryValues(values.spec, bytes(values.size))):
                self._require_exact_values(values, base)

    def test_it_pays_for_something(self) -> None:
        """An update that never encodes would keep every other law."""
        base = noise_bytes(BLOCK)
        related = {width: self.related_bytes(base, width) for width in WIDTHS}
        pays = [self._coder(self._values(data, width), self._values(base, width)) for width, data in related.items()]
        assert any(pays), "related_bytes and settings have to say what it is good for"

    def test_the_same_values_give_the_same_arrays_on_any_day(self) -> None:
        base = noise_bytes(4096, 1)
        for width in WIDTHS:
            for block in (noise_bytes(4096), self.related_bytes(base, width)):
                first = self._encode_or_none(block, base, width)
                with another_day():
                    assert self._encode_or_none(block, base, width) == first

    def test_a_base_of_another_spec_is_refused_or_used(self) -> None:
        """Whatever is at hand as a base: the right values come back, or nothing was encoded."""
        if self.make_update().base != "any":
            pytest.skip("the engine offers bases of the same spec alone, or none")
        values, base = MemoryValues(self._spec("BF16", 4096), noise_bytes(4096)), noise_bytes(8192, 1)
        for dtype, cut in (("F32", 8192), ("F32", 4096), ("F32", 0), ("U8", 2048)):
            other = MemoryValues(self._spec(dtype, cut), base[:cut])
            self._require_exact_values(values, other)

    def test_a_wrong_base_gives_corrupt_or_other_values_and_nothing_else(self) -> None:
        if self.make_update().base == "none":
            pytest.skip("builds on no base")
        base = noise_bytes(4096)
        values = self.related_bytes(base, 4)
        lists, options = self._encode(values, base, 4)
        for wrong in (noise_bytes(4096, 1), base[:-4], base[:1], b"", base + base):
            with contextlib.suppress(CorruptObject):
                assert len(self._decode(lists, options, values, wrong)) <= _MOST_BYTES

    def test_arrays_that_are_no_blocks_are_corrupt_or_other_values_and_nothing_else(self) -> None:
        base = noise_bytes(4096, 2)
        values = self.related_bytes(base, 4)
        honest, options = self._encode(values, base, 4)
        for at in range(len(honest)):
            for arrays in odd_arrays(honest[at]):
                odd = [*honest[:at], arrays, *honest[at + 1 :]]
                with contextlib.suppress(CorruptObject):
                    assert len(self._decode(odd, options, values, base)) <= _MOST_BYTES

    def test_no_arrays_are_no_block(self) -> None:
        base = noise_bytes(4096)
        values = self.related_bytes(base, 4)
        honest, options = self._encode(values, base, 4)
        for at in range(len(honest)):
            with pytest.raises(CorruptObject):
                self._decode([*honest[:at], (), *honest[at + 1 :]], options, values, base)

    def test_a_payload_that_ends_within_the_head_is_corrupt(self) -> None:
        base = noise_bytes(4096)
        values = self.related_bytes(base, 4)
        lists, options = self._encode(values, base, 4)
        for left in range(len(lists) - 1):  # the last one is the only block's
            with pytest.raises(CorruptObject):
                self._decode(lists[:left], options, values, base)

    def test_l6_a_long_tensor_is_never_held(self) -> None:
        spec = self._spec(self.dtype_of(4), LONG * BLOCK)
        for values in (LongValues(spec, 0), LongValues(spec, 1)):
            tracemalloc.start()
            try:
                for _ in self._encode_lazily(values, LongValues(spec, 0)):
                    pass
                assert tracemalloc.get_traced_memory()[1] < LONG * BLOCK // 2
            finally:
                tracemalloc.stop()

    def _bases_for(self, block: bytes, width: int, base: bytes | None = None) -> Iterator[bytes]:
        """Bases to try: random, equal, related; and shorter where the update takes any."""
        yield from (noise_bytes(len(block), 9), block) if base is None or len(base) != len(block) else (base, block)
        if self.make_update().base == "any":
            yield from (block[: len(block) // 2 // width * width], b"")

    def _require_exact(self, values: bytes, base: bytes, width: int) -> None:
        self._require_exact_values(self._values(values, width), self._values(base, width))

    def _require_exact_values(self, values: MemoryValues, base: MemoryValues) -> None:
        coder = self._coder(values, base)
        if coder is None:
            return
        lists = [*coder.head, *_encode_blocks(coder, values, self._beside(values.spec, base))]
        assert self._decode_values(lists, coder.options, values.spec, base) == b"".join(values.blocks())

    def _coder(self, values: MemoryValues | LongValues, base: MemoryValues | LongValues) -> Coder | None:
        update = self.make_update()
        coder = update.coder(values, None if update.base == "none" else base, self.settings())
        assert coder is None or coder.options.keys() <= set(update.options)
        assert coder is None or SERIALIZERS.load_plugin(coder.serializer).takes_any_arrays
        return coder

    def _beside(self, spec: Spec, base: MemoryValues | LongValues) -> Iterator[Any]:
        if self.make_update().base == "none":
            return iter(lambda: b"", None)
        step = aligned_step(spec, base.spec)
        assert step
        return chain(recut_blocks(base.blocks(), step), iter(lambda: b"", None))

    def _encode_or_none(self, values: bytes, base: bytes, width: int) -> object:
        """What is stored, to be compared; None where it does not pay."""
        held, other = self._values(values, width), self._values(base, width)
        coder = self._coder(held, other)
        if coder is None:
            return None
        lists = [*coder.head, *_encode_blocks(coder, held, self._beside(held.spec, other))]
        return copy_lists(lists), coder.options, coder.serializer

    def _encode(self, values: bytes, base: bytes, width: int, threads: int = 0) -> _Encoded:
        """All lists, head first. Skips the test where it does not pay."""
        held, other = self._values(values, width), self._values(base, width)
        coder = self._coder(held, other)
        if coder is None:
            pytest.skip("does not pay for these values")
        blocks = _encode_blocks(coder, held, self._beside(held.spec, other), threads)
        return _Encoded([*coder.head, *blocks], coder.options)

    def _encode_lazily(self, values: LongValues, base: LongValues) -> Iterator[Arrays]:
        coder = self._coder(values, base)
        if coder is not None:
            yield from coder.head
            items = zip(count(), values.blocks(), self._beside(values.spec, base), strict=False)
            yield from (coder.encode(at, block, base_block) for at, block, base_block in items)

    def _decode(
        self, lists: list[Arrays], options: Mapping[str, Any], values: bytes, base: bytes, threads: int = 0
    ) -> bytes:
        """What becomes of the lists of ``values``, 32-bit numbers, on that base."""
        spec = self._values(values, 4).spec
        other = MemoryValues(self._spec(self.dtype_of(4), len(base)), base)
        return self._decode_values(lists, options, spec, other, threads)

    def _decode_values(
        self, lists: list[Arrays], options: Mapping[str, Any], spec: Spec, base: MemoryValues, threads: int = 0
    ) -> bytes:
        stored = iter(lists)
        decoder = self.make_update().decoder(spec, stored, options)
        items = zip(count(), stored, self._beside(spec, base), strict=False)
        mapping = threaded_map(threads) if threads else map
        return b"".join(mapping(lambda item: bytes(decoder.decode(*item)), items))

    def _spec(self, dtype: str, size: int) -> Spec:
        return Spec(BY_NAME[dtype], self.shape_of(size * 8 // BY_NAME[dtype].bits))

    def _values(self, data: bytes, width: int) -> MemoryValues:
        """Bytes as numbers of so many bytes each; as bytes where they are no whole number of them."""
        return MemoryValues(self._spec("U8" if len(data) % width else self.dtype_of(width), len(data)), data)


class _Encoded(NamedTuple):
    lists: list[Arrays]
    options: Mapping[str, Any]


def _encode_blocks(coder: Coder, values: MemoryValues, beside: Iterator[Any], threads: int = 0) -> list[Arrays]:
    items = zip(count(), values.blocks(), beside, strict=False)
    mapping = threaded_map(threads) if threads else map
    return list(mapping(lambda item: coder.encode(*item), items))
