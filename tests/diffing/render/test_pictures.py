"""What the pictures show, and that they can be drawn."""

from __future__ import annotations

import math
import struct

import pytest

from git_theta.diffing.base import Measured
from git_theta.diffing.render.pictures import STEPS, Cell, Scale, State, bar, heat_maps, scale_of, top, where
from git_theta.diffing.render.report_png import image
from git_theta.diffing.verdict import Kind
from tests.diffing.render.samples import HOSTILE, added, changed, encoder, removed, report, unchanged


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
    assert where(name) == place


def test_a_heat_map_shows_each_module_of_each_layer() -> None:
    rows = [
        changed("h.0.mlp.weight", norm=3.0, norm_before=30.0),
        changed("h.0.mlp.bias", norm=4.0, norm_before=40.0),
        unchanged("h.0.attn.weight"),
        added("h.2.mlp.weight"),
        changed("h.2.attn.weight", nonfinite_after=(1, 0)),
        changed("head.weight"),
    ]
    outside, stack = heat_maps(report(rows))
    assert (outside.stack, outside.modules) == (None, ("head",))
    assert (stack.stack, stack.layers, stack.modules) == ("h", (0, 2), ("mlp", "attn"))
    assert stack.cells["mlp", 0] == Cell(State.CHANGED, 0.1)
    assert stack.cells["attn", 0] == Cell(State.UNCHANGED, 0.0)
    assert stack.cells["mlp", 2].state is State.OTHER
    assert stack.cells["attn", 2].state is State.BROKEN


def test_a_scale_is_logarithmic_and_spans_three_powers_of_ten_at_most() -> None:
    rows = [changed(f"h.{layer}.w.weight", relative=10.0**-layer) for layer in range(9)]
    scale = scale_of(heat_maps(report(rows)))
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
    found = bar(report(rows))
    assert {kind for kind, _, _ in found.kinds} == set(Kind)
    assert sum(parameters for _, parameters, _ in found.kinds) == len(rows)
    assert sum(found.share(kind) for kind in Kind) == pytest.approx(1)


def test_the_top_is_what_changed_most() -> None:
    rows = [changed("a", relative=0.1), changed("b", relative=0.3), changed("c", norm=math.inf), added("d")]
    assert [name for name, _ in top(report(rows))] == ["b", "a"]


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize("layers", [2, 200])
def test_an_image_is_drawn(layers: int) -> None:
    pytest.importorskip("matplotlib")
    width, height = size(image([report(encoder(layers))]))
    assert (width > 1200, 500 < height < 3000) == (True, True)


def test_an_image_of_anything_is_drawn_the_same_again() -> None:
    pytest.importorskip("matplotlib")
    rows: list[Measured] = [*(changed(name) for name in HOSTILE), changed("权重.$x^2.weight"), added("a"), removed("b")]
    reports = [report(rows), report([unchanged("a")]), report([])]
    assert image(reports) == image(reports)


def test_an_image_of_nothing_is_drawn() -> None:
    pytest.importorskip("matplotlib")
    assert size(image([])) > (0, 0)
