"""Several versions of a checkpoint to a map of them: distances, clusters, a plane; streamed on the desk's workers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from git_theta import parameters
from git_theta.diffing.intersection import Family, LeftOut, Shared
from git_theta.diffing.weight_map import Map, Member
from git_theta.errors import MissingObject, ThetaError
from git_theta.manifest.model import Entry
from git_theta.operations.availability import require
from git_theta.operations.context import Desk
from git_theta.tensors.arrays import Buffer

if TYPE_CHECKING:
    from git_theta.diffing.distances import Sums

TOO_LARGE = "values too large to be squared"


def to_read(family: Family) -> int:
    """Bytes of values there are to read."""
    return sum(entry.size for entry in _contested(family))


def chart(
    path: str, base: Member, versions: Sequence[Member], family: Family, desk: Desk, *, merge_base: bool = False
) -> Map:
    """The map of these versions.

    Args:
        path: what people call the checkpoint.
        base: what task vectors start from.
        versions: two or more.
        family: what base and versions have in common.
        desk: store and workers; asked once to fetch what is missing.
        merge_base: whether the base is the merge base.

    A parameter whose values cannot be had in some version is left out of all, and says so (``failed``).
    Memory: for each worker a block and a chunk of every version.
    """
    from git_theta.diffing.geometry import average_linkage, cosines, plane
    from git_theta.diffing.weight_map import Matrix
    from git_theta.tensors.blas import one_thread

    with suppress(MissingObject):
        require(_contested(family), desk)
    with one_thread():
        total, failures = _total(family, len(versions) + 1, desk)
        distances = total.squares**0.5
        among: Matrix = tuple(map(tuple, distances[1:, 1:].tolist()))
        points, shown = plane(total.squares)
    failed = {failure.name for failure in failures}
    counted = [shared for shared in family.shared if shared.name not in failed]
    return Map(
        path=path,
        base=base,
        merge_base=merge_base,
        versions=tuple(versions),
        norms=tuple(distances[0, 1:].tolist()),
        distances=among,
        cosines=cosines(total.products[1:, 1:]),
        merges=average_linkage(distances[1:, 1:]),
        points=points,
        shown=shown,
        parameters=len(counted),
        elements=sum(math.prod(shared.entries[0].shape) for shared in counted),
        same=sum(shared.same for shared in counted),
        left_out=(*family.left_out, *failures),
        nonfinite=tuple(total.nonfinite.tolist()),
    )


def _contested(family: Family) -> list[Entry]:
    return [entry for shared in family.shared if not shared.same for entry in shared.contents]


def _total(family: Family, versions: int, desk: Desk) -> tuple[Sums, list[LeftOut]]:
    """The sums over all parameters, in their order, and those that could not be had."""
    from git_theta.diffing.distances import Sums

    differing = [shared for shared in family.shared if not shared.same]
    total, failures = Sums.none(versions), []
    # One worker takes a parameter of all versions: that many blocks ahead, for every version, would be too much memory.
    for shared, found in zip(differing, desk.workers.map(partial(_sums, desk), differing), strict=True):
        if isinstance(found, str):
            failures.append(LeftOut(shared.name, found, failed=True))
        else:
            total = total.plus(found)
    return total, failures


def _sums(desk: Desk, shared: Shared) -> Sums | str:
    """The sums of one parameter, or why it has none."""
    import numpy as np

    from git_theta.diffing.distances import sums

    def read(entry: Entry) -> Iterator[Buffer]:
        for piece in parameters.read(entry, desk.store, map):
            yield piece
            desk.progress(len(piece))

    try:
        found = sums(shared, read)
    except ThetaError as error:
        return error.message
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return found if np.isfinite(found.squares).all() and np.isfinite(found.products).all() else TOO_LARGE
