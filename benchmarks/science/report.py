"""What came out, as tables, and whether it stands in the order that was promised."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from benchmarks.science.contestants import AVERAGE, TIES_CHOSEN, TSV_M, WUDI, Contestant
from benchmarks.tables import render_table

VISION, TEXT = "vision", "text"
SINGLE, TOGETHER, BASE = "each head at its own task", "one checkpoint tuned for all tasks", "base"


class Result(NamedTuple):
    """What one checkpoint is worth.

    Attributes:
        name: of the contestant, or of what it is to be compared with.
        scores: for each seed, percent right at each task.
        seconds: for each seed, of processors, to merge and to choose settings.
    """

    name: str
    scores: Sequence[Sequence[float]]
    seconds: Sequence[float] = ()

    def means(self) -> list[float]:
        """For each seed, the mean over tasks."""
        return [statistics.fmean(scores) for scores in self.scores]

    def mean(self) -> float:
        """Over tasks and seeds."""
        return statistics.fmean(self.means())


class BenchResults(NamedTuple):
    """All that was scored on one bench.

    Attributes:
        name: of the bench.
        tasks: their names.
        results: the first of them is of single heads.
    """

    name: str
    tasks: Sequence[str]
    results: Sequence[Result]

    def find(self, contestant: Contestant) -> float:
        """A contestant's mean."""
        return next(result.mean() for result in self.results if result.name == contestant.name())

    def render(self) -> str:
        """A table: the mean with its deviation over seeds, and the share of single heads' that it is, in percent."""
        single = self.results[0].mean()
        rows = [
            [
                result.name,
                _format_deviation(result.means()),
                f"{100 * result.mean() / single:.0f}",
                f"{statistics.fmean(result.seconds):.1f}" if result.seconds else "",
                *(f"{statistics.fmean(scores):.0f}" for scores in zip(*result.scores, strict=True)),
            ]
            for result in self.results
        ]
        return render_table([self.name, "mean", "% of single", "seconds", *self.tasks], rows)


def _format_deviation(means: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(means):.1f}" if len(means) > 1 else ""
    return f"{statistics.fmean(means):.1f}{spread}"


_ORDER: Mapping[str, Sequence[tuple[Contestant, Contestant]]] = {
    VISION: ((AVERAGE, WUDI), (AVERAGE, TSV_M), (TIES_CHOSEN, WUDI), (TIES_CHOSEN, TSV_M)),
    TEXT: ((AVERAGE, WUDI), (AVERAGE, TSV_M)),
}
"""By bench, which contestant is behind which: what docs/how-to/choose-strategies.md tells people."""


def find_disorder(benches: Sequence[BenchResults]) -> Iterator[str]:
    """What stands in another order than promised, in words."""
    for bench in benches:
        for behind, ahead in _ORDER[bench.name]:
            if bench.find(behind) >= bench.find(ahead):
                yield (
                    f"{bench.name}: {behind.name()} ({bench.find(behind):.1f}) is not behind "
                    f"{ahead.name()} ({bench.find(ahead):.1f})"
                )
