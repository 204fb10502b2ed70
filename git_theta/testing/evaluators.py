"""The laws of ``git_theta.evaluation.base``."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from git_theta.evaluation.base import Evaluator, ItemScore, MetricValue
from git_theta.evaluation.running import CheckpointScores, evaluate_checkpoint


class EvaluatorLaws(ABC):
    """Derive, and name the evaluator, and checkpoints that it can evaluate."""

    @abstractmethod
    def make_evaluator(self, folder: Path) -> Evaluator:
        """The evaluator under test; ``folder`` is empty, and may hold what it needs."""

    @abstractmethod
    def write_checkpoint(self, folder: Path, number: int) -> Path:
        """A checkpoint in a folder: its file, or the folder of its shards. Each number has one of its own."""

    @pytest.fixture
    def evaluator(self, tmp_path: Path) -> Iterator[Evaluator]:
        """The evaluator, closed at the end."""
        (tmp_path / "evaluator").mkdir()
        with self.make_evaluator(tmp_path / "evaluator") as evaluator:
            yield evaluator

    @pytest.fixture
    def checkpoints(self, tmp_path: Path) -> list[Path]:
        """Three checkpoints."""
        folders = [tmp_path / f"checkpoint-{number}" for number in range(3)]
        for folder in folders:
            folder.mkdir()
        return [self.write_checkpoint(folder, number) for number, folder in enumerate(folders)]

    def test_says_something_that_can_be_kept(self, evaluator: Evaluator, checkpoints: Sequence[Path]) -> None:
        found = evaluate_checkpoint(evaluator, checkpoints[0])
        assert found.items or found.metrics

    def test_every_score_is_finite_and_every_id_comes_once(
        self, evaluator: Evaluator, checkpoints: Sequence[Path]
    ) -> None:
        said = list(evaluator.run(checkpoints[0]))
        scores = [one for one in said if isinstance(one, ItemScore)]
        assert all(isinstance(one, ItemScore | MetricValue) for one in said)
        assert len({one.id for one in scores}) == len(scores)
        assert all(math.isfinite(one.score) and one.weight > 0 for one in scores)

    def test_the_same_checkpoint_has_the_same_scores(self, evaluator: Evaluator, checkpoints: Sequence[Path]) -> None:
        if not evaluator.deterministic:
            pytest.skip("it does not promise that")
        first, _, again = (self._evaluate(evaluator, checkpoints[at]) for at in (0, 1, 0))
        assert first == again

    def test_items_mean_the_same_for_every_checkpoint(self, evaluator: Evaluator, checkpoints: Sequence[Path]) -> None:
        first, second = (self._evaluate(evaluator, one) for one in checkpoints[:2])
        assert {(one.id, one.buckets) for one in first.items} == {(one.id, one.buckets) for one in second.items}

    def test_scores_only_what_is_asked_for(self, evaluator: Evaluator, checkpoints: Sequence[Path]) -> None:
        known = self._evaluate(evaluator, checkpoints[0]).items
        wanted = [one.id for one in known[::2]]
        if not wanted:
            pytest.skip("it has no items")
        found = evaluate_checkpoint(evaluator, checkpoints[0], wanted)
        assert {one.id for one in found.items} <= set(wanted)
        assert found.items
        if evaluator.deterministic:
            assert {one.id: one.score for one in found.items}.items() <= {one.id: one.score for one in known}.items()

    def test_a_run_that_nobody_listens_to_any_more_spoils_none(
        self, evaluator: Evaluator, checkpoints: Sequence[Path]
    ) -> None:
        before = self._evaluate(evaluator, checkpoints[0])
        with closing(evaluator.run(checkpoints[1])) as run:  # type: ignore[type-var]
            next(run)
        after = self._evaluate(evaluator, checkpoints[0])
        assert {one.id for one in after.items} == {one.id for one in before.items}
        assert after == before or not evaluator.deterministic

    def test_reads_a_checkpoint_and_leaves_it_as_it_is(self, evaluator: Evaluator, checkpoints: Sequence[Path]) -> None:
        before = _digest_files(checkpoints[0])
        self._evaluate(evaluator, checkpoints[0])
        assert _digest_files(checkpoints[0]) == before

    def test_can_be_closed_twice_and_asked_again(self, evaluator: Evaluator, checkpoints: Sequence[Path]) -> None:
        first = self._evaluate(evaluator, checkpoints[0])
        evaluator.close()
        evaluator.close()
        again = self._evaluate(evaluator, checkpoints[0])
        assert len(again.items) == len(first.items)

    def test_several_run_side_by_side_where_it_says_so(self, tmp_path: Path, checkpoints: Sequence[Path]) -> None:
        (tmp_path / "several").mkdir()
        several = [self.make_evaluator(tmp_path / "several") for _ in checkpoints]
        with ExitStack() as opened:
            for one in several:
                opened.enter_context(one)
            if not several[0].side_by_side:
                pytest.skip("it does not say that")
            if not several[0].deterministic:
                pytest.skip("nobody knows what it would say alone")
            alone = [self._evaluate(one, place) for one, place in zip(several, checkpoints, strict=True)]
            with ThreadPoolExecutor(len(several)) as threads:
                assert list(threads.map(self._evaluate, several, checkpoints)) == alone

    def _evaluate(self, evaluator: Evaluator, checkpoint: Path) -> CheckpointScores:
        """The scores, without the seconds that they took."""
        return evaluate_checkpoint(evaluator, checkpoint)._replace(seconds=0)


def _digest_files(place: Path) -> dict[str, str]:
    files = [place] if place.is_file() else sorted(file for file in place.rglob("*") if file.is_file())
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
