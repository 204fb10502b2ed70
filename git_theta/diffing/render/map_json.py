"""A map for programs, as docs/spec/map.schema.json has it."""

from __future__ import annotations

from typing import Any

from git_theta.diffing.weight_map import MapVersion, WeightMap

VERSION = 1
"""Of the schema: it grows when a program that read the former one would be misled."""


def render_map_json(found: WeightMap) -> dict[str, Any]:
    """The map, as the schema has it."""
    (base, *points), (bad, *nonfinite) = found.points, found.nonfinite
    versions = zip(found.versions, points, nonfinite, found.norms, found.measured, strict=True)
    return {
        "version": VERSION,
        "path": found.path,
        "base": _map_version_json(found.base, base, bad) | {"merge_base": found.merge_base},
        "versions": [
            _map_version_json(member, point, bad)
            | {"norm": norm, "measures": {one.name: one.value for one in measured}}
            for member, point, bad, norm, measured in versions
        ],
        "distances": list(map(list, found.distances)),
        "cosines": list(map(list, found.cosines)),
        "clusters": [merge._asdict() for merge in found.merges],
        "shown": found.shown,
        "parameters": found.parameters,
        "elements": found.elements,
        "same": found.same,
        "left_out": [one._asdict() for one in found.left_out],
    }


def _map_version_json(member: MapVersion, point: tuple[float, float], nonfinite: int) -> dict[str, Any]:
    return {**member._asdict(), "point": list(point), "nonfinite": nonfinite}
