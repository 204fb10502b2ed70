"""The change of one parameter in numbers: one pass over both versions, in lockstep, a chunk at a time.

Values of every dtype up to 32 bits are exact in fp64, and their differences and products rounded once; 64-bit integers
are subtracted as integers, and the difference is rounded once. Sums are fp64 within a chunk and exact over chunks. What
comes out depends on no thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from git_theta.diffing.base import MISFIT, Change, ChangeStatus, Measures, ParameterVersion
from git_theta.diffing.measures.measure_sums import MeasureSums
from git_theta.diffing.rank import make_sketch
from git_theta.errors import ManifestError
from git_theta.manifest.model import Entry
from git_theta.tensors import numbers
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import BY_NAME, DType
from git_theta.tensors.inner_products import InnerProducts, Segment, subtract
from git_theta.tensors.lockstep import CHUNK, LockstepReader, recut
from git_theta.tensors.spec import Spec, spec_fits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

Read = Callable[[Entry], Iterator[Buffer]]

_BEFORE, _AFTER, _CHANGE = range(3)
"""The vectors whose lengths are told."""


def measure_change(change: Change, read: Read, further: Sequence[str] = ()) -> Measures:
    """The numbers of a change.

    Args:
        change: what happened to the parameter. Where that says it all, nothing is read.
        read: gives the bytes of an entry in pieces, all of them, or raises what keeps it from that.
        further: names of measures (``measures``) that are asked for, too.

    Memory: a few chunks, and the sketch of the rank. Raises ManifestError for a size that contradicts the shape, and
    PluginError where a measure fails.
    """
    import numpy as np

    before, after = change.before, change.after
    place = after or before
    assert place
    meant = place.entry
    elements, dtype = math.prod(meant.shape), BY_NAME.get(meant.dtype)
    if change.status in (ChangeStatus.RENAMED, ChangeStatus.MOVED):
        return Measures(elements, 0, norm=0.0, largest=0.0) if _numeric(dtype) else Measures(elements, 0)
    if any(one and not spec_fits(one.entry.dtype, one.entry.shape, one.entry.size) for one in (before, after)):
        raise ManifestError(MISFIT)
    with np.errstate(all="ignore"):
        if before and dtype and change.status is ChangeStatus.CHANGED and _in_lockstep(before.entry, meant):
            return _compare(before.entry, meant, Spec(dtype, meant.shape), read, further)
        (norm_before, bad_before), (norm_after, bad_after) = _measure_alone(before, read), _measure_alone(after, read)
    return Measures(
        elements,
        norm_before=norm_before,
        norm_after=norm_after,
        nonfinite_before=bad_before,
        nonfinite_after=bad_after,
    )


def _numeric(dtype: DType | None) -> bool:
    return dtype is not None and numbers.is_numeric(dtype)


def _in_lockstep(before: Entry, after: Entry) -> bool:
    """Not where a tie was broken: the name may have been a window on part of what others had too."""
    return (before.dtype, before.size) == (after.dtype, after.size)


def _measure_alone(place: ParameterVersion | None, read: Read) -> tuple[float | None, tuple[int, int]]:
    """The norm of one version, and how many of its elements are NaN and infinite."""
    dtype = BY_NAME.get(place.entry.dtype) if place else None
    if place is None or dtype is None or not numbers.is_numeric(dtype):
        return None, (0, 0)
    products, reader = InnerProducts(1), LockstepReader(Spec(dtype, place.entry.shape), 1)
    for chunk in recut(read(place.entry), reader.size):
        products.add(reader.finite_values(reader.read_codes([chunk])))
    return products.norm(0), reader.nonfinite[0]


def _compare(before: Entry, after: Entry, spec: Spec, read: Read, further: Sequence[str]) -> Measures:
    both = _Both(spec, further)
    for chunks in zip(recut(read(before), both.size), recut(read(after), both.size), strict=True):
        both.add(*chunks)
    return both.measures()


class _Both:
    """Two versions of a tensor, as far as they have been compared.

    Attributes:
        size: bytes of a chunk.
    """

    def __init__(self, spec: Spec, further: Sequence[str]) -> None:
        import numpy as np

        self._spec = spec
        self._numeric = numbers.is_numeric(spec.dtype)
        self._reader = LockstepReader(spec, 2)
        self._sketch = make_sketch(spec)
        self._difference: Doubles = np.empty(CHUNK)
        self._offset = self._differing = 0
        self._largest = 0.0
        self._products = InnerProducts(3, [(_BEFORE, _AFTER)])
        self._further = MeasureSums(further if self._numeric else ())
        self.size = self._reader.size

    def add(self, old: Buffer, new: Buffer) -> None:
        """The next chunk of both."""
        import numpy as np

        codes = self._reader.read_codes([old, new])
        unequal = codes[0] != codes[1]
        differing = int(np.count_nonzero(unequal.any(axis=1) if unequal.ndim > 1 else unequal))
        self._differing += differing * self._spec.dtype.block
        if not self._numeric:
            return
        before, after = self._reader.finite_values(codes)
        change = self._subtract(codes, before.values, after.values) if differing else None
        if change:
            self._look_at(change)
            self._further.add(before.values, after.values)
        self._products.add([before, after, change])
        self._offset += len(before.values)

    def measures(self) -> Measures:
        """What came out."""
        nonfinite_before, nonfinite_after = self._reader.nonfinite
        differing = min(self._differing, self._spec.elements)  # what fills up a last block is none
        found = Measures(
            self._spec.elements, differing, nonfinite_before=nonfinite_before, nonfinite_after=nonfinite_after
        )
        if not self._numeric:
            return found
        norm_after = self._products.norm(_AFTER)
        return found._replace(
            norm_before=self._products.norm(_BEFORE),
            norm_after=norm_after,
            norm=self._products.norm(_CHANGE),
            largest=self._largest,
            cosine=self._products.cosine(_BEFORE, _AFTER),
            rank=self._sketch.estimate_rank(norm_after, self._spec) if self._sketch else None,
            rank_limit=self._sketch.limit if self._sketch else 0,
            further=self._further.list_values(self._spec.elements * numbers.numbers_per_element(self._spec.dtype)),
        )

    def _subtract(self, codes: list[NDArray[Any]], before: Doubles, after: Doubles) -> Segment:
        """The differences; of 64-bit integers as those are, and not as the doubles nearest to them."""
        if self._spec.dtype.bits == 64 and self._spec.dtype.kind in ("int", "uint"):
            return Segment.of(numbers.distances(*(numbers.numbers_of(each, self._spec.dtype) for each in codes)))
        return subtract(after, before, self._difference)

    def _look_at(self, change: Segment) -> None:
        """For the largest difference, and for the rank."""
        import numpy as np

        if self._spec.dtype.kind == "complex":
            largest = float(np.hypot(change.values[::2], change.values[1::2]).max())
        else:
            largest = max(float(change.values.max()), -float(change.values.min()))
        self._largest = max(self._largest, largest * 2.0**change.exponent)
        if self._sketch:
            apart = change.values * 2.0**change.exponent if change.exponent else change.values
            self._sketch.add(self._offset, apart)
