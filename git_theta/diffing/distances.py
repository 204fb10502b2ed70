"""Versions of one parameter as points: squared distances and inner products, one pass over all versions in lockstep.

Distances are summed from differences of values, not told from inner products: of two versions that are near each other
and far from the base those would leave no digit. Sums are fp64, in an order that depends on the sizes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from git_theta.diffing.chunk_reader import CHUNK, Reader, dot, recut
from git_theta.diffing.intersection import SharedParameter
from git_theta.manifest.model import Entry
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

Read = Callable[[Entry], Iterator[Buffer]]


class Sums(NamedTuple):
    """Sums over elements, for the base (place 0) and every version.

    Attributes:
        squares: squared distances, (n, n).
        products: inner products of task vectors (version - base), (n, n); those of the base are 0.
        nonfinite: how many elements are NaN or infinite, (n,). They are left out, in all versions.
    """

    squares: Doubles
    products: Doubles
    nonfinite: NDArray[np.int64]

    @classmethod
    def none(cls, versions: int) -> Sums:
        """Of no element."""
        import numpy as np

        return cls(np.zeros((versions, versions)), np.zeros((versions, versions)), np.zeros(versions, np.int64))

    def plus(self, other: Sums) -> Sums:
        """Over the elements of both."""
        return Sums(
            self.squares + other.squares,
            self.products + other.products,
            self.nonfinite + other.nonfinite,
        )

    def at(self, which: Sequence[int]) -> Sums:
        """For versions of which several may be the same: the place of each."""
        return Sums(self.squares[which][:, which], self.products[which][:, which], self.nonfinite[which])


def sums(shared: SharedParameter, read: Read) -> Sums:
    """The sums of one parameter; bytes that several versions share are read once.

    Args:
        shared: the parameter, of a dtype that holds floats.
        read: gives the bytes of an entry in pieces, all of them, or raises what keeps it from that.

    Complex numbers count as vectors of two. Sums are inf or NaN where squares overflow.
    Memory: two chunks for each of the different bytes.
    """
    import numpy as np

    contents = shared.contents
    found = Sums.none(len(contents))
    if shared.is_identical:
        return found.at(shared.content_indices)
    reader = Reader(Spec(BY_NAME[contents[0].dtype], contents[0].shape), len(contents))
    tasks, difference = np.empty((len(contents) - 1, CHUNK)), np.empty(CHUNK)
    with np.errstate(all="ignore"):
        for chunks in zip(*(recut(read(entry), reader.size) for entry in contents), strict=True):
            values = [version.values for version in reader.finite(reader.codes(chunks))]
            _add(found, values, tasks[:, : len(values[0])], difference[: len(values[0])])
    nonfinite = np.array([nan + infinite for nan, infinite in reader.nonfinite])
    return found._replace(nonfinite=nonfinite).at(shared.content_indices)


def _add(found: Sums, values: Sequence[Doubles], tasks: Doubles, difference: Doubles) -> None:
    """Add a chunk. ``tasks``, ``difference``: memory for one task vector of each version, and for one difference."""
    import numpy as np

    base, *versions = values
    for task, version in zip(tasks, versions, strict=True):
        np.subtract(version, base, out=task)
    found.products[1:, 1:] += tasks @ tasks.T
    for one, first in enumerate(values):
        for other, second in enumerate(values[:one]):
            task = tasks[one - 1] if other == 0 else np.subtract(first, second, out=difference)
            found.squares[one, other] += dot(task, task)
            found.squares[other, one] = found.squares[one, other]
