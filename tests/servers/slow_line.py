"""A slow line to a server on loopback: what goes up through it keeps to one speed, of all its connections together."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_PIECE = 4 << 10
_BUFFER = 16 << 10
"""Bytes that the line holds of each connection, which are on their way: it is told of no more."""
_SEGMENT = 1400
"""Bytes of a packet, as on a real line. The system makes room for packets, and loopback's are as large as 64 KiB."""


class SlowLine:
    """A relay on a port of 127.0.0.1, while the ``with`` block lasts.

    Args:
        server: the URL of what is at its other end.
        speed: bytes a second.

    Attributes:
        carried: bytes that went up.
        stalls_at: bytes after which nothing goes up any more; None for never.
    """

    def __init__(self, server: str, speed: float) -> None:
        self._parts, self._speed = urlsplit(server), speed
        self.carried, self._free = 0, 0.0
        self.stalls_at: int | None = None
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)  # connections inherit it
        self._listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SEGMENT)
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen(64)

    @property
    def url(self) -> str:
        """The server's, through this line."""
        return self._parts._replace(netloc=f"127.0.0.1:{self._listening.getsockname()[1]}").geturl()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(here,), daemon=True).start()

    def _carry(self, here: socket.socket) -> None:
        with here, socket.create_connection((self._parts.hostname or "", self._parts.port or 80)) as there:
            going_up = threading.Thread(target=self._carry_up, args=(here, there), daemon=True)
            going_up.start()
            with suppress(OSError):
                while piece := there.recv(1 << 16):
                    here.sendall(piece)
                here.shutdown(socket.SHUT_WR)
            going_up.join()

    def _carry_up(self, here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while piece := here.recv(_PIECE):
                self._take_turn(len(piece))
                there.sendall(piece)
            there.shutdown(socket.SHUT_WR)

    def _take_turn(self, size: int) -> None:
        """Wait for as long as the line takes for so many bytes, when those before them are through."""
        with self._turn:
            self._free = max(self._free, time.monotonic()) + size / self._speed
            free, self.carried = self._free, self.carried + size
            stalled = self.stalls_at is not None and self.carried > self.stalls_at
        self._ended.wait(None if stalled else max(0, free - time.monotonic()))
