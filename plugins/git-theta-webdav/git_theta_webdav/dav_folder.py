"""A folder of a WebDAV server (RFC 4918), through urllib3."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

import urllib3
from git_theta.errors import TransportError
from git_theta.transport.credential_helpers import CredentialHelpers
from git_theta.transport.outcomes import UnusableRemote
from git_theta.transport.patience import Patience
from git_theta.transport.urls import redact_url
from git_theta.vcs.credentials import Credential
from git_theta.vcs.http_settings import read_http_settings
from urllib3.exceptions import HTTPError

from git_theta_webdav.connection_pool import open_pool
from git_theta_webdav.multistatus import DavFile, read_multistatus, read_size

Body = Callable[[], Iterable[Any]]
"""Makes what is sent, in pieces of bytes: again where it has to be sent again."""

_LOGIN_HINT = "Let a credential helper of Git know them (git help credentials), or be asked at a terminal."
_ATTEMPTS = 2
_LARGEST_LIST = 64 << 20
"""Bytes of a list that are read: some hundred thousand files."""
_LARGEST_REST = 1 << 16
"""Bytes of an answer that are read though nobody wants them: a connection is used again, and no server keeps us."""
_CHUNK = 1 << 20
_WANTED = b'<propfind xmlns="DAV:"><prop><getcontentlength/><getlastmodified/><resourcetype/></prop></propfind>'


class UnusableServer(UnusableRemote):
    """A server that does not answer, or does not let us in: no object of it can be had."""


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
        parts = _split_url(url)
        host = parts.netloc.rpartition("@")[2]
        self._base = f"{parts.scheme}://{host}"
        self._root = [unquote(part) for part in parts.path.split("/") if part]
        self._url, self._helpers = url, helpers
        self._credential = Credential.of_url(url)
        self._refusal: UnusableRemote | None = None
        self._asking, self._making = Lock(), Lock()
        settings = read_http_settings(self._spell_url(""))
        self._headers, self._pool = settings.headers, open_pool(settings, patience)

    def close(self) -> None:
        """Hang up."""
        self._pool.clear()

    def list_files(self, path: str, depth: int = 1) -> dict[str, DavFile]:
        """What is in a folder (``depth`` 1), or at the path itself (0), by name; nothing where that is not there."""
        headers = {"Depth": str(depth), "Content-Type": "application/xml"}
        with self._request("PROPFIND", path, headers, lambda: [_WANTED], len(_WANTED)) as answer:
            if answer.status == 404:
                return {}
            _require_status(answer, path, 207)
            text = _read_whole(answer, path, _LARGEST_LIST)
        own = "/".join(["", *self._root, *path.split("/")]).rstrip("/")
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
        headers = {"Destination": self._spell_url(target), "Overwrite": "T" if replace else "F"}
        return self._insist("MOVE", path, target, (201, 204, 412), headers) != 412

    @contextmanager
    def open_file(self, path: str, offset: int) -> Iterator[DavStream | None]:
        """A file from an offset on, or from an earlier place; None where there is none."""
        answer = self._send("GET", path, {"Range": f"bytes={offset}-"} if offset else {})
        try:
            if answer.status == 404:
                yield None
                return
            _require_status(answer, path, 200, 206)
            begin = offset if answer.status == 206 else 0
            said = answer.headers.get("Content-Range" if begin else "Content-Length", "").rpartition("/")[2]
            yield DavStream(read_size(said), begin, _read_chunks(answer, path))
        finally:
            answer.close()

    def delete_file(self, path: str) -> bool:
        """Delete a file; whether one was there."""
        with self._request("DELETE", path, {}) as answer:
            if answer.status != 404:
                _require_status(answer, path, 200, 204)
            return answer.status != 404

    def _insist(
        self, method: str, path: str, written: str, done: tuple[int, ...], headers: Mapping[str, str],
        body: Body | None = None, size: int = 0,
    ) -> int:  # fmt: skip
        """Have something written; where its folder is not there, make that, and ask once more. The status."""
        for missing in ((404, 409), ()):
            with self._request(method, path, headers, body, size) as answer:
                if answer.status not in missing:
                    _require_status(answer, written, *done)
                    return answer.status
            self._make_folders(written)
        raise AssertionError("unreachable")

    def _make_folders(self, path: str) -> None:
        """Make the folders above a file that are not there, those of our own URL, too.

        What a server says to that counts for nothing: those above ours may be nobody's to make, and others may be
        making the same ones. Whether there is a place for the file is told when it is written.
        """
        whole = [*self._root, *path.split("/")[:-1]]
        with self._making:
            for count in range(1, len(whole) + 1):
                with self._request("MKCOL", "/" + "/".join(whole[:count]), {}):
                    pass

    def _spell_url(self, path: str) -> str:
        whole = path if path.startswith("/") else "/".join(["", *self._root, path])
        return self._base + quote(whole)

    @contextmanager
    def _request(
        self, method: str, path: str, headers: Mapping[str, str], body: Body | None = None, size: int = 0
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """An answer, whose rest is read at the end, so that the connection can be used again."""
        answer = self._send(method, path, headers, body, size)
        try:
            yield answer
        finally:
            _let_go(answer)

    def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: Body | None = None, size: int = 0
    ) -> urllib3.BaseHTTPResponse:
        """An answer; of a server that wants to know who asks, once it was told."""
        answer = self._send_once(method, path, headers, body, size)
        if answer.status != 401:
            return answer
        _let_go(answer)
        login = self._find_login(answer.headers.get("WWW-Authenticate", ""))
        answer = self._send_once(method, path, headers, body, size)
        if answer.status == 401:
            _let_go(answer)
            self._helpers.forget_login(login)
            raise UnusableServer(f"{redact_url(self._url)}: the user or the password is wrong")
        self._helpers.keep_login(login)
        return answer

    def _send_once(
        self, method: str, path: str, headers: Mapping[str, str], body: Body | None, size: int
    ) -> urllib3.BaseHTTPResponse:
        sent = {**self._headers, **headers}
        if body or method != "GET":
            sent["Content-Length"] = str(size)
        if login := self._credential:
            sent["Authorization"] = _spell_login(login)
        for left in reversed(range(_ATTEMPTS)):
            try:
                return self._pool.request(
                    method, self._spell_url(path), headers=sent, body=body() if body else None, preload_content=False,
                    redirect=False,
                )  # fmt: skip
            except (HTTPError, OSError) as error:  # all that is asked can be asked again
                if not left:
                    raise UnusableServer(
                        f"{redact_url(self._url)} does not answer: {_spell_cause(error)}",
                        hint="See whether the server can be reached.",
                    ) from None
        raise AssertionError("unreachable")

    def _find_login(self, offered: str) -> Credential:
        """A user and password, from Git's helpers or the person, who are asked once, whichever thread wants them.

        Raises UnusableServer where nobody knows one, SilentHost where nobody answers.
        """
        with self._asking:
            if self._refusal:
                raise self._refusal
            try:
                self._credential = self._credential or self._helpers.find_login(self._spell_url(""))
                if self._credential is None or "basic" not in offered.lower():
                    raise UnusableServer(f"{redact_url(self._url)} wants a user and a password", hint=_LOGIN_HINT)
            except UnusableRemote as error:
                self._refusal = error
                raise
            return self._credential


def _split_url(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # whose words may hold the password
        raise TransportError(f"{redact_url(url)} is no URL", hint="Write it so: HOST[:PORT]/FOLDER") from None


def _spell_login(login: Credential) -> str:
    """What a server is told, letter by letter as Git tells it: in UTF-8, whatever the letters are."""
    words = f"{login.username}:{login.password}".encode(errors="surrogateescape")
    return f"Basic {b64encode(words).decode()}"


def _let_go(answer: urllib3.BaseHTTPResponse) -> None:
    """Have the connection of an answer used again, where little is left of it; else hang up."""
    with suppress(HTTPError, OSError):
        answer.read(_LARGEST_REST, decode_content=False)
    if answer.closed:
        answer.release_conn()
    else:
        answer.close()


def _read_whole(answer: urllib3.BaseHTTPResponse, path: str, largest: int) -> bytes:
    """An answer as it comes, not unpacked. Raises TransportError for one that is cut off, or too large."""
    try:
        text = answer.read(largest, decode_content=False)
    except (HTTPError, OSError) as error:
        raise _cut_off(path, error) from None
    if not answer.closed:
        raise TransportError(f"{path or '/'}: the server's list is larger than {largest >> 20} MiB")
    return text


def _cut_off(path: str, error: Exception) -> TransportError:
    return TransportError(f"{path or '/'} was cut off: {error}", hint="To repeat the command may help.")


def _read_chunks(answer: urllib3.BaseHTTPResponse, path: str) -> Iterator[bytes]:
    try:
        yield from answer.stream(_CHUNK, decode_content=False)
    except (HTTPError, OSError) as error:
        raise _cut_off(path, error) from None


def _spell_cause(error: Exception) -> str:
    """What is at the bottom of an error of urllib3, in the system's words."""
    cause: BaseException = error
    while isinstance(found := getattr(cause, "reason", None) or cause.__cause__ or cause.__context__, BaseException):
        cause = found
    return (getattr(cause, "strerror", None) or str(cause)).rstrip(".")


def _require_status(answer: urllib3.BaseHTTPResponse, path: str, *wanted: int) -> None:
    """Raise TransportError for any other status: UnusableServer where it is about all of the folder."""
    if answer.status in wanted:
        return
    said = f"{path}: the server answered {answer.status} {answer.reason or ''}".rstrip()
    if answer.status in (403, 405, 501):
        raise UnusableServer(said, hint="See whether the URL is that of a WebDAV folder, in which you may write.")
    room = "There is no room left on it." if answer.status in (413, 507) else ""
    raise TransportError(said, hint=room or "To repeat the command may help.")
