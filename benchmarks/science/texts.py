"""Four tasks on short texts: opinions of films, documentation by library, sections and uses of Debian's packages."""

from __future__ import annotations

import ast
import importlib.util
import random
import re
import subprocess
import warnings
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from benchmarks.science.packages import Packages

_LEAST_STARS = 1.0
"""An opinion nearer to none is not taken."""
_SECTIONS = ("games", "science", "sound", "net", "graphics", "admin", "editors", "doc")
_USES = ("gameplaying", "viewing", "converting", "editing", "monitor", "browsing")
_LIBRARIES = ("asyncio", "email", "unittest", "importlib", "numpy", "torch", "matplotlib", "pip")
_SHORTEST, _LONGEST, _DOCUMENTED = 30, 200, 300

Labelled = tuple[str, str]


class Texts(NamedTuple):
    """Texts of a task in random order, as many of each label, and the labels."""

    name: str
    texts: list[str]
    labels: list[int]


def find_texts(packages: Packages, most: int = 1_200) -> Iterator[Texts]:
    """The tasks that can be had here: two of them are about Debian's packages, which its own index describes.

    ``most``: texts of a task.
    """
    found: dict[str, Callable[[], Iterator[Labelled]]] = {
        "films": lambda: _opinions(packages),
        "documentation": _docstrings,
        "sections": lambda: _packages("Section", _SECTIONS),
        "uses": lambda: _packages("Tag", _USES),
    }
    tasks = (_balance(name, sorted(set(find())), most) for name, find in found.items())
    return (task for task in tasks if task.texts)


def _balance(name: str, labelled: list[Labelled], most: int) -> Texts:
    order = random.Random(0)
    order.shuffle(labelled)
    names = sorted({label for _, label in labelled})
    chosen = [
        (text, place)
        for place, name in enumerate(names)
        for text in [text for text, label in labelled if label == name][: most // len(names)]
    ]
    order.shuffle(chosen)
    return Texts(name, [text for text, _ in chosen], [place for _, place in chosen])


def _opinions(packages: Packages) -> Iterator[Labelled]:
    for text, stars in packages.read_opinions("movieReviewSnippets"):
        if abs(stars) > _LEAST_STARS:
            yield text, "good" if stars > 0 else "bad"


def _docstrings() -> Iterator[Labelled]:
    for library in _LIBRARIES:
        spec = importlib.util.find_spec(library)
        if spec and spec.origin:
            files = sorted(Path(spec.origin).parent.rglob("*.py"))
            found = chain.from_iterable(map(_documented, files))
            yield from ((text, library) for text in islice(found, _DOCUMENTED))


def _documented(file: Path) -> Iterator[str]:
    with warnings.catch_warnings(action="ignore"):  # old escapes in other people's code
        tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            text = " ".join((ast.get_docstring(node) or "").split())[:_LONGEST]
            if len(text) > _SHORTEST:
                yield text


def _packages(field: str, labels: tuple[str, ...]) -> Iterator[Labelled]:
    """What packages are described by, of those for which the field names exactly one of the labels."""
    for entry in _read_index():
        described = re.search(r"^Description: (.*)$", entry, re.MULTILINE)
        said = re.search(rf"^{field}: ((?:.*\n )*.*)", entry, re.MULTILINE)
        named = set(re.findall(r"[a-z]+", said[1])) & set(labels) if said else set()
        if described and len(named) == 1:
            yield described[1], named.pop()


def _read_index() -> list[str]:
    """Entries of Debian's index of packages; none on another system."""
    try:
        done = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return []
    return done.stdout.split("\n\n")
