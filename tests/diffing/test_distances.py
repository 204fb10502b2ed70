"""Weight space, against what numpy says of whole arrays in fp64."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from git_theta.diffing.distances import DistanceSums, measure_distances
from git_theta.diffing.geometry import average_linkage, cosine_matrix, project_to_plane
from git_theta.diffing.intersection import (
    NO_FLOATS,
    NOT_EVERYWHERE,
    OTHER_SPEC,
    LeftOutParameter,
    SharedParameter,
    intersect_versions,
)
from git_theta.diffing.weight_map import ClusterMerge
from git_theta.manifest.model import Entry, View
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.numbers import codes_of, numbers_of
from tests.diffing.entries import entry, one, shard, tied

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


def test_a_family_is_what_all_versions_have_with_one_spec() -> None:
    a, b, c = bytes(4), b"1234", b"5678"

    def version(data: bytes, *more: Entry) -> tuple[Any, ...]:
        return (shard("m", tied(entry("w", data, "F32"), "head"), *more),)

    step, other = entry("step", bytes(8), "I64"), entry("x", bytes(8), "F32")
    versions = [
        version(a, step, other, entry("old", a, "F32")),
        version(b, step, other._replace(shape=(1, 2)), entry("norm", c, "BF16")),
        version(a, step, other, entry("norm", c, "BF16")),
    ]
    found = intersect_versions(versions)
    assert [(shared.name, shared.content_indices) for shared in found.shared] == [("w", [0, 1, 0])]
    assert found.left_out == (
        LeftOutParameter("step", NO_FLOATS),
        LeftOutParameter("x", OTHER_SPEC),
        LeftOutParameter("old", NOT_EVERYWHERE),
        LeftOutParameter("norm", NOT_EVERYWHERE),
    )
    assert intersect_versions(versions, lambda name: name == "head") == (found.shared, ())
    untied = (shard("m", entry("w", a, "F32"), entry("head", b, "F32")),)
    assert [shared.name for shared in intersect_versions([versions[0], untied]).shared] == ["w", "head"]
    window = entry("w", a, "F32")._replace(views=(View("head", "F32", (1,), None, 1),))
    assert LeftOutParameter("head", OTHER_SPEC) in intersect_versions([versions[0], (shard("m", window),)]).left_out
    assert intersect_versions([one("m", w=a), one("m", w=b)]).shared == ()


def test_cosines_are_those_of_the_vectors_and_none_for_a_zero_one() -> None:
    vectors = np.array([[3.0, 4], [4, -3], [-6, -8], [0, 0], [1, 0]])
    found = cosine_matrix(vectors @ vectors.T)
    assert found[0] == pytest.approx((1, 0, -1, None, 0.6))
    assert found[3] == (None,) * 5
    assert all(found[place][place] == 1 for place in (0, 1, 2, 4))


def test_the_plane_of_a_triangle_shows_it_as_it_is() -> None:
    corners = np.array([[0.0, 0], [3, 0], [0, 4]])
    far = np.hstack([corners, np.full((3, 5), 7.0)]) @ np.linalg.qr(np.random.default_rng(3).standard_normal((7, 7)))[0]
    points, shown = project_to_plane(((far[:, None] - far[None]) ** 2).sum(-1))
    assert points[0] == (0, 0)
    assert shown == pytest.approx(1)
    sides = [math.dist(points[one], points[other]) for one, other in ((0, 1), (0, 2), (1, 2))]
    assert sides == pytest.approx([3, 4, 5])


def test_the_plane_says_what_it_does_not_show() -> None:
    _, shown = project_to_plane(2 * (1 - np.eye(4)))  # four points, all as far from each other: three equal axes
    assert shown == pytest.approx(2 / 3)
    assert project_to_plane(np.zeros((3, 3))) == (((0, 0),) * 3, None)
    points, shown = project_to_plane(np.array([[0.0, 4], [4, 0]]))
    assert abs(points[1][0]) == pytest.approx(2)
    assert shown == 1


def test_two_clusters_are_told_apart() -> None:
    places = np.array([0.0, 100, 1, 102, 0.5])
    merges = average_linkage(np.abs(places[:, None] - places[None]))
    assert merges == (
        ClusterMerge(0, 4, 0.5, 2),
        ClusterMerge(5, 2, 0.75, 3),
        ClusterMerge(1, 3, 2, 2),
        ClusterMerge(6, 7, 100.5, 5),
    )
