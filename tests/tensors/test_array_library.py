"""Array libraries: numpy and torch say the same of every dtype."""

from __future__ import annotations

import math
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch

from git_theta.tensors.array_library import ArrayLibrary, count_nonfinite, lies_within, namespace, to_numpy, zeros
from git_theta.tensors.dtypes import BY_NAME, BY_TORCH
from git_theta.tensors.numpy_library import NUMPY
from git_theta.tensors.rounding import NAN
from git_theta.tensors.torch_library import TorchLibrary

TORCH = TorchLibrary()
LIBRARIES: tuple[ArrayLibrary, ...] = (NUMPY, TORCH)
REAL = list(NAN)
EVERY_BYTE = bytes(range(256)) * 16 + bytes(range(1, 256, 2)) * 32

each_library = pytest.mark.parametrize("library", LIBRARIES, ids=["numpy", "torch"])


@each_library
@pytest.mark.parametrize("name", BY_TORCH)
def test_every_dtype_goes_there_and_back(library: ArrayLibrary, name: str) -> None:
    stored = library.from_bytes(EVERY_BYTE, BY_TORCH[name])
    assert library.is_vector(stored)
    assert stored.dtype == library.dtype(BY_TORCH[name])
    assert len(stored) * stored.itemsize == len(EVERY_BYTE)
    assert bytes(library.to_bytes(stored)) == EVERY_BYTE


@each_library
def test_an_odd_address_is_as_good_and_half_an_element_is_refused(library: ArrayLibrary) -> None:
    stored = library.from_bytes(memoryview(b"x" + EVERY_BYTE)[1:], BY_NAME["F64"])
    assert bytes(library.to_bytes(stored)) == EVERY_BYTE
    with pytest.raises(ValueError, match="3 bytes are no whole number of BF16"):
        library.from_bytes(b"abc", BY_NAME["BF16"])
    assert bytes(library.to_bytes(library.from_bytes(b"", BY_NAME["F32"]))) == b""


def test_numpy_copies_nothing() -> None:
    data = bytearray(EVERY_BYTE)
    back = NUMPY.to_bytes(NUMPY.from_bytes(data, BY_NAME["BF16"]))
    data[0] ^= 0xFF
    assert back[0] == data[0]


@pytest.mark.parametrize("name", REAL)
def test_numbers_are_widened_alike(name: str) -> None:
    dtype = BY_NAME[name]
    ours, theirs = (to_numpy(library.widen(library.from_bytes(EVERY_BYTE, dtype), dtype)) for library in LIBRARIES)
    assert ours.dtype == theirs.dtype == (np.float64 if name == "F64" else np.float32)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    assert ours[~np.isnan(ours)].tobytes() == theirs[~np.isnan(ours)].tobytes()


@pytest.mark.parametrize("name", REAL)
def test_numbers_are_rounded_alike_and_nan_is_ours(name: str) -> None:
    dtype = BY_NAME[name]
    kind = np.float64 if name == "F64" else np.float32
    drawn = np.random.default_rng(2).integers(0, 256, 1 << 16, np.uint8).view(kind)
    tame = np.random.default_rng(3).standard_normal(1 << 12).astype(kind)
    for values in (drawn, tame, np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0], kind)):
        with NUMPY.quiet():
            ours = NUMPY.round(values, dtype)
        theirs = TORCH.round(torch.from_numpy(values), dtype)
        assert bytes(NUMPY.to_bytes(ours.stored)) == bytes(TORCH.to_bytes(theirs.stored))
        assert ours.nonfinite == theirs.nonfinite == count_nonfinite(NUMPY.widen(ours.stored, dtype))
        codes = ours.stored.view(f"u{dtype.bits // 8}")
        assert set(codes[np.isnan(values)].tolist()) <= {NAN[name]}
    assert ours.nonfinite >= 2


@each_library
def test_what_all_elements_share_is_rounded_once(library: ArrayLibrary) -> None:
    assert library.share(0.1, BY_NAME["F64"]).tolist() == [0.1]
    assert library.share(0.1, BY_NAME["BF16"]).tolist() == [struct.unpack("<f", struct.pack("<f", 0.1))[0]]
    assert library.share(1e300, BY_NAME["F32"]).tolist() == [math.inf]


def test_numbers_far_apart_nan_and_infinity() -> None:
    for values in ([1.0, math.nan], [1.0, math.inf], [-math.inf, 0.0]):
        for array in (np.array(values), torch.tensor(values)):
            assert not lies_within(array, math.inf)
            assert count_nonfinite(array) == 1
    assert lies_within(np.array([-1.7e308, 1.7e308]), math.inf)
    assert not lies_within(np.array([-2.0, 1.0]), 2.0)


def test_arrays_lead_to_their_namespace() -> None:
    for library, array in ((NUMPY, np.ones(2)), (TORCH, torch.ones(2))):
        assert namespace(array) is library.xp
        assert zeros(3, array).tolist() == [0.0] * 3
        assert zeros(3, array).dtype == array.dtype
    assert not NUMPY.is_vector(torch.ones(2)) and not TORCH.is_vector(np.ones(2))
    assert not NUMPY.is_vector(np.ones((2, 2))) and not NUMPY.is_vector([1.0]) and not NUMPY.is_vector(np.float64(1))


def test_small_fp16_numbers_stay_where_subnormal_ones_are_taken_for_zero() -> None:
    halves = bytes(range(1, 255)) + b"\0\4"
    expected = NUMPY.widen(NUMPY.from_bytes(halves, BY_NAME["F16"]), BY_NAME["F16"])
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor always has subnormal numbers")
    try:
        found = NUMPY.widen(NUMPY.from_bytes(halves, BY_NAME["F16"]), BY_NAME["F16"])
    finally:
        torch.set_flush_denormal(False)
    assert found.tobytes() == expected.tobytes()
    assert np.count_nonzero(found) == len(found)


@pytest.mark.skipif(not hasattr(np, "unique_counts"), reason="numpy before 2.0 is not what the standard wants")
def test_l12_numpys_namespace_is_numpy_itself() -> None:
    """That of array-api-compat imports numpy's testing tools and more: 90 ms."""
    program = """
import sys
from git_theta.tensors.numpy_library import NUMPY
assert "numpy" not in sys.modules
NUMPY.xp
assert "numpy" in sys.modules and not {"array_api_compat", "numpy.testing", "torch"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
