"""What installed packages declare for us, read off the folders that Python imports from.

``importlib.metadata`` finds the same. Its import alone takes 25 ms, as much as all else that a filter does before its
first byte; reading every ``entry_points.txt`` of 300 packages takes 2 ms. So nothing is kept from one process to the
next, and what is installed or removed is seen at once.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

PREFIX = "git_theta.plugins."
"""What the names of our groups begin with; the family follows."""

_DESCRIBED = (".dist-info", ".egg-info")
"""How the folders end in which installers describe packages."""
_LARGEST = 1 << 20  # characters: the largest of the usual packages has a few thousand
_EGG = ".egg"
"""How a folder ends that is a package and its description."""


class DeclaredPlugin(NamedTuple):
    """An entry point in one of our groups.

    Attributes:
        family: the group's, without the prefix.
        name, target: as the package declares them.
        package, version: what declares them.
        folder: the folder of ``sys.path`` in which the package lies.
    """

    family: str
    name: str
    target: str
    package: str
    version: str
    folder: str


def scan_packages(folders: Iterable[str]) -> tuple[DeclaredPlugin, ...]:
    """What the packages in these folders declare, in the folders' order.

    Of packages with one name the first counts, as it is the one that is imported.
    """
    found: list[DeclaredPlugin] = []
    seen: set[str] = set()
    for folder in dict.fromkeys(entry or "." for entry in folders):
        for described in _list_descriptions(folder):
            name = _normalize_name(folder if folder.endswith(_EGG) else described)
            if name not in seen:
                seen.add(name)
                found += _read_plugins(described, folder)
    return tuple(found)


def _list_descriptions(folder: str) -> list[str]:
    """The folders that describe packages; of the folder of an egg, the one in it."""
    if folder.endswith(_EGG):
        return [f"{folder}/EGG-INFO"]
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.name.endswith(_DESCRIBED))
    except OSError:  # no folder; zip archives, which need no installer, declare nothing
        return []


def _normalize_name(folder: str) -> str:
    """A package's name by the one spelling that all others come down to (PEP 503), of its folder."""
    described = folder.rpartition("/")[2].rpartition(".")[0]
    return re.sub(r"[-_.]+", "-", described.partition("-")[0]).lower()


def _read_plugins(described: str, folder: str) -> Iterator[DeclaredPlugin]:
    text = _read_text(described, "entry_points.txt")
    if PREFIX not in text:
        return
    package, version = _read_identity(described)
    family = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[]").strip()
            family = group.removeprefix(PREFIX) if group.startswith(PREFIX) else ""
        elif family and "=" in line and not line.startswith(("#", ";")):
            name, _, target = line.partition("=")
            yield DeclaredPlugin(family, name.strip(), target.partition("[")[0].strip(), package, version, folder)


def _read_identity(described: str) -> tuple[str, str]:
    """Name and version of a package, from the head of its metadata."""
    text = _read_text(described, "METADATA") or _read_text(described, "PKG-INFO")
    head = dict(line.partition(": ")[::2] for line in text.partition("\n\n")[0].splitlines())
    return head.get("Name", "").strip(), head.get("Version", "").strip()


def _read_text(described: str, name: str) -> str:
    """What is written there: "" for no regular file. A pipe is not waited for, and of a huge file the head is read."""
    path = f"{described}/{name}"
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read(_LARGEST)
    except OSError:
        return ""
