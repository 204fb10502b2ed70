"""Two small corpora that every Python brings along, as pairs of texts that belong together."""

from __future__ import annotations

import ast
import random
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from pydoc_data import topics
from typing import NamedTuple

Pair = tuple[str, str]
HELD_OUT = 64


class Task(NamedTuple):
    """What a model is to learn: which text goes with which.

    Attributes:
        name: of its branch.
        about: for people.
        train: pairs to learn from, in random order.
        held_out: pairs to be judged by; none of them is trained on.
    """

    name: str
    about: str
    train: list[Pair]
    held_out: list[Pair]

    def texts(self) -> Iterator[str]:
        """All its texts."""
        return (text for pair in (*self.train, *self.held_out) for text in pair)


def functions_task() -> Task:
    """The standard library: a function's name goes with the first sentence that documents it."""
    return _make_task("functions", "what functions are for", _docstring_pairs())


def language_task() -> Task:
    """The language reference: a sentence goes with the sentence after it."""
    return _make_task("language", "the language reference", _sentence_pairs())


def _make_task(name: str, about: str, found: Iterator[Pair]) -> Task:
    pairs = sorted(set(found))
    random.Random(0).shuffle(pairs)
    return Task(name, about, pairs[HELD_OUT:], pairs[:HELD_OUT])


def _docstring_pairs() -> Iterator[Pair]:
    for file in Path(sysconfig.get_path("stdlib")).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                said = _split_sentences((ast.get_docstring(node) or "").partition("\n\n")[0])
                if said:
                    yield f"{file.stem} {node.name}", said[0]


def _sentence_pairs() -> Iterator[Pair]:
    for topic in topics.topics.values():
        for paragraph in topic.split("\n\n"):
            if paragraph[:1].isalpha():  # code is indented
                said = _split_sentences(paragraph)
                yield from zip(said[::2], said[1::2], strict=False)


def _split_sentences(text: str) -> list[str]:
    parts = re.split(r"(?<=[.]) (?=[A-Z])", " ".join(text.split()))
    return [part for part in parts if part.endswith(".")]
