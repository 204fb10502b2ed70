"""The line between two versions as one image: distances along it, and what an evaluator says. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from git_theta.diffing.render.formatting import format_cosine, format_number
from git_theta.diffing.render.image_panels import OTHER_COLOR, QUIET_COLOR, STEP_COLORS, TEXT_COLOR, Panel, draw_panels
from git_theta.diffing.render.map_words import describe_base, describe_compared, shorten_label
from git_theta.diffing.render.path_text import ScoreColumn
from git_theta.diffing.weight_path import WeightPath
from git_theta.words import escape_unprintable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEFT, _WIDTH, _HEIGHT = 0.7, 9.0, 2.2
"""Inches."""
_MAX_NAME = 32
_COLORS = (STEP_COLORS[3], STEP_COLORS[5], STEP_COLORS[8])
"""Of the distances from A, from B and from the base."""


def render_path_image(found: WeightPath, scores: ScoreColumn | None = None) -> bytes:
    """A PNG. The same path and the same matplotlib give the same bytes. Raises ModuleNotFoundError without it."""
    return draw_panels(list(_list_panels(found, scores)))


def _list_panels(found: WeightPath, scores: ScoreColumn | None) -> Iterator[Panel]:
    yield Panel(_WIDTH, 0.5, partial(_draw_heading, found), _LEFT)
    if scores:
        yield Panel(_WIDTH, _HEIGHT, partial(_draw_scores, found, scores), _LEFT)
    yield Panel(_WIDTH, _HEIGHT, partial(_draw_distances, found), _LEFT)


def _name_ends(found: WeightPath) -> tuple[str, str]:
    first, second = (shorten_label(member.label, _MAX_NAME) for member in found.map.versions)
    return first, second


def _draw_heading(found: WeightPath, axes: Axes) -> None:
    first, second = _name_ends(found)
    axes.set_axis_off()
    axes.text(0, 1, f"{escape_unprintable(found.map.path)}: {first} to {second}", fontsize=13, fontweight="bold")
    apart = f"distance {format_number(found.distance)}, cosine of changes {format_cosine(found.cosine) or '-'}"
    axes.text(0, 0.75, f"from {describe_base(found.map)}: {apart}", color=QUIET_COLOR, va="top")
    axes.text(0, 0.2, f"parameters: {describe_compared(found.map)}", color=QUIET_COLOR, va="top")


def _prepare_axes(found: WeightPath, title: str, axes: Axes) -> None:
    first, second = _name_ends(found)
    axes.set_title(title)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], [first, "0.25", "0.5", "0.75", second])
    axes.grid(color=OTHER_COLOR, linewidth=0.4)


def _draw_scores(found: WeightPath, scores: ScoreColumn, axes: Axes) -> None:
    places = [point.t for point in found.points]
    _prepare_axes(found, f"{escape_unprintable(scores.name)}: barrier {scores.barrier:.4g}", axes)
    axes.plot([0, 1], [scores.scores[0], scores.scores[-1]], color=QUIET_COLOR, linewidth=0.8, linestyle="--")
    axes.plot(places, scores.scores, color=TEXT_COLOR, marker="o", markersize=3, linewidth=1.2, clip_on=False)


def _draw_distances(found: WeightPath, axes: Axes) -> None:
    places = [point.t for point in found.points]
    _prepare_axes(found, "distance of the mix", axes)
    names = [f"from {name}" for name in (*_name_ends(found), "the base")]
    for name, color, distances in zip(names, _COLORS, list(zip(*found.points, strict=True))[1:], strict=True):
        axes.plot(places, distances, color=color, marker="o", markersize=3, linewidth=1.2, clip_on=False, label=name)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=7)
