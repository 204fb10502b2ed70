"""Tasks on the workers of a dask scheduler: bytes there, bytes back, in order, a bounded number of them ahead.

The scheduler does what is its own: it runs a task again whose worker has died, and gives work to workers that come.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from git_theta.errors import ThetaError
from git_theta.operations.context import Context, Progress
from git_theta.repository.clustering.task_answer import TaskAnswer
from git_theta.repository.clustering.task_worker import ClusterTerms, run_tasks
from git_theta.repository.clustering.travel_codec import CannotTravelError, TravelCodec
from git_theta.store.base import Store
from git_theta.store.scratch_store import ScratchStore

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")
R = TypeVar("R")

_Group: TypeAlias = "Future[Any] | list[Callable[[], R]]"
"""Tasks of one message; or what gives the result of each, of those that are done here."""

_AHEAD = 2
"""Messages that are with the scheduler for each thread of a worker: one that is worked at, and one that waits."""
_LARGEST_GROUP = 16
"""Tasks in a message: their results are held together, each of less than 1 MiB."""
_GROUP_SECONDS = 0.2
"""How long the tasks of a message shall take: the scheduler spends some ms on each message."""


class DaskEngine:
    """An engine for a context (``Engine``); of its stores, the one that workers have too does not stay at home.

    That is ``store``, or a scratch store beside it.
    """

    def __init__(self, client: Client, terms: ClusterTerms, store: Store, context: Context) -> None:
        if isinstance(context.store, ScratchStore) and context.store.lender is store:
            terms, store = terms._replace(scratch=os.fspath(context.store.folder)), context.store
        self._client = client
        self._terms = terms.encode()
        self._context = context
        self._codec = TravelCodec({"store": store, "progress": context.progress})
        self._group = 1

    def map(self, function: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """As ``Engine`` says."""
        try:
            encoded = self._codec.encode(function)
        except CannotTravelError:
            yield from self._context.workers.map(function, items)
            return
        ahead: deque[_Group[R]] = deque()
        limit = _AHEAD * max(1, sum(self._client.nthreads().values()))
        rest = iter(items)
        try:
            while group := list(islice(rest, self._group)):
                ahead.append(self._begin_tasks(function, encoded, group))
                if len(ahead) > limit:
                    yield from self._finish_tasks(ahead.popleft())
            while ahead:
                yield from self._finish_tasks(ahead.popleft())
        finally:
            if self._client.status == "running":  # it may be closed before what asked for results is gone
                self._client.cancel([group for group in ahead if not isinstance(group, list)])

    def _begin_tasks(self, function: Callable[[T], R], encoded: bytes, items: list[T]) -> _Group[R]:
        """The tasks, on their way in one message; or begun here, where an item cannot travel."""
        try:
            message = self._codec.encode(items)
        except CannotTravelError:
            return [self._context.workers.cores.submit(function, item).result for item in items]
        return self._client.submit(run_tasks, self._terms, encoded, message, pure=False)

    def _finish_tasks(self, group: _Group[R]) -> Iterator[R]:
        """Their results. Raises what one of them raised; ThetaError where nobody can say what became of them."""
        if isinstance(group, list):
            yield from (finish() for finish in group)
            return
        try:
            answer: TaskAnswer = self._codec.decode(group.result())
        except Exception as error:
            raise _describe_loss(error) from error
        self._group = _choose_size(answer)
        progress = cast("Progress", self._context.progress)
        for _ in range(answer.begun):
            progress.begin_item()
        progress(answer.done)
        yield from answer.results
        if answer.error:
            raise _name_worker(answer.error, answer.worker)


def _choose_size(answer: TaskAnswer) -> int:
    """How many tasks like these go into a message."""
    fitting = _GROUP_SECONDS * len(answer.results) / max(answer.seconds, 1e-6)
    return max(1, min(_LARGEST_GROUP, int(fitting)))


def make_engine(client: Client, terms: ClusterTerms, store: Store) -> Callable[[Context], DaskEngine]:
    """What makes the engine of a context (``Context.choose_engine``)."""
    return partial(DaskEngine, client, terms, store)


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
