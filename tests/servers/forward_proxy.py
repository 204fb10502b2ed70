"""A forward proxy on loopback, which knows hosts that no name server does: who reaches one of them came through it."""

from __future__ import annotations

import base64
import select
import socket
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.servers.loopback import LoopbackServer

_LARGEST = 1 << 16


class ForwardProxy(LoopbackServer):
    """The proxy, for as long as the block lasts.

    Args:
        ports: which port of 127.0.0.1 each host that it knows is at.
        credentials: ``user:password`` that it wants; "" for none.

    Attributes:
        asked: method and host of each request.
    """

    def __init__(self, ports: Mapping[str, int], credentials: str = "") -> None:
        super().__init__(_Handler)
        self.ports, self.asked = ports, list[tuple[str, str]]()
        self.wanted = f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ForwardProxy

    def do_CONNECT(self) -> None:
        """A tunnel, for TLS."""
        port = self._find_port(self.path.partition(":")[0])
        if port is None:
            return
        with socket.create_connection(("127.0.0.1", port)) as there:
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            with suppress(OSError):
                _pass_on(self.connection, there)

    def do_GET(self) -> None:
        """A request that is passed on, and the answer to it."""
        parts = urlsplit(self.path)
        port = self._find_port(parts.hostname or "")
        if port is None:
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
        there = HTTPConnection("127.0.0.1", port)
        there.request(self.command, f"{parts.path}{'?' if parts.query else ''}{parts.query}", body, headers)
        answer = there.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        there.close()

    do_POST = do_PUT = do_PROPFIND = do_MKCOL = do_MOVE = do_DELETE = do_GET  # noqa: N815

    def _find_port(self, host: str) -> int | None:
        """Where a host is; None where it has been answered that there is none, or who asks is nobody."""
        self.server.asked.append((self.command, host))
        status = 407 if self.headers.get("Proxy-Authorization", "") != self.server.wanted else 0
        if host not in self.server.ports:
            status = status or 502
        if not status:
            return self.server.ports[host]
        self.send_response(status)
        self.send_header("Proxy-Authenticate", 'Basic realm="tests"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    """Pass on what comes from either side, until one of them hangs up."""
    pairs = {one: other, other: one}
    while True:
        for ready in select.select(list(pairs), [], [])[0]:
            some = ready.recv(_LARGEST)
            if not some:
                return
            pairs[ready].sendall(some)
