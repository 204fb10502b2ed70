"""Bytes of a tensor as numbers, a chunk at a time, of one version or of several in lockstep."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from git_theta.tensors import numbers
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.inner_products import Segment
from git_theta.tensors.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]

CHUNK = 1 << 16
"""Numbers at a time: fewer, and threads spend their time on handing each other the interpreter (a diff takes 1.15 times
as long with half as many); more, and arrays leave the core's cache. A multiple of 8, so of whole packed bytes.
"""


def recut(pieces: Iterable[Buffer], size: int) -> Iterator[Buffer]:
    """The same bytes in pieces of ``size``, the last one shorter; copied only where a piece ends within one."""
    held = bytearray()
    for piece in pieces:
        view = memoryview(piece)
        if held:
            missing = size - len(held)
            held += view[:missing]
            view = view[missing:]
            if len(held) < size:
                continue
            yield held
        whole = len(view) // size * size
        yield from (view[start : start + size] for start in range(0, whole, size))
        held = bytearray(view[whole:])
    if held:
        yield held


class LockstepReader:
    """Chunks of several versions of a tensor as doubles, in buffers that the next chunk overwrites.

    Attributes:
        size: bytes of a chunk.
        nonfinite: for each version, how many elements were NaN and infinite so far.
    """

    def __init__(self, spec: Spec, versions: int) -> None:
        import numpy as np

        self._dtype = spec.dtype
        self._per_element = numbers.numbers_per_element(spec.dtype)
        self._per_code = numbers.numbers_per_code(spec.dtype)
        self._left = -(-spec.elements // spec.dtype.block)
        self.size = CHUNK // self._per_code * spec.dtype.bits // 8
        self.nonfinite = [(0, 0)] * versions
        self._doubles: Doubles = np.empty((versions, CHUNK))

    def read_codes(self, chunks: Iterable[Buffer]) -> list[NDArray[Any]]:
        """The next chunk of each version as codes (``tensors.numbers``), without what only fills up a byte."""
        found = [numbers.codes_of(chunk, self._dtype)[: self._left] for chunk in chunks]
        self._left -= len(found[0])
        return found

    def finite_values(self, codes: Iterable[NDArray[Any]]) -> list[Segment]:
        """The values of codes as doubles, with 0 for elements that are not finite in every version."""
        import numpy as np

        segments = []
        for buffer, each in zip(self._doubles, codes, strict=True):
            values = buffer[: len(each) * self._per_code]
            np.copyto(values, numbers.numbers_of(each, self._dtype))
            segments.append(Segment.of(values))
        # NaN and infinity outlast any sum; one that merely overflows costs no more than a closer look.
        if all(math.isfinite(segment.squares) for segment in segments):
            return segments
        self._clear([segment.values for segment in segments])
        return [Segment.of(values) for values, *_ in segments]

    def _clear(self, versions: list[Doubles]) -> None:
        """Count what is not finite, and put 0 in its place."""
        import numpy as np

        rows = [values.reshape(-1, self._per_element) for values in versions]
        nans = [np.isnan(each).any(axis=1) for each in rows]
        infinite = [np.isinf(each).any(axis=1) & ~nan for each, nan in zip(rows, nans, strict=True)]
        bad = np.logical_or.reduce([*nans, *infinite])
        for each in rows:
            each[bad] = 0
        self.nonfinite = [
            (nan_so_far + int(nan.sum()), infinite_so_far + int(inf.sum()))
            for (nan_so_far, infinite_so_far), nan, inf in zip(self.nonfinite, nans, infinite, strict=True)
        ]
