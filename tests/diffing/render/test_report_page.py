"""The page as text. tests/diffing/render/test_report_page_in_a_browser.py looks at it."""

from __future__ import annotations

import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

from git_theta.diffing.render.markup import Markup, element
from git_theta.diffing.render.report_page import render_page
from tests.diffing.render.sample_reports import HOSTILE, changed, encoder, renamed, report


class Seen(HTMLParser):
    """The tags, attributes and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data


def test_names_from_a_file_are_escaped_wherever_they_stand() -> None:
    hostile = report([*(changed(name) for name in HOSTILE), renamed(HOSTILE[1], HOSTILE[0])], path=HOSTILE[0])
    bad = hostile._replace(labels=(HOSTILE[0], HOSTILE[1]), rows=(hostile.rows[0]._replace(failure=HOSTILE[2]),))
    for title, found in [(HOSTILE[2], [hostile, bad]), (HOSTILE[3], [bad])]:
        text = render_page(found, title)
        seen = Seen(text)
        assert not {"img", "iframe"} & set(seen.tags)
        assert seen.tags.count("script") == seen.tags.count("style") == seen.tags.count("title") == 1
        assert not [name for name in seen.attributes if name.startswith("on")]
        assert not set("\x1b\x07\u202e\udc80") & set(text)


def test_it_asks_the_network_for_nothing() -> None:
    text = render_page([report(encoder(2))], "theta diff")
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)|url\(|@import|https?://""", text)
    assert "default-src 'none'" in text
    assert "unsafe-inline" not in text


def test_the_same_reports_give_the_same_page() -> None:
    assert render_page([report(encoder(2))], "a") == render_page([report(encoder(2))], "a")


def test_several_checkpoints_are_listed() -> None:
    text = render_page([report(encoder(2)), report([changed("a")], "second.pt")], "theta diff")
    assert '<a href="#checkpoint-1">second.pt</a>' in text
    assert text.count('id="checkpoint-1"') == text.count('id="search-1"') == 1


def test_nothing_changed_is_said() -> None:
    assert "Nothing changed." in render_page([], "theta diff")


def test_markup_escapes_what_is_not_markup() -> None:
    assert element("td", "<b>", Markup("<i></i>"), title='"<', data_value=1.5, hidden=True, lang=None) == (
        '<td title="&quot;&lt;" data-value="1.5" hidden>&lt;b&gt;<i></i></td>'
    )


def test_what_the_page_is_made_of_is_packaged() -> None:
    """Or an installed git-theta could draw nothing: every file that is no module has a pattern that brings it along."""
    packaged = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    found = {
        file
        for package, patterns in packaged.items()
        for pattern in patterns
        for file in Path(package.replace(".", "/")).glob(pattern)
    }
    others = {file for file in Path("git_theta").rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")}
    assert len(others) > 3
    assert others == found
