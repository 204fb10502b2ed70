"""The page of a map, looked at as a person does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from git_theta.diffing.geometry import average_linkage, cosine_matrix, project_to_plane
from git_theta.diffing.render.map_page import render_map_page
from git_theta.diffing.weight_map import MapVersion, WeightMap
from tests.diffing.render.browser import program, running
from tests.diffing.render.sample_reports import HOSTILE

_OVERLAPS = """\
(() => { const boxes = [...document.querySelectorAll('.plane text')].map(text => text.getBoundingClientRect());
return boxes.filter((one, at) => boxes.slice(at + 1).some(other => one.left < other.right && other.left < one.right
  && one.top + 3 < other.bottom && other.top + 3 < one.bottom)).length; })()"""


def sample(*labels: str) -> WeightMap:
    """Versions at random places, in pairs of neighbours."""
    generator = np.random.default_rng(5)
    centres = np.repeat(generator.standard_normal((len(labels), 40)), 2, axis=0)[: len(labels)]
    points = np.vstack([np.zeros(40), centres + 0.1 * generator.standard_normal(centres.shape)])
    squares = ((points[:, None] - points[None]) ** 2).sum(-1)
    distances = np.sqrt(squares)
    places, shown = project_to_plane(squares)
    return WeightMap(
        path="m.safetensors",
        base=MapVersion("main", "0" * 40, "Base"),
        merge_base=True,
        versions=tuple(MapVersion(label, f"{place:040x}", "Tune") for place, label in enumerate(labels)),
        norms=tuple(distances[0, 1:].tolist()),
        distances=tuple(map(tuple, distances[1:, 1:].tolist())),
        cosines=cosine_matrix(points[1:] @ points[1:].T),
        merges=average_linkage(distances[1:, 1:]),
        points=places,
        shown=shown,
        parameters=3,
        elements=40,
        same=1,
        measured=((),) * len(labels),
        nonfinite=(0,) * len(points),
    )


def test_it_renders_without_complaint_network_or_overlaps(tmp_path: Path) -> None:
    found = program()
    if found is None:
        pytest.skip("no browser is installed that the page could be looked at in")
    file = tmp_path / "map.html"
    labels = [*HOSTILE, *(f"task/{number}" for number in range(8))]
    file.write_text(render_map_page(sample(*labels)), encoding="utf-8")
    with running(found, tmp_path / "profile") as browser:
        browser.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=False)
        browser.visit(file)
        assert browser.run("document.documentElement.scrollWidth") <= 390
        assert browser.run("document.querySelectorAll('.plane circle').length") == len(labels) + 1
        assert browser.run("document.querySelectorAll('.tree line').length") == 3 * (len(labels) - 1)
        assert browser.run(_OVERLAPS) == 0
        assert browser.run("getComputedStyle(document.querySelector('.plane .version')).fill") != "rgb(0, 0, 0)"
        assert browser.run("window.owned") is None
        asked = [request["request"]["url"] for request in browser.happened("Network.requestWillBeSent")]
        assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
        assert not browser.happened("Log.entryAdded")
