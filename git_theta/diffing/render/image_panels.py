"""Pictures, one below the other, as one image: its colours, measures and style. Needs matplotlib."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEP_COLORS = ("#e3eefa", "#cbdff3", "#a9cbea", "#7fb2dd", "#5596cd", "#347ab8", "#1e5f9f", "#114680", "#082d5a")
QUIET_COLOR, TEXT_COLOR = "#5b6470", "#1b1f24"
UNCHANGED_COLOR, OTHER_COLOR = "#e4e7eb", "#c3c9d1"
LEFT, WIDTH, _RIGHT = 3.4, 6.4, 0.4
"""Inches: for labels, for pictures, and what stays free behind them."""
ROW, _TITLE, MARGIN = 0.21, 0.55, 0.3
"""Inches: the height of one row of a picture, what stands above it, and around all of them."""
_DPI = 150
_MAX_PIXELS = 60_000
"""Pixels that an image may be high: the drawing library refuses more than 65,535."""
_STYLE = {
    "font.size": 8,
    "text.parse_math": False,  # a dollar sign in a name starts no formula
    "axes.edgecolor": "none",
    "axes.labelcolor": QUIET_COLOR,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "text.color": TEXT_COLOR,
    "xtick.color": QUIET_COLOR,
    "ytick.color": QUIET_COLOR,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


class Panel(NamedTuple):
    """One picture: its size in inches, what draws it, and how far it is from the left edge."""

    width: float
    height: float
    draw: Callable[[Axes], None]
    left: float = LEFT


def draw_panels(panels: Sequence[Panel]) -> bytes:
    """A PNG of pictures, one below the other. Raises ModuleNotFoundError without matplotlib."""
    from matplotlib import style

    # Not a person's own style: the image is to be the same everywhere.
    with style.context(["default", _STYLE]), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a letter that the font lacks is drawn as a box
        return _draw_figure(panels)


def _draw_figure(panels: Sequence[Panel]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = LEFT + WIDTH + _RIGHT
    height = sum(panel.height + _TITLE for panel in panels) + MARGIN
    figure = Figure(figsize=(width, height), dpi=min(_DPI, _MAX_PIXELS / height))
    FigureCanvasAgg(figure)
    top = height
    for panel in panels:
        top -= panel.height + _TITLE
        box = (panel.left / width, top / height, panel.width / width, panel.height / height)
        panel.draw(figure.add_axes(box))
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})  # which names the release of matplotlib
    return content.getvalue()
