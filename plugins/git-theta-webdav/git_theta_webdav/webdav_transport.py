"""The transport: objects are files ``aa/<oid>``, each written beside them first and given its name when it is whole."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from functools import partial
from threading import Event
from typing import Self

from git_theta.errors import CorruptObject, TransportError
from git_theta.store.base import Buffer, Store, is_oid, read_chunks, require_oid, verify_chunks
from git_theta.store.inbox import Inbox
from git_theta.transport.base import HeldObject, Outcome, Transport, TransportSetup
from git_theta.transport.outcomes import ITEM_ERRORS, lost_object, require_size, unreadable_object
from git_theta.transport.parallel import run_parallel, take_until
from git_theta.transport.patience import Patience, SilenceClock, run_bounded

from git_theta_webdav.dav_folder import DavFolder, UnusableServer
from git_theta_webdav.multistatus import DavFile

_WORKERS = 8
_COMING = "coming"
"""The folder of files that are being written."""
_ABANDONED = 24 * 3600
"""Seconds after which nobody is writing such a file any more."""
_FEW = 4
"""Objects of a folder that are asked for one by one, where others are listed."""
_WINDOW = 500
"""Objects that are looked for after they were sent, at once."""


class WebdavTransport(Transport):
    """A folder of a WebDAV server: ``webdav://HOST[:PORT]/FOLDER``, by HTTP.

    Args:
        ours: our store.
        folder: theirs.
        tell: says one thing to the person: that the server is silent.
        patience: how long it may be.
    """

    name, api = "webdav", 1
    scheme = "http"
    drops_objects = True
    is_shared = True

    def __init__(
        self,
        ours: Store,
        folder: DavFolder,
        tell: Callable[[str], None],
        patience: Patience = Patience(),  # noqa: B008
    ) -> None:
        self._ours = ours
        self._folder = folder
        self._clock = SilenceClock("the server", patience, tell)

    @classmethod
    def open_url(cls, setup: TransportSetup, ours: Store) -> Self:
        host = setup.url.partition("://")[2]
        if not host.partition("/")[0]:
            raise TransportError(f"{setup.url} names no host", hint=f"Write it so: {cls.name}://HOST/FOLDER")
        folder = DavFolder(f"{cls.scheme}://{host}", setup.patience, ask=setup.ask)
        return cls(ours, folder, setup.tell, setup.patience)

    def close(self) -> None:
        self._folder.close()

    def lacking(self, objects: Mapping[str, int]) -> list[str]:
        there = self._find_sizes(objects)
        return [oid for oid, size in objects.items() if there.get(oid) != size]

    def push(self, objects: Mapping[str, int]) -> Iterator[Outcome]:
        lacked = set(self.lacking(objects))
        yield from (Outcome(oid, 0) for oid in objects if oid not in lacked)
        if lacked:
            self._sweep_coming()
        stopping = Event()
        wanted = [(oid, objects[oid]) for oid in objects if oid in lacked]
        sent: list[Outcome] = []
        put = partial(self._put_object, stopping=stopping)
        for outcome in run_parallel(put, wanted, _WORKERS, stopping, self._clock.check):
            if outcome.error:
                yield outcome
                continue
            sent.append(outcome)
            if len(sent) >= _WINDOW:
                yield from self._confirm_arrival(sent, objects)
                sent = []
        yield from self._confirm_arrival(sent, objects)

    def fetch(self, objects: Mapping[str, int], inbox: Inbox) -> Iterator[Outcome]:
        for oid in objects:
            require_oid(oid)
        stopping = Event()
        receive = partial(self._receive_object, inbox=inbox, stopping=stopping)
        yield from run_parallel(receive, objects.items(), _WORKERS, stopping, self._clock.check)

    def clear_damaged(self, oid: str) -> bool:
        return run_bounded(partial(self._delete, oid), self._clock)

    def list_held(self) -> Iterator[HeldObject]:
        for name, found in sorted(self._list_files("").items()):
            if found.size is None and len(name) == 2:
                for oid, file in self._list_files(name).items():
                    if is_oid(oid) and oid.startswith(name) and file.size is not None:
                        yield HeldObject(oid, file.size, file.moment)

    def drop_objects(self, oids: Collection[str]) -> None:
        for _ in run_parallel(self._delete, oids, _WORKERS, Event(), self._clock.check):
            pass

    def _delete(self, oid: str) -> bool:
        self._clock.reset()
        return self._folder.delete_file(_path_of(require_oid(oid)))

    def _list_files(self, path: str) -> dict[str, DavFile]:
        return run_bounded(partial(self._folder.list_files, path), self._clock)

    def _ask_files(self, asked: tuple[str, int]) -> dict[str, DavFile]:
        self._clock.reset()
        return self._folder.list_files(*asked)

    def _find_sizes(self, oids: Iterable[str]) -> dict[str, int]:
        """The sizes of those objects that are there."""
        folders: dict[str, list[str]] = {}
        for oid in oids:
            folders.setdefault(require_oid(oid)[:2], []).append(oid)
        asked = [
            (path, depth)
            for folder, held in folders.items()
            for path, depth in ([(folder, 1)] if len(held) > _FEW else [(_path_of(oid), 0) for oid in held])
        ]
        found: dict[str, int] = {}
        for files in run_parallel(self._ask_files, asked, _WORKERS, Event(), self._clock.check):
            found |= {name: file.size for name, file in files.items() if file.size is not None}
        return found

    def _sweep_coming(self) -> None:
        """Delete what others have begun to write, a day ago or earlier, and never placed."""
        for name, file in self._list_files(_COMING).items():
            if file.moment and file.moment < time.time() - _ABANDONED:
                run_bounded(partial(self._folder.delete_file, f"{_COMING}/{name}"), self._clock)

    def _confirm_arrival(self, sent: Collection[Outcome], objects: Mapping[str, int]) -> Iterator[Outcome]:
        """The outcomes of what was sent, as far as it is there now."""
        there = self._find_sizes(one.oid for one in sent)
        for one in sent:
            arrived = there.get(one.oid) == objects[one.oid]
            yield one if arrived else Outcome(one.oid, 0, lost_object(one.oid))

    def _put_object(self, item: tuple[str, int], stopping: Event) -> Outcome:
        """Send an object, verified on its way: of one that is damaged the server keeps nothing."""
        oid, size = item
        try:
            require_size(oid, self._ours.size(oid), size)
            with self._place_whole(oid, size) as coming:
                self._send_file(coming, oid, size, stopping)
        except UnusableServer:
            raise
        except ITEM_ERRORS as error:
            return Outcome(oid, 0, error)
        except OSError as error:
            return Outcome(oid, 0, unreadable_object(oid, error))
        return Outcome(oid, size)

    @contextmanager
    def _place_whole(self, oid: str, size: int) -> Iterator[str]:
        """Where an object may be written that is given its name if nothing goes wrong, and else deleted."""
        coming, placed = f"{_COMING}/{oid}.{secrets.token_hex(8)}", False
        try:
            yield coming
            placed = self._name_file(coming, oid, size)
        finally:
            if not placed:
                with suppress(TransportError):
                    self._folder.delete_file(coming)

    def _name_file(self, coming: str, oid: str, size: int) -> bool:
        """Give a file the name of its object; whether it has it: another client may have been faster."""
        failure: TransportError | None = None
        try:
            if self._folder.move_file(coming, _path_of(oid), replace=False):
                return True
        except UnusableServer:
            raise
        except TransportError as error:  # of two that do it at once, some servers fail one
            failure = error
        if self._find_sizes([oid]).get(oid) == size:
            return False
        if failure:
            raise failure
        return self._folder.move_file(coming, _path_of(oid), replace=True)

    def _send_file(self, path: str, oid: str, size: int, stopping: Event) -> None:
        """Send all bytes of an object of ours. Raises CorruptObject where they are not the object's."""
        damage: list[CorruptObject] = []

        def read_object() -> Iterator[Buffer]:
            with closing(self._ours.get(oid)) as stream:
                try:
                    chunks = verify_chunks(read_chunks(stream, oid), oid)
                    yield from take_until(stopping, chunks, self._clock.reset)
                except CorruptObject as error:  # the server gets as much as it was promised, and is done then
                    damage.append(error)

        self._folder.put_file(path, read_object, size)
        if damage:
            raise damage[0]

    def _receive_object(self, item: tuple[str, int], inbox: Inbox, stopping: Event) -> Outcome:
        oid, size = item
        if inbox.has(oid, size):
            return Outcome(oid, 0)
        try:
            inbox.fill(oid, size, partial(self._read_theirs, oid, size, stopping))
        except UnusableServer:
            raise
        except ITEM_ERRORS as error:
            return Outcome(oid, 0, error)
        return Outcome(oid, size)

    def _read_theirs(self, oid: str, size: int, stopping: Event, offset: int) -> Iterator[bytes]:
        """The bytes of an object of the server from an offset on. Raises MissingObject, CorruptObject by its size."""
        if offset == size:
            return
        with self._folder.open_file(_path_of(oid), offset) as stream:
            known = stream.size if stream else None
            require_size(oid, self._find_sizes([oid]).get(oid) if known is None else known, size)
            if stream:
                skipped = offset - stream.begin
                for chunk in take_until(stopping, stream.chunks, self._clock.reset):
                    yield chunk[skipped:]
                    skipped = max(0, skipped - len(chunk))


class SecureWebdavTransport(WebdavTransport):
    """The same by HTTPS: ``webdavs://HOST[:PORT]/FOLDER``."""

    name = "webdavs"
    scheme = "https"


def _path_of(oid: str) -> str:
    return f"{oid[:2]}/{oid}"
