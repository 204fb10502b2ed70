"""The dense update: the conformance kit, and literal arrays."""

from __future__ import annotations

import pytest

from git_theta.errors import CorruptObject
from git_theta.tensors.arrays import Array
from git_theta.testing.updates import UpdateLaws
from git_theta.updates.base import Update
from git_theta.updates.dense import DenseUpdate


class TestDense(UpdateLaws):
    def make_update(self) -> Update:
        return DenseUpdate()


def test_a_block_is_one_array() -> None:
    assert DenseUpdate().encode(b"abcd", 2) == (Array(2, b"abcd"),)


def test_two_arrays_are_no_block() -> None:
    with pytest.raises(CorruptObject, match="one array, not 2"):
        DenseUpdate().decode((Array(1, b""), Array(1, b"")))
