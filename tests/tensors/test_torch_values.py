"""Bytes as torch tensors and back: every dtype, by view."""

from __future__ import annotations

import pytest
import torch

from git_theta.errors import ThetaError
from git_theta.tensors.dtypes import BY_NAME, BY_TORCH
from git_theta.tensors.spec import Spec
from git_theta.tensors.torch_values import from_bytes, spec_of, to_bytes, torch_dtype

DATA = bytes(range(256)) * 4


@pytest.mark.parametrize("name", BY_TORCH)
def test_every_dtype_goes_there_and_back(name: str) -> None:
    tensor = from_bytes(DATA, BY_TORCH[name])
    assert (tensor.dtype, tensor.dim()) == (getattr(torch, name), 1)
    assert spec_of(tensor) == Spec(BY_TORCH[name], (len(DATA) // tensor.itemsize,))
    assert bytes(to_bytes(tensor)) == DATA


def test_nothing_is_copied() -> None:
    data = bytearray(DATA)
    tensor = from_bytes(data, BY_NAME["F32"])
    back = to_bytes(tensor)
    data[0] ^= 0xFF
    assert back[0] == data[0]
    assert tensor.view(torch.uint8)[0] == data[0]


def test_read_only_bytes_are_fine_and_live_as_long_as_the_tensor() -> None:
    tensor = from_bytes(memoryview(bytes(4 << 20)), BY_NAME["F32"])
    assert not tensor.any()


def test_a_view_at_an_odd_address_is_still_right() -> None:
    tensor = from_bytes(memoryview(b"x" + DATA)[1:], BY_NAME["F64"])
    assert bytes(to_bytes(tensor)) == DATA
    assert tensor.data_ptr() % 8 == 0


def test_half_an_element_is_refused() -> None:
    with pytest.raises(ValueError, match="3 bytes are no whole number of BF16"):
        from_bytes(b"abc", BY_NAME["BF16"])


def test_no_bytes_are_an_empty_tensor() -> None:
    assert from_bytes(b"", BY_NAME["F64"]).shape == (0,)
    assert bytes(to_bytes(torch.empty(0, 3))) == b""


@pytest.mark.parametrize("name", ["F4", "F6_E2M3"])
def test_a_dtype_that_torch_lacks_is_an_error(name: str) -> None:
    with pytest.raises(ThetaError, match=f"has no dtype for {name}"):
        torch_dtype(BY_NAME[name])


def test_strided_and_conjugate_tensors_give_their_values_row_by_row() -> None:
    matrix = torch.arange(6.0).view(2, 3).T
    assert bytes(to_bytes(matrix)) == bytes(to_bytes(matrix.contiguous()))
    conjugate = torch.tensor([1 + 2j]).conj()
    assert bytes(to_bytes(conjugate)) == bytes(to_bytes(torch.tensor([1 - 2j])))


def test_a_0d_tensor_is_one_element() -> None:
    assert spec_of(torch.tensor(1.0)) == Spec(BY_NAME["F32"], ())
    assert len(to_bytes(torch.tensor(1.0))) == 4
