"""How defects of objects are said, here and on a remote."""

from __future__ import annotations

from git_theta.errors import CorruptObject, MissingObject
from git_theta.operations.keeping.inventory import Defect
from git_theta.words import escape_unprintable, pluralize


def kind_of(defect: Defect) -> str:
    """What is wrong, in a word."""
    kinds = {MissingObject: "missing", CorruptObject: "corrupt"}
    return kinds.get(type(defect.error), "unchecked")


def format_defect(defect: Defect, kind: str = "") -> str:
    """A defect in one line. ``kind``: a better word for it."""
    names = ", ".join(defect.parameters[:3]) + (" ..." if len(defect.parameters) > 3 else "")
    named = f": {pluralize(len(defect.parameters), 'parameter')}: {names}" if names else ""
    where = f"{defect.path or 'a blob'} (manifest {defect.manifest[:12]}){named}"
    what = f"object {defect.object}" if defect.object else ""
    said = defect.error.message if defect.error.message.startswith(what) else f"{what} {defect.error.message}"
    return escape_unprintable(f"{kind or kind_of(defect)}: {said}; {where}")
