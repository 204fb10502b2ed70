"""A Git LFS server on loopback, dulwich's, over a folder of objects: ``python -m demo.lfs_host FOLDER PORT``."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from dulwich.lfs_server import LFSRequestHandler, run_lfs_server


class Traffic(NamedTuple):
    """What went through the server: bytes of objects to it and from it, and requests."""

    up: int = 0
    down: int = 0
    requests: int = 0


class LfsHost:
    """The server, while the ``with`` block lasts.

    Args:
        folder: its objects are below it, by their SHA-256.
        port: of 127.0.0.1; 0 for one that is free.

    Attributes:
        url: what ``lfs.url`` is to say.
        port: where it listens.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._server, self.url = run_lfs_server("127.0.0.1", port, str(folder))
        self._server.RequestHandlerClass = _counting_handler(self)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._lock = threading.Lock()
        self._traffic = Traffic()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def count(self, up: int, down: int) -> None:
        """One request, and the bytes of objects that it moved."""
        with self._lock:
            before = self._traffic
            self._traffic = Traffic(before.up + up, before.down + down, before.requests + 1)

    def take_traffic(self) -> Traffic:
        """What went through since this was called last."""
        with self._lock:
            found, self._traffic = self._traffic, Traffic()
        return found


def _counting_handler(host: LfsHost) -> type[LFSRequestHandler]:
    class Handler(LFSRequestHandler):
        def do_POST(self) -> None:  # noqa: N802
            super().do_POST()
            host.count(0, 0)

        def do_PUT(self) -> None:  # noqa: N802
            super().do_PUT()
            host.count(int(self.headers["Content-Length"]), 0)

        def do_GET(self) -> None:  # noqa: N802
            self._length = 0
            super().do_GET()
            host.count(0, self._length)

        def send_header(self, keyword: str, value: Any) -> None:
            if keyword == "Content-Length":
                self._length = int(value)
            super().send_header(keyword, value)

    return Handler


def main() -> None:
    """Serve a folder until Ctrl-C."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    with LfsHost(folder, port) as host:
        print(f"{folder} is served at {host.url} until you press Ctrl-C", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
