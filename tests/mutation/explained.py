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
        "git_theta/operations/restoring/restore.py",
        "if not held and len(piece) >= _SMALL_PIECE:",
        "len(piece) > _SMALL_PIECE",
        "a piece of just that size is handed on at once, or copied and handed on",
    ),
    Explanation(
        "git_theta/operations/keeping/hashed_object.py",
        "if not self._read_block(max(BLOCK, size) if at == self._end else BLOCK):",
        "at != self._end",
        "the same bytes are read in blocks of other lengths",
    ),
    Explanation(
        "git_theta/operations/keeping/verify.py",
        "elif plain and plain[1] <= BLOCK:  # as many of a hundred thousand small parts lie there",
        "plain[1] < BLOCK",
        "a part of just one block is compared the quick way or the other, which come to the same",
    ),
    Explanation(
        "git_theta/merging/planning/decisions.py",
        "tied = any(len(held) > 1 or held[0].views for held in groups)"
        "  # rare, and all that follows is slow for it alone",
        "len(held) >= 1",
        "what follows comes to the same for what is not tied, and is slower",
    ),
    Explanation(
        "git_theta/updates/delta/block_coding.py",
        "if np.count_nonzero(pruned) * _FEWEST_ZEROS < len(numbers):",
        "np.count_nonzero(pruned) * _FEWEST_ZEROS <= len(numbers)",
        "where just one number in so many has become 0, flags take as much as they save; both are read",
    ),
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
