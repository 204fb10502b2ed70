"""The page, looked at as a person does: it renders, sorts, searches, and asks nobody for anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from git_theta.diffing.base import Report
from git_theta.diffing.render.report_page import render_page
from tests.diffing.render.browser import Browser, program, running
from tests.diffing.render.sample_reports import HOSTILE, added, changed, encoder, removed, report, unchanged

NAMES = "[...document.querySelectorAll('.sheet tbody tr:not([hidden])')].map(row => row.cells[0].innerText)"


def head(title: str) -> str:
    """The button in a head of the table."""
    return f"[...document.querySelectorAll('.sheet th button')].find(button => button.innerText == '{title}')"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = program()
    if found is None:
        pytest.skip("no browser is installed that the page could be looked at in")
    with running(found, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def look(browser: Browser, folder: Path, *reports: Report) -> None:
    """Open a page of these reports."""
    file = folder / "page.html"
    file.write_text(render_page(reports, "theta diff"), encoding="utf-8")
    browser.visit(file)


def complaints(browser: Browser) -> list[object]:
    """Exceptions, errors on the console, breaches of the page's policy."""
    logged = [entry["entry"]["text"] for entry in browser.happened("Log.entryAdded")]
    thrown = browser.happened("Runtime.exceptionThrown")
    return [*logged, *thrown, *browser.happened("Runtime.consoleAPICalled")]


def test_it_renders_without_complaint_and_without_network(browser: Browser, tmp_path: Path) -> None:
    look(browser, tmp_path, report([*encoder(12), unchanged("x.weight"), added("head.weight"), removed("old.weight")]))
    assert browser.run("document.querySelectorAll('.heat td.s9').length") > 0
    assert browser.run("document.querySelectorAll('.bar rect').length") == 4
    assert browser.run("document.querySelector('.bar rect.dense').getBoundingClientRect().width") > 500
    assert browser.run("document.querySelector('.search').hidden") is False
    asked = [request["request"]["url"] for request in browser.happened("Network.requestWillBeSent")]
    assert [url for url in asked if not url.startswith("data:")] == [(tmp_path / "page.html").as_uri()]
    assert complaints(browser) == []


def test_it_sorts_by_what_is_clicked(browser: Browser, tmp_path: Path) -> None:
    rows = [changed("b.2.weight", relative=0.1), changed("b.10.weight", relative=0.3), added("a.weight")]
    look(browser, tmp_path, report(rows))
    assert browser.run(NAMES) == ["b.2.weight", "b.10.weight", "a.weight"]
    browser.run(f"{head('relative')}.click()")
    assert browser.run(NAMES) == ["b.10.weight", "b.2.weight", "a.weight"]
    assert browser.run(f"{head('relative')}.closest('th').ariaSort") == "descending"
    browser.run(f"{head('relative')}.click()")
    assert browser.run(NAMES) == ["b.2.weight", "b.10.weight", "a.weight"]
    browser.run(f"{head('parameter')}.focus()")
    browser.press("Enter", "\r")
    assert browser.run(NAMES) == ["a.weight", "b.2.weight", "b.10.weight"]
    assert complaints(browser) == []


def test_it_shows_what_is_typed(browser: Browser, tmp_path: Path) -> None:
    look(browser, tmp_path, report([*encoder(2), removed("old.bias")]))
    browser.run("document.querySelector('input[type=search]').focus()")
    browser.type("QUERY layer.1")
    assert browser.run(NAMES) == [f"encoder.layer.1.attention.self.query.{end}" for end in ("weight", "bias")]
    assert browser.run("document.querySelector('output').value") == "2 of 19"
    browser.run("document.querySelector('input').select()")
    browser.type("removed")
    assert browser.run(NAMES) == ["old.bias"]


def test_names_from_a_file_are_text(browser: Browser, tmp_path: Path) -> None:
    look(browser, tmp_path, report([changed(name) for name in HOSTILE], path=HOSTILE[0]))
    assert browser.run("window.owned") is None
    assert browser.run("document.querySelectorAll('img, script').length") == 1
    assert browser.run(NAMES)[0] == HOSTILE[0]
    assert complaints(browser) == []


def test_it_is_dark_where_people_like_it_dark(browser: Browser, tmp_path: Path) -> None:
    shades = []
    for scheme in ("light", "dark"):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        look(browser, tmp_path, report([changed("a.weight")]))
        color = browser.run("getComputedStyle(document.body).backgroundColor")
        shades.append(int(color.removeprefix("rgb(").split(",")[0]))
    assert shades[0] > 200
    assert shades[1] < 50


def test_it_fits_a_telephone(browser: Browser, tmp_path: Path) -> None:
    browser.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=False)
    look(browser, tmp_path, report(encoder(24)))
    assert browser.run("document.documentElement.scrollWidth") <= 390
    browser.call("Emulation.clearDeviceMetricsOverride")


def test_it_can_be_read_without_scripts(browser: Browser, tmp_path: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    look(browser, tmp_path, report(encoder(2)))
    assert len(browser.run(NAMES)) == 18
    assert browser.run("document.querySelector('.search').hidden") is True
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
