"""Requests to a WebDAV server (RFC 4918): sent again where they were lost, and with a login where it wants one."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any
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
from git_theta_webdav.dav_answers import UnusableServer, let_go

Body = Callable[[], Iterable[Any]]
"""Makes what is sent, in pieces of bytes: again where it has to be sent again."""

_LOGIN_HINT = "Let a credential helper of Git know them (git help credentials), or be asked at a terminal."
_ATTEMPTS = 2


class DavSession:
    """Asks about paths below a folder; from the top, where they begin with a slash. Threads may use it side by side.

    Args:
        url: of the folder; ``http`` or ``https``, with or without a user and password.
        patience: how long the server may be silent.
        helpers: who may know them.

    Attributes:
        root: the names of the folders down to that one.

    Raises TransportError for what is no URL.
    """

    def __init__(self, url: str, patience: Patience, helpers: CredentialHelpers) -> None:
        parts = _split_url(url)
        host = parts.netloc.rpartition("@")[2]
        self._base = f"{parts.scheme}://{host}"
        self.root = [unquote(part) for part in parts.path.split("/") if part]
        self._url, self._helpers = url, helpers
        self._credential = Credential.of_url(url)
        self._refusal: UnusableRemote | None = None
        self._asking = Lock()
        settings = read_http_settings(self.spell_url(""))
        self._headers, self._pool = settings.headers, open_pool(settings, patience)

    def close(self) -> None:
        """Hang up."""
        self._pool.clear()

    def spell_url(self, path: str) -> str:
        """The URL of a path: below the folder, or from the top of the server."""
        whole = path if path.startswith("/") else "/".join(["", *self.root, path])
        return self._base + quote(whole)

    @contextmanager
    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: Body | None = None, size: int = 0
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """An answer, whose rest is read at the end, so that the connection can be used again."""
        answer = self.send(method, path, headers, body, size)
        try:
            yield answer
        finally:
            let_go(answer)

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: Body | None = None, size: int = 0
    ) -> urllib3.BaseHTTPResponse:
        """An answer; of a server that wants to know who asks, once it was told."""
        answer = self._send_once(method, path, headers, body, size)
        if answer.status != 401:
            return answer
        let_go(answer)
        login = self._find_login(answer.headers.get("WWW-Authenticate", ""))
        answer = self._send_once(method, path, headers, body, size)
        if answer.status == 401:
            let_go(answer)
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
                    method, self.spell_url(path), headers=sent, body=body() if body else None, preload_content=False,
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
                self._credential = self._credential or self._helpers.find_login(self.spell_url(""))
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


def _spell_cause(error: Exception) -> str:
    """What is at the bottom of an error of urllib3, in the system's words."""
    cause: BaseException = error
    while isinstance(found := getattr(cause, "reason", None) or cause.__cause__ or cause.__context__, BaseException):
        cause = found
    return (getattr(cause, "strerror", None) or str(cause)).rstrip(".")
