"""Distances and inner products to what a person looks at: cosines, clusters, a plane."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from git_theta.diffing.weight_map import ClusterMerge

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]


def cosine_matrix(products: Doubles) -> tuple[tuple[float | None, ...], ...]:
    """Cosines between the vectors of these inner products, (n, n); None where one of them is zero."""
    norms = [math.sqrt(square) for square in products.diagonal()]
    rows = [
        [_cosine(product, one, other) for product, other in zip(line, norms, strict=True)]
        for line, one in zip(products.tolist(), norms, strict=True)
    ]
    for place, row in enumerate(rows):
        row[place] = row[place] and 1.0  # which rounding may miss by an ulp
    return tuple(map(tuple, rows))


def _cosine(product: float, one: float, other: float) -> float | None:
    """The same for both orders: the longer vector divides first."""
    if not one or not other:
        return None
    return max(-1.0, min(1.0, product / max(one, other) / min(one, other)))


def average_linkage(distances: Doubles) -> tuple[ClusterMerge, ...]:
    """Hierarchical clustering by average distance (UPGMA; Sokal and Michener, 1958): n - 1 merges.

    Of pairs that are equally near, the one that stands first is merged first.
    """
    import numpy as np

    apart = distances.astype(np.float64)
    np.fill_diagonal(apart, np.inf)
    numbers, sizes = list(range(len(apart))), [1] * len(apart)
    merges = []
    while len(numbers) > 1:
        one, other = divmod(int(apart.argmin()), len(apart))  # the first of the smallest: one < other
        height, size = float(apart[one, other]), sizes[one] + sizes[other]
        merges.append(ClusterMerge(numbers[one], numbers[other], height, size))
        joint = (sizes[one] * apart[one] + sizes[other] * apart[other]) / size
        apart[one], apart[:, one] = joint, joint
        apart[one, one] = np.inf
        apart = np.delete(np.delete(apart, other, 0), other, 1)
        numbers[one], sizes[one] = len(distances) + len(merges) - 1, size
        del numbers[other], sizes[other]
    return tuple(merges)


def project_to_plane(squares: Doubles) -> tuple[tuple[tuple[float, float], ...], float | None]:
    """Points in the plane that shows the most of all squared distances: classical scaling (Torgerson, 1952).

    Args:
        squares: squared distances of n points, (n, n).

    Returns:
        n points, the first at (0, 0), and the share of the squared distances from their centre that the plane shows;
        None where all points are one. Each axis points to where the point lies that is farthest along it.
    """
    import numpy as np

    n = len(squares)
    centre = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-0.5 * centre @ squares @ centre)
    values = np.maximum(values[::-1], 0)
    total = float(values.sum())
    # One or two points have fewer axes than a plane.
    axes = np.zeros((n, 2))
    axes[:, : min(2, n)] = (vectors[:, ::-1] * np.sqrt(values))[:, :2]
    axes -= axes[0]
    for axis in axes.T:
        axis *= -1 if axis[np.abs(axis).argmax()] < 0 else 1
    points = tuple((float(x), float(y)) for x, y in axes)
    return points, float(values[:2].sum()) / total if total else None
