"""Rows by module, and the sums of a module."""

from __future__ import annotations

import pytest

from git_theta.diffing.base import Change, ChangeStatus, MeasuredChange, Measures, ParameterVersion
from git_theta.diffing.modules import group_by_module
from tests.diffing.entries import entry


def row(
    name: str, measures: Measures | None = None, status: ChangeStatus = ChangeStatus.CHANGED, size: int = 4
) -> MeasuredChange:
    place = ParameterVersion("model.safetensors", name, entry(name, bytes(size)))
    return MeasuredChange(Change(status, place, place), measures)


def test_a_module_is_what_comes_before_the_last_dot() -> None:
    rows = [row(name) for name in ("layers.0.a", "bias", "layers.1.a", "layers.0.b", "layers.0.b.c")]
    assert {module.name: [row.change.name for row in module.rows] for module in group_by_module(rows)} == {
        "layers.0": ["layers.0.a", "layers.0.b"],
        "": ["bias"],
        "layers.1": ["layers.1.a"],
        "layers.0.b": ["layers.0.b.c"],
    }


def test_a_module_sums_what_its_rows_have() -> None:
    (module,) = group_by_module(
        [
            row("m.a", Measures(10, norm_before=6.0, norm=3.0, largest=0.5)),
            row("m.b", Measures(20, norm_before=8.0, norm=4.0, largest=2.5)),
            row("m.c", Measures(40, norm_after=100.0), ChangeStatus.ADDED),
            row("m.d", status=ChangeStatus.MOVED),
        ]
    )
    assert module.counts == {ChangeStatus.CHANGED: 2, ChangeStatus.ADDED: 1, ChangeStatus.MOVED: 1}
    assert (module.elements, module.norm, module.relative, module.largest) == (70, 5.0, 0.5, 2.5)
    assert module.stored_bytes == 15


@pytest.mark.parametrize("measures", [None, Measures(4)])
def test_without_numbers_there_is_no_norm(measures: Measures | None) -> None:
    (module,) = group_by_module([row("m.a", measures)])
    assert (module.norm, module.relative, module.largest) == (None, None, None)
    assert module.elements == (4 if measures else 0)


def test_a_change_of_zeros_has_no_relative_norm() -> None:
    (module,) = group_by_module([row("m.a", Measures(4, norm_before=0.0, norm=1.0, largest=1.0))])
    assert (module.norm, module.relative) == (1.0, None)
