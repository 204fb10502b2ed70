"""Distances between versions, against what numpy says of whole arrays in fp64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from git_theta.diffing.distances import DistanceSums, measure_distances
from git_theta.diffing.intersection import SharedParameter
from git_theta.manifest.model import Entry
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.numbers import codes_of, numbers_of
from tests.diffing.entries import entry

ELEMENTS = 70_001  # more than two chunks


class Store:
    """Entries of one parameter, and how often each of its contents was read."""

    def __init__(self, dtype: str, *contents: bytes) -> None:
        self.entries = tuple(entry("w", content, dtype) for content in contents)
        self.reads: list[str] = []
        self._contents = {each.oid: content for each, content in zip(self.entries, contents, strict=True)}

    def read(self, wanted: Entry) -> Iterator[Buffer]:
        """In pieces that are no whole chunks."""
        self.reads.append(wanted.oid)
        content = self._contents[wanted.oid]
        return (content[start : start + 50_000] for start in range(0, len(content), 50_000))

    def sums(self) -> DistanceSums:
        return measure_distances(SharedParameter("w", self.entries), self.read)


def values(dtype: str, content: bytes) -> Any:
    return numbers_of(codes_of(content, BY_NAME[dtype]), BY_NAME[dtype]).astype(np.float64)


def assert_as_in_fp64(found: DistanceSums, points: Any) -> None:
    tasks = points - points[0]
    squares = ((points[:, None] - points[None]) ** 2).sum(-1)
    np.testing.assert_allclose(found.squares, squares, rtol=1e-12)
    np.testing.assert_allclose(found.products, tasks @ tasks.T, rtol=1e-12, atol=1e-12 * squares.max())


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16", "F8_E4M3", "C64"])
def test_sums_are_those_of_fp64(dtype: str) -> None:
    generator = np.random.default_rng(1)
    width = BY_NAME[dtype].bits // 8
    contents = [generator.bytes(ELEMENTS * width) for _ in range(3)]
    if width // (2 if dtype == "C64" else 1) > 1:  # small numbers: any bits would be mostly huge or NaN
        kind = {"F64": "f8", "F32": "f4", "C64": "f4", "F16": "f2", "BF16": "f4"}[dtype]
        arrays = generator.standard_normal((3, ELEMENTS * (1 + (dtype == "C64")))).astype(kind)
        contents = [
            (each.view("<u4") >> 16).astype("<u2").tobytes() if dtype == "BF16" else each.tobytes() for each in arrays
        ]
    points = np.stack([values(dtype, content) for content in contents])
    points[:, ~np.isfinite(points).all(0)] = 0
    assert_as_in_fp64(Store(dtype, *contents).sums(), points)


@pytest.mark.parametrize("dtype", ["Q4_K", "Q8_0"])
def test_sums_of_blocks_are_those_of_what_they_stand_for(dtype: str) -> None:
    generator = np.random.default_rng(4)
    blocks = generator.integers(0, 256, (3, 700, BY_NAME[dtype].bits // 8), np.uint8)
    blocks[:, :, [1, 3]] &= 0x3B  # scales that are small numbers
    contents = [each.tobytes() for each in blocks]
    assert_as_in_fp64(Store(dtype, *contents).sums(), np.stack([values(dtype, content) for content in contents]))


def test_distances_of_near_neighbours_far_from_the_base_keep_their_digits() -> None:
    generator = np.random.default_rng(2)
    base, first = generator.standard_normal((2, 1000))
    second = first.copy()
    second[7] += 1e-9
    points = np.stack([base, first, second])
    found = Store("F64", *(point.tobytes() for point in points)).sums()
    assert found.squares[1, 2] == pytest.approx((second[7] - first[7]) ** 2, rel=1e-12)


def test_bytes_that_versions_share_are_read_once_and_common_ones_never() -> None:
    base, first = (np.full(9, number, "f4").tobytes() for number in (1, 2))
    store = Store("F32", base, first, base, first)
    found = store.sums()
    assert sorted(store.reads) == sorted({each.oid for each in store.entries})
    assert found.squares.tolist() == [[0, 9, 0, 9], [9, 0, 9, 0], [0, 9, 0, 9], [9, 0, 9, 0]]
    assert found.products.tolist() == [[0, 0, 0, 0], [0, 9, 0, 9], [0, 0, 0, 0], [0, 9, 0, 9]]
    for content in (base, b""):
        same = Store("F32", content, content)
        assert not same.sums().squares.any()
        assert not same.reads


def test_nan_and_infinite_elements_count_in_no_version() -> None:
    points = np.array([[0, 0, 0], [3, np.nan, 4], [3, 1, np.inf]], "f4")
    found = Store("F32", *(point.tobytes() for point in points)).sums()
    assert found.nonfinite.tolist() == [0, 1, 1]
    assert found.squares.tolist() == [[0, 9, 9], [9, 0, 0], [9, 0, 0]]
