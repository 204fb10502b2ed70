"""A folder of a WebDAV server (RFC 4918): its files are listed, written, moved, read and deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

from git_theta.transport.credential_helpers import CredentialHelpers
from git_theta.transport.patience import Patience

from git_theta_webdav.dav_answers import read_chunks, read_whole, require_status
from git_theta_webdav.dav_session import Body, DavSession
from git_theta_webdav.multistatus import DavFile, read_multistatus, read_size

_LARGEST_LIST = 64 << 20
"""Bytes of a list that are read: some hundred thousand files."""
_WANTED = b'<propfind xmlns="DAV:"><prop><getcontentlength/><getlastmodified/><resourcetype/></prop></propfind>'


class DavStream(NamedTuple):
    """A file on its way: the bytes of all of it, where the server says how many; its chunks, and where they begin."""

    size: int | None
    begin: int
    chunks: Iterator[bytes]


class DavFolder:
    """A folder, which need not be there yet. Paths are relative to it. Threads may use it side by side.

    Args:
        url: ``http`` or ``https``, with or without a user and password.
        patience: how long the server may be silent.
        helpers: who may know them.

    Raises TransportError for what is no URL.
    """

    def __init__(self, url: str, patience: Patience, helpers: CredentialHelpers) -> None:
        self._session = DavSession(url, patience, helpers)
        self._making = Lock()

    def close(self) -> None:
        """Hang up."""
        self._session.close()

    def list_files(self, path: str, depth: int = 1) -> dict[str, DavFile]:
        """What is in a folder (``depth`` 1), or at the path itself (0), by name; nothing where that is not there."""
        headers = {"Depth": str(depth), "Content-Type": "application/xml"}
        with self._session.request("PROPFIND", path, headers, lambda: [_WANTED], len(_WANTED)) as answer:
            if answer.status == 404:
                return {}
            require_status(answer, path, 207)
            text = read_whole(answer, path, _LARGEST_LIST)
        own = "/".join(["", *self._session.root, *path.split("/")]).rstrip("/")
        found = read_multistatus(text)
        return {where.rpartition("/")[2]: file for where, file in found.items() if depth == 0 or where != own}

    def require_folder(self, path: str) -> None:
        """Make a folder where it is not there: what is put into none is sent whole, in vain, and then once more."""
        if not self.list_files(path, 0):
            self._make_folders(f"{path}/")

    def put_file(self, path: str, body: Body, size: int) -> None:
        """Write a file of so many bytes. Its folder is made where it is not there."""
        self._insist("PUT", path, path, (200, 201, 204), {}, body, size)

    def move_file(self, path: str, target: str, *, replace: bool) -> bool:
        """Give a file another path, whose folder is made where it is not there; whether it has it now.

        Without ``replace`` what is there stays. With it some servers have nothing there for a moment.
        """
        headers = {"Destination": self._session.spell_url(target), "Overwrite": "T" if replace else "F"}
        return self._insist("MOVE", path, target, (201, 204, 412), headers) != 412

    @contextmanager
    def open_file(self, path: str, offset: int) -> Iterator[DavStream | None]:
        """A file from an offset on, or from an earlier place; None where there is none."""
        answer = self._session.send("GET", path, {"Range": f"bytes={offset}-"} if offset else {})
        try:
            if answer.status == 404:
                yield None
                return
            require_status(answer, path, 200, 206)
            begin = offset if answer.status == 206 else 0
            said = answer.headers.get("Content-Range" if begin else "Content-Length", "").rpartition("/")[2]
            yield DavStream(read_size(said), begin, read_chunks(answer, path))
        finally:
            answer.close()

    def delete_file(self, path: str) -> bool:
        """Delete a file; whether one was there."""
        with self._session.request("DELETE", path, {}) as answer:
            if answer.status != 404:
                require_status(answer, path, 200, 204)
            return answer.status != 404

    def _insist(
        self, method: str, path: str, written: str, done: tuple[int, ...], headers: Mapping[str, str],
        body: Body | None = None, size: int = 0,
    ) -> int:  # fmt: skip
        """Have something written; where its folder is not there, make that, and ask once more. The status."""
        for missing in ((404, 409), ()):
            with self._session.request(method, path, headers, body, size) as answer:
                if answer.status not in missing:
                    require_status(answer, written, *done)
                    return answer.status
            self._make_folders(written)
        raise AssertionError("unreachable")

    def _make_folders(self, path: str) -> None:
        """Make the folders above a file that are not there, those of our own URL, too.

        What a server says to that counts for nothing: those above ours may be nobody's to make, and others may be
        making the same ones. Whether there is a place for the file is told when it is written.
        """
        whole = [*self._session.root, *path.split("/")[:-1]]
        with self._making:
            for count in range(1, len(whole) + 1):
                with self._session.request("MKCOL", "/" + "/".join(whole[:count]), {}):
                    pass
