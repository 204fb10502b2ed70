"""The laws of ``git_theta.updates.base``."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest

from git_theta.errors import CorruptObject
from git_theta.serializers.framing import MAX_STORED_BLOCK
from git_theta.tensors.arrays import BLOCK
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import LENGTHS, WIDTHS, another_day, noise_bytes, sample_blocks
from git_theta.testing.update_hooks import UpdateHooks
from git_theta.testing.update_samples import LONG, LongValues, alter_tensor, copy_lists, odd_arrays, sample_tensors

_MOST_BYTES = MAX_STORED_BLOCK // 2
"""Bytes that the arrays of one block may have: a stored block has at most 2 MiB, the serializer's words included."""


class UpdateLaws(UpdateHooks):
    """Derive, and name the update; ``settings`` where it needs some.

    Where the update may say that it does not pay, it must still decode what it encodes; give ``related_bytes`` then.
    """

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
