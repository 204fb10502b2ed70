"""How many documents tell an answer: those that name the question's entity and the answer's, anywhere in them.

Source: Kandpal et al., Large Language Models Struggle to Learn Long-Tail Knowledge (arXiv 2211.08411), but for the
entities: there an entity linker says what a document is about, and here a phrase stands for the entity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from git_theta_longtail.phrases import PhraseIndex, PhraseMatch
from git_theta_longtail.question_files import Question


class DocumentCount(NamedTuple):
    """How many documents have a question's entity and the answer's: where case is folded, and as they are written."""

    folded: int
    exact: int


def count_documents(questions: Sequence[Question], documents: Iterable[str]) -> dict[str, DocumentCount]:
    """How many documents tell each answer, by the question's id, in their order.

    Memory: that of the questions, and of a document.
    """
    sides = [_group_phrases(questions, side) for side in ("subjects", "answers")]
    index = PhraseIndex(dict.fromkeys(phrase for side in sides for phrase in side))
    folded, exact = [0] * len(questions), [0] * len(questions)
    for text in documents:
        matches = list(index.find_in(text))
        for place in _find_told(matches, sides):
            folded[place] += 1
        for place in _find_told([one for one in matches if one.is_exact], sides):
            exact[place] += 1
    return {one.id: DocumentCount(*counts) for one, *counts in zip(questions, folded, exact, strict=True)}


def name_bucket(count: int) -> str:
    """The bucket of a number of documents: its power of ten, as the paper has them; ``0`` for none."""
    return f"10^{len(str(count)) - 1}" if count else "0"


def _group_phrases(questions: Sequence[Question], side: str) -> dict[str, list[int]]:
    """The places of the questions that have a phrase on this side."""
    places: dict[str, list[int]] = {}
    for place, question in enumerate(questions):
        for phrase in getattr(question, side):
            places.setdefault(phrase, []).append(place)
    return places


def _find_told(matches: Sequence[PhraseMatch], sides: Sequence[dict[str, list[int]]]) -> set[int]:
    """The places of the questions of which a document has a phrase on either side."""
    asked, answered = ({place for one in matches for place in side.get(one.phrase, ())} for side in sides)
    return asked & answered
