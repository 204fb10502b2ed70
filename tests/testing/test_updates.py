"""The kit for updates, proved by small ones that build on a base or have a head, and by wrong ones that it catches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import Array, Arrays, Buffer
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import Values
from git_theta.testing.updates import UpdateLaws
from git_theta.updates.base import Coder, Decoder, Update
from tests.testing.sample_updates import AboveSmallestUpdate, DifferenceUpdate, XorUpdate


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


def laws_of(update: Update) -> UpdateLaws:
    class Laws(UpdateLaws):
        def make_update(self) -> Update:
            return update

    return Laws()


def test_an_update_that_is_not_exact_is_caught() -> None:
    with pytest.raises(AssertionError):
        laws_of(_Wrong(decoder=_Trusting)).test_exact_for_every_bit_pattern_on_every_base(4, 4096)


def test_a_decoder_that_takes_anything_is_caught() -> None:
    with pytest.raises(pytest.fail.Exception, match="CorruptObject"):
        laws_of(_Wrong(decoder=_Trusting)).test_no_arrays_are_no_block()


def test_a_coder_with_a_state_is_caught() -> None:
    with pytest.raises((AssertionError, CorruptObject)):
        laws_of(_Wrong(coder=_Numbering)).test_blocks_in_any_order_on_any_number_of_threads()


def test_a_coder_that_holds_the_tensor_is_caught() -> None:
    with pytest.raises(AssertionError):
        laws_of(_Holding()).test_l6_a_long_tensor_is_never_held()
