"""What an update that is held to the laws says of itself, and how it is tried: encoded, and decoded again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from itertools import chain, count
from typing import Any, NamedTuple

import pytest

from git_theta.serializers.base import SERIALIZERS
from git_theta.tensors.alignment import aligned_step, recut_blocks
from git_theta.tensors.arrays import Arrays
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import noise_bytes, threaded_map
from git_theta.testing.update_samples import LongValues, copy_lists
from git_theta.updates.base import Coder, Update


class EncodedBlocks(NamedTuple):
    """The arrays of a tensor, the head's first, and the options that decode them."""

    lists: list[Arrays]
    options: Mapping[str, Any]


class UpdateHooks(ABC):
    """The update, what it is told, and values that it is good for."""

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

    def _encode(self, values: bytes, base: bytes, width: int, threads: int = 0) -> EncodedBlocks:
        """All lists, head first. Skips the test where it does not pay."""
        held, other = self._values(values, width), self._values(base, width)
        coder = self._coder(held, other)
        if coder is None:
            pytest.skip("does not pay for these values")
        blocks = _encode_blocks(coder, held, self._beside(held.spec, other), threads)
        return EncodedBlocks([*coder.head, *blocks], coder.options)

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


def _encode_blocks(coder: Coder, values: MemoryValues, beside: Iterator[Any], threads: int = 0) -> list[Arrays]:
    items = zip(count(), values.blocks(), beside, strict=False)
    mapping = threaded_map(threads) if threads else map
    return list(mapping(lambda item: coder.encode(*item), items))
