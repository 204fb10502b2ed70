"""Tasks on the workers of a dask scheduler: bytes there, bytes back, in order, a bounded number of them ahead.

The scheduler does what is its own: it runs a task again whose worker has died, and gives work to workers that come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from git_theta.errors import ThetaError
from git_theta.operations.context import Context, Progress
from git_theta.repository.clustering.task_answer import TaskAnswer
from git_theta.repository.clustering.task_worker import run_task
from git_theta.repository.clustering.travel_codec import CannotTravelError, TravelCodec

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2
"""Tasks that are with the scheduler for each thread of a worker: one that runs, and one that waits for it to end."""


class DaskEngine:
    """An engine for a context (``Engine``)."""

    def __init__(self, client: Client, terms: str, context: Context) -> None:
        self._client = client
        self._terms = terms
        self._context = context
        self._codec = TravelCodec({"store": context.store, "progress": context.progress})

    def map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """As ``Engine`` says."""
        try:
            encoded = self._codec.encode(function)
        except CannotTravelError:
            yield from self._context.workers.map(function, items)
            return
        ahead: deque[Future[Any] | Callable[[], R]] = deque()
        limit = _AHEAD * max(1, sum(self._client.nthreads().values()))
        try:
            for item in items:
                ahead.append(self._begin_task(function, encoded, item))
                if len(ahead) > limit:
                    yield self._finish_task(ahead.popleft())
            while ahead:
                yield self._finish_task(ahead.popleft())
        finally:
            self._client.cancel([task for task in ahead if not callable(task)])

    def _begin_task(self, function: Callable[[T], R], encoded: bytes, item: T) -> Future[Any] | Callable[[], R]:
        """The task, on its way; or begun here, where its item cannot travel."""
        try:
            message = self._codec.encode(item)
        except CannotTravelError:
            return self._context.workers.cores.submit(function, item).result
        return self._client.submit(run_task, self._terms, encoded, message, pure=False)

    def _finish_task(self, task: Future[Any] | Callable[[], R]) -> R:
        """Its result. Raises what it raised; ThetaError where nobody can say what became of it."""
        if callable(task):
            return task()
        try:
            answer: TaskAnswer = self._codec.decode(task.result())
        except Exception as error:
            raise _describe_loss(error) from error
        progress = cast("Progress", self._context.progress)
        for _ in range(answer.begun):
            progress.begin_item()
        progress(answer.done)
        if answer.error:
            raise _name_worker(answer.error, answer.worker)
        return cast("R", answer.result)


def make_engine(client: Client, terms: str) -> Callable[[Context], DaskEngine]:
    """What makes the engine of a context (``Context.choose_engine``)."""
    return partial(DaskEngine, client, terms)


def _name_worker(error: ThetaError, worker: str) -> ThetaError:
    named = f"{error.message} (worker {worker})"
    return type(error)(named, hint=error.hint, path=error.path, parameter=error.parameter)


def _describe_loss(error: Exception) -> ThetaError:
    from distributed import KilledWorker

    again = "Repeat the command: what was computed is remembered."
    if isinstance(error, KilledWorker):
        worker = error.last_worker.address if error.last_worker else "a worker"
        return ThetaError(
            f"several workers died at one task, {worker} the last of them",
            hint=f"Look into their logs: they may have too little memory.\n{again}",
        )
    return ThetaError(f"the scheduler gave a task up: {type(error).__name__}: {error}", hint=again)
