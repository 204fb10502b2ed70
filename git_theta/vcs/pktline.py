"""Git's pkt-line framing: four hex digits of length, then that many bytes less four; ``0000`` is a flush.

Source: gitprotocol-common(5). A filter gets file contents as packets of up to 65,516 bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterable

from git_theta.errors import GitError

_LARGEST_PAYLOAD = 65516
_FLUSH = b"0000"
_PIPE_SIZE = 1 << 20
_LENGTH = re.compile(rb"[0-9a-fA-F]{4}")
_FLUSHED = -1

Buffer = bytes | bytearray | memoryview


class PacketReader:
    """Packets from a file descriptor, payloads straight into the caller's memory."""

    def __init__(self, descriptor: int) -> None:
        _widen_pipe(descriptor)
        self._descriptor = descriptor
        self._left = 0  # of the current packet
        self._header = bytearray(4)
        self._have = 0  # bytes of the next packet's header that came with the last payload

    def read_lines(self) -> list[str] | None:
        """The text lines up to a flush, without their newlines; None at end of input.

        Raises GitError when input ends among them.
        """
        lines: list[str] = []
        while (size := self._next_size()) != _FLUSHED:
            if size is None and lines:
                raise GitError("git stopped in the middle of a request")
            if size is None:
                return None
            line = bytearray(size)
            self._fill(memoryview(line))
            lines.append(os.fsdecode(bytes(line)).removesuffix("\n"))
        return lines

    def readinto(self, view: memoryview) -> int:
        """Fill ``view`` with content; fewer bytes only where a flush ends it (the flush is consumed)."""
        filled = 0
        while filled < len(view):
            if self._left == 0:
                size = self._next_size()
                if size is None:
                    raise GitError("git stopped in the middle of a file")
                if size == _FLUSHED:
                    break
                self._left = size
            part = view[filled : filled + self._left]
            self._fill(part)
            self._left -= len(part)
            filled += len(part)
        return filled

    def _next_size(self) -> int | None:
        """Payload size of the next packet, _FLUSHED for a flush, None at end of input."""
        while self._have < 4:
            got = os.readv(self._descriptor, [memoryview(self._header)[self._have :]])
            if got == 0 and self._have:
                raise GitError("git stopped in the middle of a packet")
            if got == 0:
                return None
            self._have += got
        self._have = 0
        size = int(self._header, 16) if _LENGTH.fullmatch(self._header) else 1
        if 0 < size < 4:
            raise GitError(f"not a pkt-line: {bytes(self._header)!r}")
        return size - 4 if size else _FLUSHED

    def _fill(self, part: memoryview) -> None:
        """Exactly ``part``; one system call also fetches the next header when this packet ends here."""
        ends = self._left <= len(part)
        while len(part):
            views = [part, memoryview(self._header)] if ends else [part]
            got = os.readv(self._descriptor, views)
            if got == 0:
                raise GitError("git stopped in the middle of a packet")
            self._have = max(0, got - len(part))
            part = part[got:]


class PacketWriter:
    """Packets to a file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write_lines(self, *lines: str) -> None:
        """Each line as a packet, then a flush."""
        packets = [_packet_of(os.fsencode(line) + b"\n") for line in lines]
        self._write_all(b"".join([*packets, _FLUSH]))

    def write_content(self, chunks: Iterable[Buffer]) -> None:
        """The chunks as packets, without the flush that ends them."""
        for chunk in chunks:
            view = memoryview(chunk).cast("B")
            for start in range(0, len(view), _LARGEST_PAYLOAD):
                self._write_all(_packet_of(view[start : start + _LARGEST_PAYLOAD]))

    def flush(self) -> None:
        """End a list or a content."""
        self._write_all(_FLUSH)

    def _write_all(self, data: Buffer) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


def _widen_pipe(descriptor: int) -> None:
    """Make a pipe as large as an unprivileged process may on Linux: Git then writes 16 packets before we must run."""
    with contextlib.suppress(OSError):  # not a pipe, or the user's pipes use up their allowance
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)


def _packet_of(payload: Buffer) -> bytes:
    return b"".join((b"%04x" % (len(payload) + 4), payload))
