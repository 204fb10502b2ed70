"""What a search tries: a strategy with its options and the heads' weights, or one head as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class MergeCandidate(NamedTuple):
    """A way to merge these heads.

    Attributes:
        strategy: its name; "" for a head as it is.
        options: those that are not left at their defaults: names and values, sorted.
        weights: one per head; None for all alike.
        head: the number of the head that it is, from 0; None for a merge.
    """

    strategy: str
    options: tuple[tuple[str, float], ...] = ()
    weights: tuple[float, ...] | None = None
    head: int | None = None

    def set_option(self, name: str, value: float) -> MergeCandidate:
        """The same with another value of an option."""
        return self._replace(options=tuple(sorted({**dict(self.options), name: value}.items())))

    def list_arguments(self) -> list[str]:
        """What ``git theta merge`` is told to make it, without its heads."""
        words = ["-s", self.strategy]
        for name, value in self.options:
            words += ["-o", f"{name}={spell_number(value)}"]
        return [*words, "--weights", self.spell_weights()] if self.weights else words

    def spell_options(self) -> tuple[str, ...]:
        """The options as a command line has them: ``name=value``."""
        return tuple([f"{name}={spell_number(value)}" for name, value in self.options])

    def spell_weights(self) -> str:
        """The weights as a command line has them; "" for none."""
        return ",".join(map(spell_number, self.weights or ()))

    def describe(self, heads: Sequence[str] = ()) -> str:
        """In words, as the trailer of a merge has it; ``heads``: what they are called."""
        if self.head is not None:
            return f"{heads[self.head] if heads else f'head {self.head + 1}'} alone"
        weights = [f"weights={self.spell_weights()}"] if self.weights else []
        return " ".join([self.strategy, *self.spell_options(), *weights])


def spell_number(value: float) -> str:
    """A number of a candidate, as people write it: they are rounded (``round_number``), so nothing is lost."""
    return f"{value:g}"


def round_number(value: float) -> float:
    """To four digits: what is tried can be typed, and its trailer says it in full."""
    return float(f"{value:.4g}")


def candidate_json(candidate: MergeCandidate) -> dict[str, Any]:
    """A candidate as JSON has it."""
    return {
        "strategy": candidate.strategy,
        "options": dict(candidate.options),
        "weights": candidate.weights and list(candidate.weights),
        "head": candidate.head,
    }


def parse_candidate(data: Mapping[str, Any]) -> MergeCandidate:
    """The candidate of such JSON. Raises KeyError, TypeError, ValueError, AttributeError for what is none."""
    options = tuple(sorted((str(name), float(value)) for name, value in data["options"].items()))
    weights = data["weights"] and tuple(map(float, data["weights"]))
    head = None if data["head"] is None else int(data["head"])
    return MergeCandidate(str(data["strategy"]), options, weights, head)
