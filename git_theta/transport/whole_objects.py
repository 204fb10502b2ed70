"""Remotes that keep whole objects by name and move several at once: one way to push, to look again and to fetch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from threading import Event

from git_theta.store.base import Buffer, Store, read_chunks, require_oid, verify_chunks
from git_theta.store.inbox import Inbox
from git_theta.transport.base import Outcome, Transport
from git_theta.transport.outcomes import ITEM_ERRORS, UnusableRemote, lost_object, require_size, unreadable_object
from git_theta.transport.parallel import run_parallel, take_until
from git_theta.transport.patience import SilenceClock, run_bounded

WORKERS = 8
"""Objects that are moved at once."""
_WINDOW_OBJECTS, _WINDOW_BYTES = 500, 1 << 30
"""What is looked for after it was sent, at once."""


class WholeObjectsTransport(Transport):
    """What is told of a kind of place: which objects are there, and how one is sent, read and deleted.

    Several threads ask at once. Each notes signs of life of the remote in ``clock``, raises UnusableRemote for what is
    wrong with all of it, and else what is wrong with one object.

    Args:
        ours: our store.
        clock: watches the remote.
    """

    drops_objects = True
    is_shared = True

    def __init__(self, ours: Store, clock: SilenceClock) -> None:
        self.ours, self.clock = ours, clock
        self._lacked: dict[str, int] = {}
        """What was found lacking, and was not sent since."""

    @abstractmethod
    def find_sizes(self, oids: Collection[str]) -> dict[str, int]:
        """The sizes of those objects that are there; called by one thread."""

    @abstractmethod
    def send_object(self, oid: str, size: int, read: Callable[[], Iterator[Buffer]], at_once: int) -> None:
        """Put an object there, whole or not at all.

        Args:
            oid: the object.
            size: its bytes.
            read: makes its bytes in pieces, from the beginning each time. Where they are not the object, that is raised
                behind the last one.
            at_once: how many requests may be under way for it.
        """

    @abstractmethod
    def read_object(self, oid: str, size: int, offset: int) -> Iterator[bytes]:
        """The bytes of an object from an offset on. Raises MissingObject, CorruptObject by its size."""

    @abstractmethod
    def delete_object(self, oid: str) -> None:
        """Delete an object, which need not be there."""

    def prepare_push(self) -> None:
        """Called before objects are sent, if there are any."""

    def lacking(self, objects: Mapping[str, int]) -> list[str]:
        for oid in objects:
            require_oid(oid)
        there = self.find_sizes(objects)
        absent = {oid: size for oid, size in objects.items() if there.get(oid) != size}
        self._lacked |= absent
        return list(absent)

    def push(self, objects: Mapping[str, int]) -> Iterator[Outcome]:
        self.lacking({oid: size for oid, size in objects.items() if self._lacked.get(oid) != size})
        wanted = {oid: size for oid, size in objects.items() if self._lacked.get(oid) == size}
        yield from (Outcome(oid, 0) for oid in objects if oid not in wanted)
        if wanted:
            self.prepare_push()
        sent: list[Outcome] = []
        for outcome in self._send_all(wanted):
            if outcome.error:
                yield outcome
                continue
            sent.append(outcome)
            if len(sent) >= _WINDOW_OBJECTS or sum(one.size for one in sent) >= _WINDOW_BYTES:
                yield from self._confirm_arrival(sent, objects)
                sent = []
        yield from self._confirm_arrival(sent, objects)

    def fetch(self, objects: Mapping[str, int], inbox: Inbox) -> Iterator[Outcome]:
        for oid in objects:
            require_oid(oid)
        stopping = Event()
        receive = partial(self._receive_one, inbox=inbox, stopping=stopping)
        yield from run_parallel(receive, objects.items(), WORKERS, stopping, self.clock.check)

    def clear_damaged(self, oid: str) -> bool:
        run_bounded(partial(self._delete_one, oid), self.clock)
        return True

    def drop_objects(self, oids: Collection[str]) -> None:
        for _ in run_parallel(self._delete_one, oids, WORKERS, Event(), self.clock.check):
            pass

    def _send_all(self, wanted: Mapping[str, int]) -> Iterator[Outcome]:
        stopping = Event()
        send = partial(self._send_one, at_once=max(1, WORKERS // max(1, len(wanted))), stopping=stopping)
        return run_parallel(send, wanted.items(), WORKERS, stopping, self.clock.check)

    def _send_one(self, item: tuple[str, int], at_once: int, stopping: Event) -> Outcome:
        """Send an object, verified on its way: of one that is damaged the remote keeps nothing."""

        def send(oid: str, size: int) -> None:
            require_size(oid, self.ours.size(oid), size)
            self.send_object(oid, size, partial(self._read_ours, oid, stopping), at_once)

        return _attempt(item, send)

    def _receive_one(self, item: tuple[str, int], inbox: Inbox, stopping: Event) -> Outcome:
        def read_from(offset: int) -> Iterator[bytes]:
            return take_until(stopping, self.read_object(*item, offset), self.clock.reset)

        if inbox.has(*item):
            return Outcome(item[0], 0)
        return _attempt(item, lambda oid, size: inbox.fill(oid, size, read_from))

    def _read_ours(self, oid: str, stopping: Event) -> Iterator[Buffer]:
        with closing(self.ours.get(oid)) as stream:
            yield from take_until(stopping, verify_chunks(read_chunks(stream, oid), oid), self.clock.reset)

    def _delete_one(self, oid: str) -> None:
        self.clock.reset()
        self.delete_object(require_oid(oid))
        self._lacked.pop(oid, None)

    def _confirm_arrival(self, sent: Sequence[Outcome], objects: Mapping[str, int]) -> Iterator[Outcome]:
        """The outcomes of what was sent, as far as it is there now."""
        there = self.find_sizes([one.oid for one in sent])
        for one in sent:
            if there.get(one.oid) == objects[one.oid]:
                self._lacked.pop(one.oid, None)
                yield one
            else:
                yield Outcome(one.oid, 0, lost_object(one.oid))


def _attempt(item: tuple[str, int], move: Callable[[str, int], object]) -> Outcome:
    """What becomes of one object (its id and size) that is moved. Raises what is wrong with all of the remote."""
    oid, size = item
    try:
        move(oid, size)
    except UnusableRemote:
        raise
    except ITEM_ERRORS as error:
        return Outcome(oid, 0, error)
    except OSError as error:
        return Outcome(oid, 0, unreadable_object(oid, error))
    return Outcome(oid, size)
