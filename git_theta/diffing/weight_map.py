"""The values that a map of versions is made of: plain numbers, for text, JSON, pages and pictures alike."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from git_theta.diffing.base import NamedValue
from git_theta.diffing.intersection import LeftOutParameter

Matrix = tuple[tuple[float, ...], ...]


class MapVersion(NamedTuple):
    """A version on the map: what people call it, its commit, and the subject of that."""

    label: str
    commit: str
    subject: str = ""


class ClusterMerge(NamedTuple):
    """Two clusters that become one, numbered as scipy's linkage does: versions from 0, then the merges in order.

    Attributes:
        left, right: the clusters; ``left`` has the version that stands first.
        height: their average distance.
        size: versions in both together.
    """

    left: int
    right: int
    height: float
    size: int


class WeightMap(NamedTuple):
    """Several versions of a checkpoint in weight space.

    Attributes:
        path: of the checkpoint: its file, or the index of its shards.
        base: what task vectors start from.
        merge_base: whether that is the merge base, and not what a person named.
        versions: in the order asked for.
        norms: of their task vectors, version - base.
        distances: Euclidean, between any two versions.
        cosines: between task vectors; None where one of them is zero.
        merges: average linkage of the distances, the closest first.
        points: the base at (0, 0), then the versions, in the plane that shows the most of all squared distances.
        shown: the share of them that it shows; None where nothing differs.
        parameters, elements: what was compared.
        same: how many of the parameters are the same in all versions and the base; they were not read.
        measured: for each version, what measures found that were asked for by name, against the base.
        left_out: parameters that count in no number here.
        nonfinite: of the base, then of each version: how many elements that were read are NaN or infinite. Such
            elements count in no number of any version.
        nonfinite_in: the same of each parameter that has any, by name.
    """

    path: str
    base: MapVersion
    merge_base: bool
    versions: tuple[MapVersion, ...]
    norms: tuple[float, ...]
    distances: Matrix
    cosines: tuple[tuple[float | None, ...], ...]
    merges: tuple[ClusterMerge, ...]
    points: tuple[tuple[float, float], ...]
    shown: float | None
    parameters: int
    elements: int
    same: int
    measured: tuple[tuple[NamedValue, ...], ...]
    left_out: tuple[LeftOutParameter, ...] = ()
    nonfinite: tuple[int, ...] = ()
    nonfinite_in: Mapping[str, tuple[int, ...]] = MappingProxyType({})

    @property
    def failures(self) -> tuple[LeftOutParameter, ...]:
        """The parameters whose values could not be read."""
        return tuple([one for one in self.left_out if one.failed])
