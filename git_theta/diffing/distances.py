"""Versions of one parameter as points: squared distances, one pass over all versions in lockstep.

Distances are summed from differences of values, not told from inner products: of two versions that are near each other
and far from the base those would leave no digit. The inner products follow from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from git_theta.diffing.intersection import SharedParameter
from git_theta.diffing.measures.measure_sums import MeasureSums
from git_theta.manifest.model import Entry
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.inner_products import InnerProducts, subtract
from git_theta.tensors.lockstep import CHUNK, LockstepReader, recut
from git_theta.tensors.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

Read = Callable[[Entry], Iterator[Buffer]]


class DistanceSums(NamedTuple):
    """Sums over elements, for the base (place 0) and every version.

    Attributes:
        squares: squared distances, (n, n).
        nonfinite: how many elements are NaN or infinite, (n,). They are left out, in all versions.
        changes: what measures summed of the base and each version, n.
    """

    squares: Doubles
    nonfinite: NDArray[np.int64]
    changes: tuple[MeasureSums, ...]

    @classmethod
    def none(cls, versions: int, measures: Sequence[str] = ()) -> DistanceSums:
        """Of no element. Raises PluginError where a measure is not installed, or fails."""
        import numpy as np

        changes = tuple([MeasureSums(measures) for _ in range(versions)])
        return cls(np.zeros((versions, versions)), np.zeros(versions, np.int64), changes)

    @property
    def products(self) -> Doubles:
        """Inner products of task vectors (version - base), (n, n), by the law of cosines; those of the base are 0."""
        lengths = self.squares[0]
        products: Doubles = (lengths[:, None] + lengths[None, :] - self.squares) / 2
        return products

    def plus(self, other: DistanceSums) -> DistanceSums:
        """Over the elements of both."""
        changes = tuple([one.plus(more) for one, more in zip(self.changes, other.changes, strict=True)])
        return DistanceSums(self.squares + other.squares, self.nonfinite + other.nonfinite, changes)

    def at(self, which: Sequence[int]) -> DistanceSums:
        """For versions of which several may be the same: the place of each."""
        changes = tuple([self.changes[place] for place in which])
        return DistanceSums(self.squares[which][:, which], self.nonfinite[which], changes)


def measure_distances(shared: SharedParameter, read: Read, measures: Sequence[str] = ()) -> DistanceSums:
    """The sums of one parameter; bytes that several versions share are read once.

    Args:
        shared: the parameter, of a dtype that holds floats.
        read: gives the bytes of an entry in pieces, all of them, or raises what keeps it from that.
        measures: names of those that are to sum what they make of the base and each version.

    Complex numbers count as vectors of two. Sums are inf where squares overflow.
    Memory: two chunks for each of the different bytes.
    """
    import numpy as np

    contents = shared.contents
    found = DistanceSums.none(len(contents), measures)
    if shared.is_identical:
        return found.at(shared.content_indices)
    reader = LockstepReader(Spec(BY_NAME[contents[0].dtype], contents[0].shape), len(contents))
    apart = {pair: InnerProducts(1) for pair in combinations(range(len(contents)), 2)}
    difference = np.empty(CHUNK)
    with np.errstate(all="ignore"):
        for chunks in zip(*(recut(read(entry), reader.size) for entry in contents), strict=True):
            values = [segment.values for segment in reader.finite_values(reader.read_codes(chunks))]
            for (one, other), product in apart.items():
                product.add([subtract(values[other], values[one], difference)])
            for place in range(1, len(values)):
                found.changes[place].add(values[0], values[place])
    for (one, other), product in apart.items():
        found.squares[one, other] = found.squares[other, one] = product.square(0)
    nonfinite = np.array([nan + infinite for nan, infinite in reader.nonfinite])
    return found._replace(nonfinite=nonfinite).at(shared.content_indices)
