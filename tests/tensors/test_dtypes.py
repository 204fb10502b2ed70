"""The table of element types, against torch and safetensors themselves."""

from __future__ import annotations

import pytest

from git_theta.tensors.dtypes import BY_NAME, BY_STORAGE, BY_TORCH
from git_theta.tensors.spec import Spec


def test_names_are_unique() -> None:
    assert len({dtype.torch for dtype in BY_NAME.values() if dtype.torch}) == len(BY_TORCH)
    assert len({dtype.storage for dtype in BY_NAME.values() if dtype.storage}) == len(BY_STORAGE)


def test_every_dtype_of_torch_is_there_with_its_size() -> None:
    torch = pytest.importorskip("torch")
    ours = {name: dtype.bits for name, dtype in BY_TORCH.items()}
    theirs = {name: value.itemsize * 8 for name, value in vars(torch).items() if isinstance(value, torch.dtype)}
    canonical = {str(getattr(torch, name)).removeprefix("torch.") for name in theirs}
    assert canonical <= ours.keys()
    assert {name: ours[name] for name in canonical} == {name: theirs[name] for name in canonical}


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_every_typed_storage_of_torch_has_its_dtype() -> None:
    torch = pytest.importorskip("torch")
    for name, dtype in BY_STORAGE.items():
        assert str(getattr(torch, name)(0).dtype) == f"torch.{dtype.torch}"


@pytest.mark.parametrize(
    ("name", "width"),
    [("F64", 8), ("F32", 4), ("BF16", 2), ("F8_E4M3", 1), ("F4", 1), ("BOOL", 1), ("C64", 4), ("C128", 8), ("C32", 2)],
)
def test_the_width_is_that_of_a_number(name: str, width: int) -> None:
    assert BY_NAME[name].width == width


def test_widths_are_those_that_updates_and_serializers_know() -> None:
    assert {dtype.width for dtype in BY_NAME.values()} == {1, 2, 4, 8}


@pytest.mark.parametrize(
    ("name", "shape", "elements", "size"),
    [
        ("F32", (2, 3), 6, 24),
        ("F32", (), 1, 4),
        ("F32", (0, 1 << 40), 0, 0),
        ("F4", (3,), 3, 2),
        ("F6_E2M3", (4,), 4, 3),
        ("F6_E2M3", (5,), 5, 4),
        ("C128", (2,), 2, 32),
        ("I64", (1 << 62, 1 << 62), 1 << 124, 1 << 127),
    ],
)
def test_a_spec_knows_its_bytes(name: str, shape: tuple[int, ...], elements: int, size: int) -> None:
    spec = Spec(BY_NAME[name], shape)
    assert (spec.elements, spec.nbytes) == (elements, size)


def test_a_block_of_elements_may_have_no_whole_bits_for_one() -> None:
    """Q4_K of GGUF: 256 elements in 144 bytes; Q8_0: 32 in 34."""
    q4_k, q8_0 = BY_NAME["Q4_K"], BY_NAME["Q8_0"]
    assert [q4_k.count_bytes(elements) for elements in (0, 1, 256, 257, 1 << 40)] == [0, 144, 144, 288, 144 << 32]
    assert Spec(q8_0, (3, 64)).nbytes == 6 * 34
    assert (q4_k.width, q8_0.width) == (1, 1)
