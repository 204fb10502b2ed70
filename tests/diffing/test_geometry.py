"""Cosines, the plane and the clusters of a map, from products and distances alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from git_theta.diffing.geometry import average_linkage, cosine_matrix, project_to_plane
from git_theta.diffing.weight_map import ClusterMerge


def test_cosines_are_those_of_the_vectors_and_none_for_a_zero_one() -> None:
    vectors = np.array([[3.0, 4], [4, -3], [-6, -8], [0, 0], [1, 0]])
    found = cosine_matrix(vectors @ vectors.T)
    assert found[0] == pytest.approx((1, 0, -1, None, 0.6))
    assert found[3] == (None,) * 5
    assert all(found[place][place] == 1 for place in (0, 1, 2, 4))


def test_cosines_do_not_depend_on_which_vector_is_first() -> None:
    vectors = np.random.default_rng(5).standard_normal((40, 7))
    found = cosine_matrix(vectors @ vectors.T)
    assert found == tuple(zip(*found, strict=True))


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
