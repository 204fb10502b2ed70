"""Changes that no test notices, and need not: each with its reason, counted apart by the run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tests.mutation.mutants import Mutant, mutants_of


class Explanation(NamedTuple):
    """Why nothing is lost when a change goes unnoticed.

    Attributes:
        file: where, from the project's root.
        line: the source line that is changed, without its indentation.
        after: what the run prints that it, or the part of it that was changed, becomes.
        reason: in a sentence.
    """

    file: str
    line: str
    after: str
    reason: str


EXPLANATIONS: tuple[Explanation, ...] = (
    Explanation(
        "git_theta/serializers/frames.py",
        "if len(plane) <= 2 * PIECE:",
        "len(plane) < 2 * PIECE",
        "a plane of just that length is looked at first, or compressed at once: what is stored is the same",
    ),
    Explanation(
        "git_theta/serializers/frames.py",
        "if len(plane) < _SMALLEST or _is_noise(memoryview(plane)):",
        "len(plane) <= _SMALLEST",
        "a frame of twelve bytes takes nine or more without its magic number: there is next to nothing to save",
    ),
)


def find_explanation(
    file: str, source: str, mutant: Mutant, explanations: Iterable[Explanation] = EXPLANATIONS
) -> Explanation | None:
    """The explanation of a change to a file whose right text is ``source``, where there is one."""
    line = source.splitlines()[mutant.line - 1].strip()
    made = (file, line, first_line(mutant.after))
    return next((one for one in explanations if one[:3] == made), None)


def stale_explanations(file: str, source: str, explanations: Iterable[Explanation] = EXPLANATIONS) -> list[Explanation]:
    """Those of a file that no change to its text ``source`` is meant by, any more."""
    ours = [one for one in explanations if one.file == file]
    if not ours:
        return []
    meant = [find_explanation(file, source, mutant, ours) for mutant in mutants_of(source, 0)]
    return [one for one in ours if one not in meant]


def first_line(text: str) -> str:
    """What is printed of a statement or expression."""
    return text.partition("\n")[0]
