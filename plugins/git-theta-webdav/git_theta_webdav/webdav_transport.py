"""The transport: objects are files ``aa/<oid>``, each written beside them first and given its name when it is whole."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Event
from typing import Self

from git_theta.errors import CorruptObject, TransportError
from git_theta.store.base import Buffer, Store, is_oid
from git_theta.transport.base import HeldObject, TransportSetup
from git_theta.transport.credential_helpers import CredentialHelpers
from git_theta.transport.outcomes import require_size
from git_theta.transport.parallel import run_parallel
from git_theta.transport.patience import SilenceClock, run_bounded
from git_theta.transport.whole_objects import WORKERS, WholeObjectsTransport

from git_theta_webdav.dav_answers import UnusableServer
from git_theta_webdav.dav_folder import DavFolder
from git_theta_webdav.multistatus import DavFile

_COMING = "coming"
"""The folder of files that are being written."""
_ABANDONED = 24 * 3600
"""Seconds after which nobody is writing such a file any more."""
_FEW = 4
"""Objects of a folder that are asked for one by one, where others are listed."""

_PIECE = 64 << 10
"""Bytes that are handed to the system at once, which is a sign of life: eight of them share a slow line."""


class WebdavTransport(WholeObjectsTransport):
    """A folder of a WebDAV server: ``webdav://HOST[:PORT]/FOLDER``, by HTTP.

    Args:
        ours: our store.
        folder: theirs.
        clock: watches the server.
    """

    name, api = "webdav", 1
    scheme = "http"

    def __init__(self, ours: Store, folder: DavFolder, clock: SilenceClock) -> None:
        super().__init__(ours, clock)
        self._folder = folder

    @classmethod
    def open_url(cls, setup: TransportSetup, ours: Store) -> Self:
        host = setup.url.partition("://")[2]
        if not host.partition("/")[0]:
            raise TransportError(f"{setup.url} names no host", hint=f"Write it so: {cls.name}://HOST/FOLDER")
        clock = SilenceClock("the server", setup.patience, setup.tell)
        helpers = CredentialHelpers(setup.patience, setup.tell, ask=setup.ask, note_life=clock.reset)
        return cls(ours, DavFolder(f"{cls.scheme}://{host}", setup.patience, helpers), clock)

    def close(self) -> None:
        self._folder.close()

    def list_held(self) -> Iterator[HeldObject]:
        for name, found in sorted(self._list_files("").items()):
            if found.size is None and len(name) == 2:
                for oid, file in self._list_files(name).items():
                    if is_oid(oid) and oid.startswith(name) and file.size is not None:
                        yield HeldObject(oid, file.size, file.moment)

    def delete_object(self, oid: str) -> None:
        self._folder.delete_file(_path_of(oid))

    def _list_files(self, path: str) -> dict[str, DavFile]:
        return run_bounded(partial(self._folder.list_files, path), self.clock)

    def _ask_files(self, asked: tuple[str, int]) -> dict[str, DavFile]:
        self.clock.reset()
        return self._folder.list_files(*asked)

    def find_sizes(self, oids: Collection[str]) -> dict[str, int]:
        folders: dict[str, list[str]] = {}
        for oid in oids:
            folders.setdefault(oid[:2], []).append(oid)
        asked = [
            (path, depth)
            for folder, held in folders.items()
            for path, depth in ([(folder, 1)] if len(held) > _FEW else [(_path_of(oid), 0) for oid in held])
        ]
        found: dict[str, int] = {}
        for files in run_parallel(self._ask_files, asked, WORKERS, Event(), self.clock.check):
            found |= {name: file.size for name, file in files.items() if file.size is not None}
        return found

    def prepare_push(self) -> None:
        """Delete what others have begun to write, a day ago or earlier, and never placed."""
        begun = self._list_files(_COMING)
        if not begun:
            run_bounded(partial(self._folder.require_folder, _COMING), self.clock)
        for name, file in begun.items():
            if file.moment and file.moment < time.time() - _ABANDONED:
                run_bounded(partial(self._folder.delete_file, f"{_COMING}/{name}"), self.clock)

    def send_object(self, oid: str, size: int, read: Callable[[], Iterator[Buffer]], at_once: int) -> None:  # noqa: ARG002
        with self._place_whole(oid, size) as coming:
            self._send_file(coming, size, read)

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
        if self.find_sizes([oid]).get(oid) == size:
            return False
        if failure:
            raise failure
        return self._folder.move_file(coming, _path_of(oid), replace=True)

    def _send_file(self, path: str, size: int, read: Callable[[], Iterator[Buffer]]) -> None:
        """Send all bytes of an object of ours. Raises CorruptObject where they are not the object's."""
        damage: list[CorruptObject] = []

        def read_all() -> Iterator[Buffer]:
            try:
                for chunk in read():
                    for start in range(0, len(chunk), _PIECE):
                        self.clock.reset()
                        yield memoryview(chunk)[start : start + _PIECE]
            except CorruptObject as error:  # the server gets as much as it was promised, and is done then
                damage.append(error)

        self._folder.put_file(path, read_all, size)
        if damage:
            raise damage[0]

    def read_object(self, oid: str, size: int, offset: int) -> Iterator[bytes]:
        if offset == size:
            return
        with self._folder.open_file(_path_of(oid), offset) as stream:
            known = stream.size if stream else None
            require_size(oid, self.find_sizes([oid]).get(oid) if known is None else known, size)
            if stream:
                skipped = offset - stream.begin
                for chunk in stream.chunks:
                    yield chunk[skipped:]
                    skipped = max(0, skipped - len(chunk))


class SecureWebdavTransport(WebdavTransport):
    """The same by HTTPS: ``webdavs://HOST[:PORT]/FOLDER``."""

    name = "webdavs"
    scheme = "https"


def _path_of(oid: str) -> str:
    return f"{oid[:2]}/{oid}"
