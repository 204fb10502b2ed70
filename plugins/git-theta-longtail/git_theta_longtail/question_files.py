"""Questions and their entities, as a person writes them down: a line of JSON for each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from git_theta.errors import UsageError

from git_theta_longtail.phrases import split_words

_HINT = 'A line is: {"id": "q1", "question": "Marie Curie", "answer": ["Warsaw", "Warszawa"]}'


class Question(NamedTuple):
    """A question, and what a document has to name to tell its answer.

    Attributes:
        id: the item's, as the evaluator says it.
        subjects: what the question's entity is called; any will do.
        answers: what the answer's entity is called; any will do.
    """

    id: str
    subjects: tuple[str, ...]
    answers: tuple[str, ...]


def read_questions(file: Path) -> list[Question]:
    """The questions of a file: ``{"id": "q1", "question": "Marie Curie", "answer": ["Warsaw", "Warszawa"]}`` a line.

    Raises UsageError, with the line, for what is none, and for an id that comes twice.
    """
    found: dict[str, Question] = {}
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", hint=_HINT, path=str(file)) from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                question = _parse_question(line)
                if question.id in found:
                    raise ValueError(f"the id {question.id!r} comes twice")
            except ValueError as error:
                raise UsageError(f"line {number}: {error}", hint=_HINT, path=str(file)) from None
            found[question.id] = question
    if not found:
        raise UsageError("has no question in it", hint=_HINT, path=str(file))
    return list(found.values())


def _parse_question(line: bytes) -> Question:
    data = json.loads(line)
    if not isinstance(data, dict) or not isinstance(data.get("id"), str) or not data["id"]:
        raise ValueError("no id")
    return Question(data["id"], _read_names(data, "question"), _read_names(data, "answer"))


def _read_names(data: dict[str, Any], key: str) -> tuple[str, ...]:
    given = data.get(key)
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not names or not all(isinstance(one, str) and split_words(one) for one in names):
        raise ValueError(f"{key} is no name with a word in it, and no list of such names")
    return tuple(dict.fromkeys(names))
