"""The seam of evaluators: a checkpoint in, a score per item out.

Laws, which the kit in ``git_theta.testing.evaluators`` holds:

- The same checkpoint and items give the same scores, as far as the evaluator promises (``deterministic``).
- An id stands for one item: it comes once in a run, and means the same in every run.
- ``items`` are all that is scored, in any order; None leaves the choice to the evaluator.
- A checkpoint is read, never written. The evaluator may be asked for one after another, and closed at any time, twice.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import ClassVar, NamedTuple, Self

from git_theta.registry import Family, require_subclass

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NEVER = threading.Event()


class ItemScore(NamedTuple):
    """What an evaluator says of one item.

    Attributes:
        id: what the item is called, in every run.
        score: how well the checkpoint does; finite.
        buckets: the parts of the evaluation that the item belongs to; none for the whole alone.
        weight: how much it counts in means; positive.
        paired: whether the score says which of two log-likelihoods is higher: 1, 0, or 0.5 for a tie.
    """

    id: str
    score: float
    buckets: tuple[str, ...] = ()
    weight: float = 1.0
    paired: bool = False

    @property
    def is_tie(self) -> bool:
        """Whether both continuations were as likely."""
        return self.paired and self.score == 0.5


class MetricValue(NamedTuple):
    """A figure of the whole run that no mean over items gives: a perplexity, a BLEU."""

    name: str
    value: float


class EvaluatorSetup(NamedTuple):
    """What an evaluator is made with. All of it comes from the person, or was allowed by them (L10).

    Attributes:
        label: what the person calls this evaluation.
        command: a line of ``sh``; "" for an evaluator that takes none.
        folder: where the command runs.
        environment: variables that it finds beside ours.
        timeout: seconds that one checkpoint may take; 0 for any.
        limit: items after which nobody listens; 0 for none. An evaluator may score fewer then, and need not.
        halted: set once nobody waits for a run any more that another thread does: it ends soon, with EvaluationError.
    """

    label: str
    command: str
    folder: Path
    environment: Mapping[str, str] = _NOTHING
    timeout: float = 0
    limit: int = 0
    halted: threading.Event = _NEVER


class Evaluator(ABC):
    """One way to evaluate checkpoints. Entry points name the class; it is made with a setup for each evaluation.

    Attributes:
        name: what the family calls it.
        api: the version of this seam that it is written for.
        deterministic: whether the same checkpoint gives the same scores, always.
        takes_command: whether it is nothing without a command.
        side_by_side: whether several of one setup may run at a time, each in a thread of its own; they look at
            ``setup.halted`` then.
    """

    name: ClassVar[str]
    api: ClassVar[int] = 1
    deterministic: ClassVar[bool] = True
    takes_command: ClassVar[bool] = True
    side_by_side: ClassVar[bool] = False

    def __init__(self, setup: EvaluatorSetup) -> None:
        self.setup = setup

    @abstractmethod
    def run(self, checkpoint: Path, items: Sequence[str] | None = None) -> Iterator[ItemScore | MetricValue]:
        """Evaluate one checkpoint; scores come as they are known.

        Args:
            checkpoint: its file, or the folder of its shards; absolute.
            items: the ids of the items that are to be scored; None for all that the evaluator has.

        Raises EvaluationError where that cannot be done.
        """

    def close(self) -> None:  # noqa: B027 (most have nothing to end)
        """End what is kept between two runs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()


EVALUATORS = Family("evaluators", require_subclass(Evaluator))
