"""What the pictures show, and that they can be drawn."""

from __future__ import annotations

import math
import struct

import pytest

from git_theta.diffing.base import MeasuredChange, Measures, NamedValue
from git_theta.diffing.render.pictures import (
    STEPS,
    Cell,
    CellState,
    Scale,
    bar_of,
    heat_maps_of,
    largest_changes,
    largest_values,
    locate_parameter,
    scale_of,
)
from git_theta.diffing.render.report_png import render_image
from git_theta.diffing.verdict import ChangeKind
from tests.diffing.render.sample_reports import HOSTILE, added, changed, encoder, removed, report, unchanged


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("2.conv.weight", ("", 2, "conv")),
        ("encoder.layer.3.output.dense.weight", ("encoder.layer", 3, "output.dense")),
        ("model.layers.11.mlp.experts.5.w1.weight", ("model.layers", 11, "mlp.experts.*.w1")),
        ("net.2.weight", ("net", 2, "weight")),
        ("0.weight", ("", 0, "weight")),
        ("lm_head.weight", (None, 0, "lm_head")),
        ("scale", (None, 0, "scale")),
        ("a.5", (None, 0, "a")),
        ("a.٣.b.c", (None, 0, "a.٣.b")),
        ("a.123456789.b.c", (None, 0, "a.123456789.b")),
    ],
)
def test_a_name_tells_the_layer(name: str, place: tuple[str | None, int, str]) -> None:
    assert locate_parameter(name) == place


def test_a_heat_map_shows_each_module_of_each_layer() -> None:
    rows = [
        changed("h.0.mlp.weight", norm=3.0, norm_before=30.0),
        changed("h.0.mlp.bias", norm=4.0, norm_before=40.0),
        unchanged("h.0.attn.weight"),
        added("h.2.mlp.weight"),
        changed("h.2.attn.weight", nonfinite_after=(1, 0)),
        changed("head.weight"),
    ]
    outside, stack = heat_maps_of(report(rows))
    assert (outside.stack, outside.modules) == (None, ("head",))
    assert (stack.stack, stack.layers, stack.modules) == ("h", (0, 2), ("mlp", "attn"))
    assert stack.cells["mlp", 0] == Cell(CellState.CHANGED, 0.1)
    assert stack.cells["attn", 0] == Cell(CellState.UNCHANGED, 0.0)
    assert stack.cells["mlp", 2].state is CellState.OTHER
    assert stack.cells["attn", 2].state is CellState.BROKEN


def test_a_scale_is_logarithmic_and_spans_three_powers_of_ten_at_most() -> None:
    rows = [changed(f"h.{layer}.w.weight", relative=10.0**-layer) for layer in range(9)]
    scale = scale_of(heat_maps_of(report(rows)))
    assert [scale.low, scale.high] == pytest.approx([1e-3, 1])
    assert [scale.step(relative) for relative in (1, 1e-3, 1e-8)] == [STEPS, 1, 1]
    assert scale.step(0.031) == (STEPS + 1) // 2
    assert scale.step(0) == scale.step(None) == 0
    assert Scale(0.5, 0.5).step(0.5) == STEPS


def test_a_bar_holds_every_parameter_once() -> None:
    rows = [
        unchanged("a"),
        changed("b", differing=10),
        changed("c", rank=4, rank_limit=32),
        changed("d"),
        added("e"),
        removed("f"),
        changed("g")._replace(measures=None),
    ]
    found = bar_of(report(rows))
    assert {kind for kind, _, _ in found.kinds} == set(ChangeKind)
    assert sum(parameters for _, parameters, _ in found.kinds) == len(rows)
    assert sum(found.share(kind) for kind in ChangeKind) == pytest.approx(1)


def test_the_top_is_what_changed_most() -> None:
    rows = [changed("a", relative=0.1), changed("b", relative=0.3), changed("c", norm=math.inf), added("d")]
    assert [name for name, _ in largest_changes(report(rows))] == ["b", "a"]


def test_the_top_of_a_measure_that_was_asked_for() -> None:
    found = [(0.25, "a"), (None, "b"), (0.5, "c"), (math.inf, "d")]
    rows = [MeasuredChange(changed(name).change, Measures(1, further=(NamedValue("m", v),))) for v, name in found]
    assert [(name, one.value) for name, one in largest_values(report(rows), "m")] == [("c", 0.5), ("a", 0.25)]
    assert largest_values(report(rows), "other") == ()


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize("layers", [2, 200])
def test_an_image_is_drawn(layers: int) -> None:
    pytest.importorskip("matplotlib")
    width, height = size(render_image([report(encoder(layers))]))
    assert (width > 1200, 500 < height < 3000) == (True, True)


def test_an_image_of_anything_is_drawn_the_same_again() -> None:
    pytest.importorskip("matplotlib")
    rows: list[MeasuredChange] = [
        *(changed(name) for name in HOSTILE),
        changed("权重.$x^2.weight"),
        added("a"),
        removed("b"),
    ]
    reports = [report(rows), report([unchanged("a")]), report([])]
    assert render_image(reports) == render_image(reports)


def test_an_image_of_nothing_is_drawn() -> None:
    pytest.importorskip("matplotlib")
    assert size(render_image([])) > (0, 0)
