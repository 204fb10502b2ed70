"""Which strategies are tried, as they come and with settings chosen on the examples to choose by."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.science.bench import Bench
from demo.encoder import StateDict
from git_theta import merge_state_dicts


class Contestant(NamedTuple):
    """A strategy, and the settings that are tried for it.

    Attributes:
        strategy: its name.
        grid: by option, the values to choose among; of one value each, nothing is chosen.
    """

    strategy: str
    grid: Mapping[str, Sequence[float]] = {}

    def name(self) -> str:
        """For tables: the strategy and its settings."""
        if self.is_tuned():
            return f"{self.strategy}, {' and '.join(_plain(option) for option in self.grid)} chosen"
        settings = ", ".join(f"{_plain(option)} {values[0]:g}" for option, values in self.grid.items())
        return f"{self.strategy}, {settings}" if settings else self.strategy

    def is_tuned(self) -> bool:
        """Whether there is anything to choose."""
        return any(len(values) > 1 for values in self.grid.values())

    def settings(self) -> Iterator[dict[str, Any]]:
        """All settings to try."""
        for values in itertools.product(*self.grid.values()):
            yield dict(zip(self.grid, values, strict=True))


AVERAGE = Contestant("average")
TIES_CHOSEN = Contestant("ties", {"density": (0.2, 0.5), "lambda_": (0.7, 1.0, 1.5, 2.0)})
WUDI, TSV_M = Contestant("wudi"), Contestant("tsv-m")
CONTESTANTS = (
    AVERAGE,
    Contestant("task-arithmetic", {"lambda_": (1.0,)}),
    Contestant("task-arithmetic", {"lambda_": (0.3,)}),
    Contestant("task-arithmetic", {"lambda_": (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 0.8, 1.0)}),
    Contestant("ties"),
    TIES_CHOSEN,
    Contestant("dare"),
    Contestant("breadcrumbs"),
    Contestant("lines", {"alpha": (0.1, 0.2, 0.3), "beta": (0.1, 0.3, 0.5)}),
    WUDI,
    TSV_M,
    Contestant("iso-c"),
    Contestant("iso-c", {"lambda_": (0.75, 1.0, 1.5, 2.0, 4.0)}),
)


def merge_all(bench: Bench, heads: Sequence[StateDict]) -> Iterator[StateDict]:
    """What each strategy makes of the heads with each of the settings that are tried for it, all of them once."""
    tried = {repr((one.strategy, settings)): (one, settings) for one in CONTESTANTS for settings in one.settings()}
    for contestant, settings in tried.values():
        yield merge_state_dicts(contestant.strategy, heads, bench.base, by_kind=True, **settings)


def merge_best(bench: Bench, heads: Sequence[StateDict], contestant: Contestant) -> StateDict:
    """What the contestant makes of the heads, with the settings that do best on the examples to choose by."""
    made = (
        merge_state_dicts(contestant.strategy, heads, bench.base, by_kind=True, **settings)
        for settings in contestant.settings()
    )
    if not contestant.is_tuned():
        return next(made)
    return max(made, key=lambda state: sum(bench.score(state, choosing=True)))


def _plain(option: str) -> str:
    """How the command line spells it."""
    return option.rstrip("_")
