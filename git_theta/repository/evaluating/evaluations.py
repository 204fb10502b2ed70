"""Evaluate versions of checkpoints: what is known of a content is looked up, and what is not is run and kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from git_theta.errors import EvaluationError, ThetaError
from git_theta.evaluation.base import Evaluator, EvaluatorSetup
from git_theta.evaluation.comparison import ComparisonSettings, ScoreComparison, compare_scores
from git_theta.evaluation.definitions import EvaluationDefinition
from git_theta.evaluation.item_files import read_items
from git_theta.evaluation.result_lines import EvaluationResult
from git_theta.evaluation.running import CheckpointScores, evaluate_checkpoint, open_evaluator
from git_theta.operations.context import Context
from git_theta.repository.evaluating.evaluated_versions import EvaluatedVersion, restore_version
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice
from git_theta.repository.evaluating.result_notes import ResultNotes
from git_theta.repository.evaluating.result_terms import describe_machine, digest_evaluation
from git_theta.repository.evaluating.tracked_items import read_tracked_items
from git_theta.vcs.blobs import blob_id
from git_theta.vcs.discovery import Repository
from git_theta.vcs.revisions import id_digits

WORKER_VARIABLE = "THETA_EVAL_WORKER"
_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


class EvaluationSettings(NamedTuple):
    """How evaluators are run.

    Attributes:
        items: a file of ids in place of what the definition says; None for that.
        revision: whose file counts of those that definitions name; "" for that of the worktree.
        limit: the most items; 0 for all.
        rerun: whether what is known is run again.
        environment: the variables that evaluators find.
    """

    items: Path | None = None
    revision: str = ""
    limit: int = 0
    rerun: bool = False
    environment: Mapping[str, str] = _NO_VARIABLES


class EvaluatedCheckpoint(NamedTuple):
    """A version, the evaluation, what that says, and whether it was known before."""

    version: EvaluatedVersion
    choice: EvaluationChoice
    result: EvaluationResult
    was_known: bool


BeginRun = Callable[[EvaluatedVersion, EvaluationChoice], object]
"""Told of each version that is evaluated now, and by what."""


class EvaluationSession(AbstractContextManager["EvaluationSession"]):
    """Runs evaluators on versions of a repository; what they keep open ends with the block.

    Args:
        repository: the one to work in.
        context: what to restore with.
        settings: how to run them.
        begin: told of each version that is evaluated now, and by what.
    """

    def __init__(
        self,
        repository: Repository,
        context: Context,
        settings: EvaluationSettings,
        begin: BeginRun,
    ) -> None:
        self._repository, self._context, self._settings, self._begin = repository, context, settings, begin
        self._evaluators: dict[tuple[str, int | None], Evaluator] = {}
        self._halted = threading.Event()
        self._items: dict[str, tuple[str, ...] | None] = {}
        self._opened = ExitStack()
        self.notes = self._opened.enter_context(ResultNotes(repository, context.warn))

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def evaluate(self, version: EvaluatedVersion, choice: EvaluationChoice) -> EvaluatedCheckpoint:
        """What an evaluation says of a version: known, or found now and kept. Raises EvaluationError."""
        known = None if self._settings.rerun else self.find_known(version, choice)
        if known:
            return known
        with self.prepare_run(version, choice) as run:
            scores = run()
        return self.keep(version, choice, scores)

    def keep(
        self, version: EvaluatedVersion, choice: EvaluationChoice, scores: CheckpointScores
    ) -> EvaluatedCheckpoint:
        """Keep what a run said of a version."""
        digest, when = self.digest(choice), int(time.time())
        kept = self.notes.keep_result(
            version.identity, scores, evaluation=choice.name, digest=digest, machine=describe_machine(), when=when
        )
        return EvaluatedCheckpoint(version, choice, kept, False)

    @property
    def reruns(self) -> bool:
        """Whether what is known is run again."""
        return self._settings.rerun

    @contextmanager
    def prepare_run(
        self, version: EvaluatedVersion, choice: EvaluationChoice, worker: int | None = None
    ) -> Iterator[Callable[[], CheckpointScores]]:
        """A function that evaluates a version, which is restored while the block runs.

        Args:
            version: which.
            choice: the evaluation.
            worker: which of several that run at a time, each with an evaluator of its own; another thread may call the
                function then. None for one that runs alone.
        """
        definition = choice.definition
        with _naming(version), restore_version(version, self._repository, self._context) as checkpoint:
            evaluator, items = self._open_evaluator(definition, worker), self._find_items(definition)
            self._begin(version, choice)

            def run() -> CheckpointScores:
                with _naming(version):
                    return evaluate_checkpoint(evaluator, checkpoint, items, buckets=definition.buckets)

            yield run

    def halt(self) -> None:
        """End what other threads run, and run nothing any more."""
        self._halted.set()

    def find_known(self, version: EvaluatedVersion, choice: EvaluationChoice) -> EvaluatedCheckpoint | None:
        """What was said of a content before; None where nothing was. Nothing runs."""
        text = version.identity
        identity = blob_id([text], len(text), self._algorithm)
        known = self.notes.find_result(identity, choice.name, self.digest(choice))
        return known and EvaluatedCheckpoint(version, choice, known, True)

    def compare(
        self, before: EvaluatedCheckpoint, after: EvaluatedCheckpoint, settings: ComparisonSettings
    ) -> ScoreComparison:
        """Compare two versions, item by item."""
        return compare_scores(self.read_scores(before), self.read_scores(after), settings)

    def read_scores(self, evaluated: EvaluatedCheckpoint) -> CheckpointScores:
        """What was said of each item."""
        try:
            return self.notes.read_scores(evaluated.result)
        except ThetaError as error:
            raise error.add_location(path=evaluated.version.title) from None

    def score_file(self, checkpoint: Path, choice: EvaluationChoice, items: Sequence[str] | None) -> CheckpointScores:
        """What an evaluation says of a file, or a folder of shards, on some items; it is not kept.

        Args:
            checkpoint: which.
            choice: the evaluation.
            items: their ids; None for those of its definition, or of the settings.

        Raises EvaluationError, too where an item was not scored.
        """
        definition = choice.definition
        wanted = self._find_items(definition) if items is None else tuple(items)
        evaluator = self._open_evaluator(definition)
        scores = evaluate_checkpoint(evaluator, checkpoint, wanted, buckets=definition.buckets, passes_over_others=True)
        missing = set(wanted or ()) - {item.id for item in scores.items}
        if missing:
            raise EvaluationError(
                f"the evaluator {choice.name} did not score {min(missing)!r}, of {len(missing)} that were asked for",
                hint="It finds the ids in the file THETA_EVAL_ITEMS.",
            )
        return scores

    def digest(self, choice: EvaluationChoice) -> str:
        """What tells results of this evaluation, as it would run now, from others."""
        return digest_evaluation(choice.definition, self._find_items(choice.definition), self._settings.limit)

    def _open_evaluator(self, definition: EvaluationDefinition, worker: int | None = None) -> Evaluator:
        """The evaluator of a definition, and a worker: opened once, so that a server is asked for all versions."""
        key = (definition.name, worker)
        if key not in self._evaluators:
            number = {} if worker is None else {WORKER_VARIABLE: str(worker)}
            setup = EvaluatorSetup(
                definition.name,
                definition.command,
                self._repository.home,
                {**self._settings.environment, **number},
                definition.timeout,
                self._settings.limit,
                self._halted,
            )
            opened = open_evaluator(definition.evaluator, setup)
            self._evaluators[key] = self._opened.enter_context(opened)
        return self._evaluators[key]

    def _find_items(self, definition: EvaluationDefinition) -> tuple[str, ...] | None:
        """The ids that are to be scored; None for what the evaluator has."""
        if definition.name not in self._items:
            given, home = self._settings.items, self._repository.home
            found = read_items(given) if given else read_tracked_items(definition, self._settings.revision, home)
            self._items[definition.name] = found[: self._settings.limit or None] if found else None
        return self._items[definition.name]

    @cached_property
    def _algorithm(self) -> str:
        return "sha256" if id_digits() == 64 else "sha1"


@contextmanager
def _naming(version: EvaluatedVersion) -> Iterator[None]:
    """Errors of the block say which version they are about."""
    try:
        yield
    except ThetaError as error:
        raise error.add_location(path=version.title) from error.__cause__
