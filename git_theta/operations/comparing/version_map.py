"""Several versions of a checkpoint to a map of them: distances, clusters, a plane; streamed on the workers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from git_theta.diffing.intersection import Intersection, LeftOutParameter, SharedParameter
from git_theta.diffing.weight_map import MapVersion, WeightMap
from git_theta.errors import MissingObject, ThetaError
from git_theta.manifest.model import Entry
from git_theta.operations.availability import require_entries
from git_theta.operations.context import Context
from git_theta.parameters.value_decoding import read_values
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.numbers import numbers_per_element

if TYPE_CHECKING:
    from git_theta.diffing.distances import DistanceSums

TOO_LARGE = "values too large to be squared"


def bytes_to_read(family: Intersection) -> int:
    """Bytes of values there are to read."""
    return sum(entry.size for entry in _differing_entries(family))


def map_versions(
    path: str,
    base: MapVersion,
    versions: Sequence[MapVersion],
    family: Intersection,
    context: Context,
    *,
    merge_base: bool = False,
    measures: Sequence[str] = (),
) -> WeightMap:
    """The map of these versions.

    Args:
        path: what people call the checkpoint.
        base: what task vectors start from.
        versions: two or more.
        family: what base and versions have in common.
        context: store and workers; asked once to fetch what is missing.
        merge_base: whether the base is the merge base.
        measures: names of what is measured beside, of every version against the base.

    A parameter whose values cannot be had in some version is left out of all, and says so (``failed``).
    Memory: for each worker a block and a chunk of every version.
    """
    from git_theta.diffing.geometry import average_linkage, cosine_matrix, project_to_plane
    from git_theta.diffing.weight_map import Matrix
    from git_theta.tensors.blas import one_thread

    with suppress(MissingObject):
        require_entries(_differing_entries(family), context)
    with one_thread():
        total, nonfinite, failures = _sum_family(family, len(versions) + 1, context, measures)
        distances = total.squares**0.5
        among: Matrix = tuple(map(tuple, distances[1:, 1:].tolist()))
        points, shown = project_to_plane(total.squares)
    failed = {failure.name for failure in failures}
    counted = [shared for shared in family.shared if shared.name not in failed]
    return WeightMap(
        path=path,
        base=base,
        merge_base=merge_base,
        versions=tuple(versions),
        norms=tuple(distances[0, 1:].tolist()),
        distances=among,
        cosines=cosine_matrix(total.products[1:, 1:]),
        merges=average_linkage(distances[1:, 1:]),
        points=points,
        shown=shown,
        parameters=len(counted),
        elements=sum(math.prod(shared.entries[0].shape) for shared in counted),
        same=sum(shared.is_identical for shared in counted),
        left_out=(*family.left_out, *failures),
        nonfinite=tuple(total.nonfinite.tolist()),
        nonfinite_in=nonfinite,
        measured=tuple([change.list_values(sum(map(_count_numbers, counted))) for change in total.changes[1:]]),
    )


def _count_numbers(shared: SharedParameter) -> int:
    meant = shared.entries[0]
    return math.prod(meant.shape) * numbers_per_element(BY_NAME[meant.dtype])


def _differing_entries(family: Intersection) -> list[Entry]:
    return [entry for shared in family.shared if not shared.is_identical for entry in shared.contents]


def _sum_family(
    family: Intersection, versions: int, context: Context, measures: Sequence[str]
) -> tuple[DistanceSums, dict[str, tuple[int, ...]], list[LeftOutParameter]]:
    """The sums over all parameters, in their order; what is not finite, by parameter; and those that cannot be had."""
    from git_theta.diffing.distances import DistanceSums

    differing = [shared for shared in family.shared if not shared.is_identical]
    total, nonfinite, failures = DistanceSums.none(versions, measures), dict[str, tuple[int, ...]](), []
    # One worker takes a parameter of all versions: that many blocks ahead, for every version, would be too much memory.
    sums = context.workers.map(partial(_sum_parameter, context, measures), differing)
    for shared, found in zip(differing, sums, strict=True):
        if isinstance(found, str):
            failures.append(LeftOutParameter(shared.name, found, failed=True))
        else:
            total = total.plus(found)
            if found.nonfinite.any():
                nonfinite[shared.name] = tuple(found.nonfinite.tolist())
    return total, nonfinite, failures


def _sum_parameter(context: Context, measures: Sequence[str], shared: SharedParameter) -> DistanceSums | str:
    """The sums of one parameter, or why it has none."""
    import numpy as np

    from git_theta.diffing.distances import measure_distances

    def read(entry: Entry) -> Iterator[Buffer]:
        for piece in read_values(entry, context.store, map):
            yield piece
            context.progress(len(piece))

    try:
        found = measure_distances(shared, read, measures)
    except ThetaError as error:
        return error.message
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return found if np.isfinite(found.squares).all() and np.isfinite(found.products).all() else TOO_LARGE
