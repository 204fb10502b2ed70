"""HTML that cannot be broken out of: what is not markup already is escaped as it becomes a child or an attribute."""

from __future__ import annotations

import html
from collections.abc import Iterable

from git_theta.words import escape_unprintable

_VOID = frozenset({"input", "wbr"})
"""The elements of ours that have no end tag."""


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str | int | float | bool | None) -> Markup:
    """An element.

    Args:
        tag: its name.
        children: markup as it is, text escaped.
        attributes: ``_`` stands for ``-``, and behind a Python keyword for nothing; None or False leaves one out,
            True writes its name alone.
    """
    said = "".join(_attribute(name, value) for name, value in attributes.items())
    return Markup(f"<{tag}{said}>" if tag in _VOID else f"<{tag}{said}>{join_markup(children)}</{tag}>")


def join_markup(children: Iterable[str]) -> Markup:
    """Several pieces, one after the other."""
    return Markup("".join(map(escape_text, children)))


def breakable_name(name: str) -> Markup:
    """A parameter's name, that may be broken into lines behind its dots alone."""
    first, *others = name.split(".")
    return join_markup([first, *(piece for other in others for piece in (".", element("wbr"), other))])


def escape_text(text: str) -> Markup:
    """Text as HTML; what is HTML already, as it is."""
    return text if isinstance(text, Markup) else Markup(html.escape(escape_unprintable(text)))


def wrap_figure(title: str, *content: str) -> Markup:
    """Content as a figure under a title."""
    return element("figure", element("figcaption", element("h3", title)), *content)


def _attribute(name: str, value: str | int | float | bool | None) -> str:
    name = name.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape_text(str(value))}"'
