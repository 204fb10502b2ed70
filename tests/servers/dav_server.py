"""A WebDAV server on loopback: WsgiDAV, of a folder here. It may want a password, lose what it is given, or refuse."""

from __future__ import annotations

import io
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

pytest.importorskip("wsgidav", reason="WsgiDAV is the server")
from wsgidav.fs_dav_provider import FilesystemProvider
from wsgidav.wsgidav_app import WsgiDAVApp

USER = ("alice", "secret of alice")
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is none of the server's business."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
        pass


class DavServer:
    """A server of a folder.

    Attributes:
        folder: what it serves.
        url: its address, without a scheme.
        loses: whether what is written is taken without an error, and not kept.
        refuses: the status that requests of a method get instead of an answer, by method.
        asked: the methods of all requests, in order.
        pause: seconds before each answer.
    """

    def __init__(self, folder: Path, *, with_password: bool, tls: ssl.SSLContext | None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        users: dict[str, Any] | bool = {USER[0]: {"password": USER[1]}} if with_password else True
        self._inner = WsgiDAVApp(
            {
                "provider_mapping": {"/": FilesystemProvider(str(folder))},
                "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
                "simple_dc": {"user_mapping": {"*": users}},
                "lock_storage": True,
                "verbose": 0,
            }
        )
        self.loses = False
        self.refuses: dict[str, str] = {}
        self.asked: list[str] = []
        self.pause = 0.0
        self._server = make_server("127.0.0.1", 0, self._answer, _Server, _Quiet)
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        self.asked.append(method)
        time.sleep(self.pause)
        environ["wsgi.url_scheme"] = self._scheme
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        if len(body) != length:
            raise ConnectionAbortedError("the client hung up")
        environ["wsgi.input"] = io.BytesIO(body)  # the server that Python brings lets one read on for ever
        status = self.refuses.get(method) or ("201 Created" if self.loses and method in ("PUT", "MOVE") else "")
        if not status:
            return self._inner(environ, start)  # type: ignore[no-any-return]
        start(status, [("Content-Length", "0")])
        return [b""]


@contextmanager
def running_server(
    folder: Path, *, with_password: bool = False, tls: ssl.SSLContext | None = None
) -> Iterator[DavServer]:
    server = DavServer(folder, with_password=with_password, tls=tls)
    try:
        yield server
    finally:
        server.stop()
