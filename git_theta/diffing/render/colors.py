"""Git's colours, under Git's names for them (``color.diff.<slot>``), with Git's defaults."""

from __future__ import annotations

from typing import NamedTuple

from git_theta.diffing.base import ChangeStatus

_RESET = "\x1b[m"


class Palette(NamedTuple):
    """The escape sequence that switches each slot on; "" where nothing is coloured."""

    meta: str = ""
    frag: str = ""
    old: str = ""
    new: str = ""
    dim: str = ""

    def color_of(self, status: ChangeStatus) -> str:
        """The slot of a parameter to which this happened: what was added and removed, as lines are."""
        return {ChangeStatus.ADDED: self.new, ChangeStatus.REMOVED: self.old}.get(status, "")


PLAIN = Palette()
GIT = Palette(meta="\x1b[1m", frag="\x1b[36m", old="\x1b[31m", new="\x1b[32m", dim="\x1b[2m")


def choose_palette(color: bool) -> Palette:
    """The colours to print with."""
    return GIT if color else PLAIN


def paint(text: str, slot: str) -> str:
    """``text`` in a colour, reset behind it: a pager shows single lines."""
    return f"{slot}{text}{_RESET}" if slot and text else text
