"""What all versions have: the parameters that a map measures, and why others are left out."""

from __future__ import annotations

from typing import Any

from git_theta.diffing.intersection import (
    NO_FLOATS,
    NO_VALUES,
    NOT_EVERYWHERE,
    OTHER_SPEC,
    LeftOutParameter,
    intersect_versions,
)
from git_theta.manifest.model import Entry, View
from tests.diffing.entries import entry, one, shard, tied


def test_a_family_is_what_all_versions_have_with_one_spec() -> None:
    a, b, c = bytes(4), b"1234", b"5678"

    def version(data: bytes, *more: Entry) -> tuple[Any, ...]:
        return (shard("m", tied(entry("w", data, "F32"), "head"), *more),)

    step, other = entry("step", bytes(8), "I64"), entry("x", bytes(8), "F32")
    versions = [
        version(a, step, other, entry("old", a, "F32")),
        version(b, step, other._replace(shape=(1, 2)), entry("norm", c, "BF16")),
        version(a, step, other, entry("norm", c, "BF16")),
    ]
    found = intersect_versions(versions)
    assert [(shared.name, shared.content_indices) for shared in found.shared] == [("w", [0, 1, 0])]
    assert found.left_out == (
        LeftOutParameter("step", NO_FLOATS),
        LeftOutParameter("x", OTHER_SPEC),
        LeftOutParameter("old", NOT_EVERYWHERE),
        LeftOutParameter("norm", NOT_EVERYWHERE),
    )
    assert intersect_versions(versions, lambda name: name == "head") == (found.shared, ())
    untied = (shard("m", entry("w", a, "F32"), entry("head", b, "F32")),)
    assert [shared.name for shared in intersect_versions([versions[0], untied]).shared] == ["w", "head"]
    window = entry("w", a, "F32")._replace(views=(View("head", "F32", (1,), None, 1),))
    assert LeftOutParameter("head", OTHER_SPEC) in intersect_versions([versions[0], (shard("m", window),)]).left_out
    assert intersect_versions([one("m", w=a), one("m", w=b)]).shared == ()


def test_blocks_are_weights_where_they_can_be_decoded() -> None:
    version = (shard("m", entry("q", bytes(144), "Q4_K"), entry("i", bytes(66), "IQ2_XXS")),)
    found = intersect_versions([version, version])
    assert [(shared.name, shared.entries[0].shape) for shared in found.shared] == [("q", (256,))]
    assert found.left_out == (LeftOutParameter("i", NO_VALUES),)
