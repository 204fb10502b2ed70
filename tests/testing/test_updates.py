"""The kit for updates, proved by small ones that build on a base or have a head, and by wrong ones that it catches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import Array, Arrays, Buffer
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import Values
from git_theta.testing.updates import UpdateLaws
from git_theta.updates.base import Coder, Decoder, Update
from tests.testing.sample_updates import AboveSmallestUpdate, DifferenceCoder, DifferenceUpdate, XorUpdate


class TestDifference(UpdateLaws):
    def make_update(self) -> Update:
        return DifferenceUpdate()


class TestXor(UpdateLaws):
    def make_update(self) -> Update:
        return XorUpdate()


class TestAboveSmallest(UpdateLaws):
    def make_update(self) -> Update:
        return AboveSmallestUpdate()


class _Wrong(DifferenceUpdate):
    """Makes coders and decoders that the tests below spoil."""

    def __init__(self, coder: type[Coder] | None = None, decoder: type[Decoder] | None = None) -> None:
        self._coder, self._decoder = coder, decoder

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder:
        return self._coder() if self._coder else super().coder(values, base, settings)

    def decoder(self, spec: Spec, stored: Iterator[Arrays], options: Mapping[str, Any]) -> Decoder:
        return self._decoder() if self._decoder else super().decoder(spec, stored, options)


class _Holding(DifferenceUpdate):
    """Reads the whole tensor into memory."""

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder:
        coder = super().coder(values, base, settings)
        coder.held = list(values.blocks())  # type: ignore[attr-defined]
        return coder


class _Numbering(Coder):
    """Counts the blocks, whoever asks."""

    def __init__(self) -> None:
        self.count = 0

    def encode(self, at: int, block: Buffer, base_block: Buffer) -> Arrays:
        self.count += 1
        return (Array(1, bytes([self.count % 256])), Array(1, bytes(block)))


class _Trusting(Decoder):
    """Takes what it gets."""

    def decode(self, at: int, arrays: Arrays, base_block: Buffer) -> Buffer:
        return b"".join(bytes(array.data) for array in arrays)


class _LossyUpdate(_Wrong):
    """Loses the last byte of a block, for some tensors alone."""

    def __init__(self, is_lossy: Callable[[Spec], bool]) -> None:
        super().__init__()
        self._is_lossy = is_lossy

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder:
        return _Dropping(values.spec.dtype.width) if self._is_lossy(values.spec) else super().coder(values, base, {})


class _Dropping(Coder):
    def __init__(self, width: int) -> None:
        self._exact = DifferenceCoder(width)

    def encode(self, at: int, block: Buffer, base_block: Buffer) -> Arrays:
        return self._exact.encode(at, bytes(block)[:-1].ljust(len(block), b"\0"), base_block)


class _NeverUpdate(DifferenceUpdate):
    """Says that it does not pay, whatever it is shown."""

    def coder(self, values: Values, base: Values | None, settings: Mapping[str, Any]) -> Coder:
        return None  # type: ignore[return-value]


class _Dating(Coder):
    """Writes the day into each block."""

    def encode(self, at: int, block: Buffer, base_block: Buffer) -> Arrays:
        return (Array(1, bytes(block)), Array(8, int(time.time() // 86400).to_bytes(8, "little")))


def laws_of(update: Update) -> UpdateLaws:
    class Laws(UpdateLaws):
        def make_update(self) -> Update:
            return update

    return Laws()


def test_an_update_that_is_not_exact_is_caught() -> None:
    with pytest.raises(AssertionError):
        laws_of(_Wrong(decoder=_Trusting)).test_exact_for_every_bit_pattern_on_every_base(4, 4096)


@pytest.mark.parametrize("dtype", ["BF16", "F32", "U16"])
def test_an_update_that_is_not_exact_for_one_dtype_is_caught(dtype: str) -> None:
    laws = laws_of(_LossyUpdate(lambda spec: spec.dtype.name == dtype))
    with pytest.raises(AssertionError):
        laws.test_exact_for_every_dtype_and_number_of_dimensions(dtype)


@pytest.mark.parametrize("dimensions", [0, 1, 2, 3])
def test_an_update_that_is_not_exact_for_some_shapes_is_caught(dimensions: int) -> None:
    laws = laws_of(_LossyUpdate(lambda spec: len(spec.shape) == dimensions))
    with pytest.raises(AssertionError):
        laws.test_exact_for_every_dtype_and_number_of_dimensions("F32")


def test_an_update_that_never_encodes_is_caught() -> None:
    with pytest.raises(AssertionError, match="what it is good for"):
        laws_of(_NeverUpdate()).test_it_pays_for_something()


def test_a_coder_that_writes_the_day_is_caught() -> None:
    with pytest.raises(AssertionError):
        laws_of(_Wrong(coder=_Dating)).test_the_same_values_give_the_same_arrays_on_any_day()


def test_a_decoder_that_takes_anything_is_caught() -> None:
    with pytest.raises(pytest.fail.Exception, match="CorruptObject"):
        laws_of(_Wrong(decoder=_Trusting)).test_no_arrays_are_no_block()


def test_a_coder_with_a_state_is_caught() -> None:
    with pytest.raises((AssertionError, CorruptObject)):
        laws_of(_Wrong(coder=_Numbering)).test_blocks_in_any_order_on_any_number_of_threads()


def test_a_coder_that_holds_the_tensor_is_caught() -> None:
    with pytest.raises(AssertionError):
        laws_of(_Holding()).test_l6_a_long_tensor_is_never_held()
