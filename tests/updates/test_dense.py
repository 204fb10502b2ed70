"""The dense update: the conformance kit, and literal arrays."""

from __future__ import annotations

import pytest

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import Array
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.updates import UpdateLaws
from git_theta.updates.base import Update
from git_theta.updates.dense import DenseUpdate


class TestDense(UpdateLaws):
    def make_update(self) -> Update:
        return DenseUpdate()


def test_a_block_is_one_array() -> None:
    values = MemoryValues(Spec(BY_NAME["BF16"], (2,)), b"abcd")
    assert DenseUpdate().coder(values, None, {}).encode(0, b"abcd", b"") == (Array(2, b"abcd"),)


def test_two_arrays_are_no_block() -> None:
    decoder = DenseUpdate().decoder(Spec(BY_NAME["U8"], (0,)), iter([]), {})
    with pytest.raises(CorruptObject, match="one array, not 2"):
        decoder.decode(0, (Array(1, b""), Array(1, b"")), b"")
