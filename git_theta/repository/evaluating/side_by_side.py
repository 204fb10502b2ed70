"""Evaluate several versions at a time: what is found, kept and told is what one after another gives, in that order.

Threads wait for evaluators; all else is done by the thread that asks: as many versions are restored at a time as there
are workers, and results are kept in the order of the versions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack
from typing import NamedTuple

from git_theta.errors import ThetaError
from git_theta.evaluation.running import CheckpointScores
from git_theta.repository.evaluating.evaluated_versions import EvaluatedVersion
from git_theta.repository.evaluating.evaluations import EvaluatedCheckpoint, EvaluationSession
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice


class _BegunRun(NamedTuple):
    """A version, the evaluation, and the run of it; None where nothing has to run for it."""

    version: EvaluatedVersion
    choice: EvaluationChoice
    run: Future[CheckpointScores] | None


def evaluate_side_by_side(
    session: EvaluationSession, pairs: Sequence[tuple[EvaluatedVersion, EvaluationChoice]], workers: int
) -> Iterator[EvaluatedCheckpoint]:
    """What evaluations say of versions, in the order of these.

    Args:
        session: what runs them. It can run nothing any more after an error, or Ctrl-C.
        pairs: which; their evaluators allow it (``Evaluator.side_by_side``).
        workers: how many run at a time.
    """
    waiting, begun = deque(pairs), deque[_BegunRun]()
    with _Crew(session, workers) as crew:
        while waiting or begun:
            while waiting and crew.has_room():
                begun.append(crew.start(*waiting.popleft()))
            if begun[0].run and not begun[0].run.done():
                crew.wait()
                continue
            version, choice, run = begun.popleft()
            yield session.keep(version, choice, run.result()) if run else session.evaluate(version, choice)


class _Crew(AbstractContextManager["_Crew"]):
    """Workers, each with evaluators of its own; an error in the block, or Ctrl-C, ends what they run."""

    def __init__(self, session: EvaluationSession, workers: int) -> None:
        self._session = session
        self._pool = ThreadPoolExecutor(workers, "theta-eval")
        self._free = list(range(workers))[::-1]
        self._running: dict[Future[CheckpointScores], tuple[int, ExitStack]] = {}
        self._begun: set[tuple[bytes, str]] = set()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind:
            self._session.halt()
        self._pool.shutdown(cancel_futures=True)
        for _worker, opened in self._running.values():
            opened.close()

    def has_room(self) -> bool:
        """Whether one has nothing to do."""
        self._release(0)
        return bool(self._free)

    def start(self, version: EvaluatedVersion, choice: EvaluationChoice) -> _BegunRun:
        """Give a version to one of them that is free, unless what is said of its content is known, or will be."""
        key = (version.identity, choice.name)
        if not self._session.reruns and (key in self._begun or self._session.find_known(version, choice)):
            return _BegunRun(version, choice, None)
        self._begun.add(key)
        opened = ExitStack()
        try:
            run = opened.enter_context(self._session.prepare_run(version, choice, self._free[-1]))
        except ThetaError as error:  # told in its turn
            failed = Future[CheckpointScores]()
            failed.set_exception(error)
            return _BegunRun(version, choice, failed)
        future = self._pool.submit(run)
        self._running[future] = (self._free.pop(), opened)
        return _BegunRun(version, choice, future)

    def wait(self) -> None:
        """Wait until one is done."""
        self._release(None)

    def _release(self, seconds: float | None) -> None:
        """Those that are done, or will be within some time, are free; their files go."""
        for run in wait(self._running, seconds, FIRST_COMPLETED).done:
            worker, opened = self._running.pop(run)
            opened.close()
            self._free.append(worker)
