"""Our own evaluators against the laws that others' are held to; and evaluators that break one, which the kit finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from git_theta.errors import EvaluationError
from git_theta.evaluation.base import Evaluator, EvaluatorSetup, ItemScore, MetricValue
from git_theta.testing.evaluators import EvaluatorLaws
from tests.evaluation.scripts import COMMAND, SERVER, make_evaluator
from tests.sandbox import model


class TestCommand(EvaluatorLaws):
    def make_evaluator(self, folder: Path) -> Evaluator:
        return make_evaluator(folder, COMMAND)

    def write_checkpoint(self, folder: Path, number: int) -> Path:
        (folder / "model.safetensors").write_bytes(model(seed=number))
        return folder / "model.safetensors"


class TestServer(TestCommand):
    def make_evaluator(self, folder: Path) -> Evaluator:
        return make_evaluator(folder, SERVER, "server")


class TestShards(TestCommand):
    def write_checkpoint(self, folder: Path, number: int) -> Path:
        for part in range(2):
            (folder / f"model-0000{part + 1}-of-00002.safetensors").write_bytes(model(seed=2 * number + part))
        return folder


class Broken(EvaluatorLaws):
    """The laws, for evaluators that break them."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._broken = evaluator

    def make_evaluator(self, folder: Path) -> Evaluator:
        return self._broken

    def write_checkpoint(self, folder: Path, number: int) -> Path:
        raise NotImplementedError


class Remembers(Evaluator):
    """Scores by how often it was asked."""

    name = "command"
    asked = 0

    def run(self, checkpoint: Path, items: Sequence[str] | None = None) -> Iterator[ItemScore | MetricValue]:
        self.asked += 1
        yield ItemScore(f"q{self.asked}" if items is None else "other", self.asked)


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    found = [tmp_path / f"{number}" for number in range(3)]
    for number, place in enumerate(found):
        place.write_bytes(model(seed=number))
    return found


@pytest.mark.parametrize(
    ("law", "error"),
    [
        ("test_the_same_checkpoint_has_the_same_scores", AssertionError),
        ("test_items_mean_the_same_for_every_checkpoint", AssertionError),
        ("test_scores_only_what_is_asked_for", EvaluationError),
    ],
)
def test_the_kit_finds_one_that_remembers(law: str, error: type[Exception], places: list[Path]) -> None:
    evaluator = Remembers(EvaluatorSetup("mine", "", Path()))
    with pytest.raises(error):
        getattr(Broken(evaluator), law)(evaluator, places)


class Spoiled(Remembers):
    """Begins with what was left of a run that nobody listened to."""

    def run(self, checkpoint: Path, items: Sequence[str] | None = None) -> Iterator[ItemScore | MetricValue]:
        if self.asked:
            yield ItemScore("left over", 1)
        self.asked += 1
        yield ItemScore("q", 1)
        self.asked -= 1


def test_the_kit_finds_one_that_a_run_without_listeners_spoils(places: list[Path]) -> None:
    evaluator = Spoiled(EvaluatorSetup("mine", "", Path()))
    with pytest.raises(AssertionError):
        Broken(evaluator).test_a_run_that_nobody_listens_to_any_more_spoils_none(evaluator, places)


class Writes(Remembers):
    """Leaves something in the checkpoint."""

    def run(self, checkpoint: Path, items: Sequence[str] | None = None) -> Iterator[ItemScore | MetricValue]:
        checkpoint.write_bytes(b"")
        yield MetricValue("size", 0)


def test_the_kit_finds_one_that_writes(places: list[Path]) -> None:
    evaluator = Writes(EvaluatorSetup("mine", "", Path()))
    with pytest.raises(AssertionError):
        Broken(evaluator).test_reads_a_checkpoint_and_leaves_it_as_it_is(evaluator, places)
