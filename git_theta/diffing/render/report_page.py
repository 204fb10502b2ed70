"""Reports as one page that needs nothing else: no network, no fonts, and no script to be read."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from string import Template

from git_theta.diffing.base import Report
from git_theta.diffing.modules import relative_of
from git_theta.diffing.render import charts
from git_theta.diffing.render.formatting import format_magnitude, format_percent
from git_theta.diffing.render.markup import Markup, element, escape_text, join_markup
from git_theta.diffing.render.sheet import render_sheet
from git_theta.diffing.render.totals import (
    STATUS_WORDS,
    describe_shards,
    file_differences,
    path_before,
    sum_changes,
    summarize_report,
)
from git_theta.diffing.verdict import Look, judge_report
from git_theta.words import humanize_size, pluralize


def render_page(reports: Sequence[Report], title: str) -> str:
    """The page, to be written as UTF-8.

    Args:
        reports: the checkpoints, in order.
        title: what the page is called.
    """
    sections = [_section(report, number) for number, report in enumerate(reports)]
    body = join_markup([_contents(reports), *sections]) if sections else element("p", "Nothing changed.")
    return build_page(title, body)


def build_page(title: str, body: Markup, *styles: str) -> str:
    """A page of ours.

    Args:
        title: what it is called.
        body: all that stands below the title.
        styles: further style sheets of ours that it takes.
    """
    style, script = "".join(map(_read_asset, ("page.css", *styles))), _read_asset("page.js")
    return Template(_read_asset("page.html")).substitute(
        title=escape_text(title),
        style=style,
        style_hash=_policy_hash(style),
        script=script,
        script_hash=_policy_hash(script),
        body=body,
    )


def _read_asset(name: str) -> str:
    from importlib.resources import files

    return (files(__package__) / "assets" / name).read_text("utf-8")


def _policy_hash(text: str) -> str:
    """What the page's security policy calls the one script, and the one style sheet, that may be used."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _contents(reports: Sequence[Report]) -> Markup:
    """Links to the checkpoints, where there are several."""
    if len(reports) < 2:
        return Markup()
    links = [element("a", report.comparison.path, href=f"#checkpoint-{n}") for n, report in enumerate(reports)]
    items = [
        element("li", link, " ", element("small", summarize_report(report)))
        for link, report in zip(links, reports, strict=True)
    ]
    return element("nav", element("ol", *items), aria_label="Checkpoints")


def _section(report: Report, number: int) -> Markup:
    heading = f"checkpoint-{number}"
    return element(
        "section",
        element("h2", report.comparison.path, id=heading),
        _versions(report),
        _verdict(report),
        element("dl", *_cards(report), class_="cards"),
        charts.render_bar(report),
        charts.render_heat_maps(report),
        charts.render_largest(report),
        render_sheet(report, number),
        aria_labelledby=heading,
    )


def _versions(report: Report) -> Markup:
    old, new = report.labels
    comparison = report.comparison
    before, after = describe_shards(comparison.before), describe_shards(comparison.after)
    sides = [("old", old, before or "not there"), ("new", new, after or "not there")]
    said = [element("span", element("b", label), f" {words}", class_=side) for side, label, words in sides]
    facts = [f"{what} {was} → {now}" for what, was, now in file_differences(report) if what != "size"]
    if path_before(report) != comparison.path:
        facts.append(f"renamed from {path_before(report)}")
    return element("p", said[0], " → ", said[1], *(f" · {fact}" for fact in facts), class_="versions")


def _verdict(report: Report) -> Markup:
    found = judge_report(report)
    words = found.text[:1].upper() + found.text[1:]
    rest = report.comparison.rest_changed and found.look is not Look.REST
    also = "What is no parameter changed, too: metadata, order or other values." if rest else ""
    return element(
        "p", f"{words}. ", element("span", also) if also else "", class_="verdict", data_look=found.look.value
    )


def _cards(report: Report) -> Iterator[Markup]:
    sums = sum_changes(report.comparison.changes)
    for status, number in sums.counts.items():
        if status in STATUS_WORDS:
            yield _card(STATUS_WORDS[status], f"{number:,}", status.value)
    yield _card("parameters in all", f"{sums.parameters:,}")
    yield _card("elements touched", format_magnitude(sums.elements))
    relative = format_percent(relative_of(report.rows))
    if relative:
        yield _card("relative change", relative)
    yield _card("stored", humanize_size(sums.stored_bytes))
    if report.failures:
        yield _card("could not be measured", pluralize(len(report.failures), "parameter"), "failure")


def _card(title: str, figure: str, kind: str = "") -> Markup:
    return element("div", element("dt", title), element("dd", figure), class_=f"card {kind}".strip())
