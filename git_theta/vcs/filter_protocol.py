"""Git's long-running filter protocol, version 2: one process filters all files of a Git command.

Source: gitattributes(5), "Long Running Filter Process". Git sends everything about a file, content included, before it
reads a byte of the answer; so a handler has to take its whole content before the first piece it answers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from git_theta.errors import GitError, ThetaError, suggest_remedy
from git_theta.vcs.pktline import Buffer, PacketReader, PacketWriter

NAMELESS = "(a file without a name)"
"""What a file is called that the client does not name: no path from the top, so that nothing is found there."""
ReadInto = Callable[[memoryview], int]
Handler = Callable[[ReadInto, str, str], Iterator[Buffer]]
"""(content, path, tree) -> the answer's pieces; the path is "" where the client does not say it, and so is the commit
or tree that is being checked out, which Git tells since 2.27 where it has one.

A ThetaError, at any piece, fails this file and no other."""


def serve_filter(
    reader: PacketReader, writer: PacketWriter, handlers: dict[str, Handler], report: Callable[[ThetaError], object]
) -> None:
    """Answer Git until it hangs up.

    Args:
        reader: what Git sends.
        writer: what Git reads.
        handlers: by command, "clean" and "smudge".
        report: tells the person what went wrong with a file, before Git hears that something did.

    Raises GitError when what comes is not this protocol.
    """
    _shake_hands(reader, writer, handlers)
    while (request := reader.read_lines()) is not None:
        words = dict(line.partition("=")[::2] for line in request)
        command, path = words.get("command", ""), words.get("pathname", "")
        if command not in handlers:
            raise GitError(f"git asked for {command!r}, which was not offered")
        if "\0" in path:  # dulwich has files cleaned without saying which they are: an empty name is one
            raise GitError(f"git asked to {command} a file without a proper name: {path!r}")
        _answer_request(reader, writer, handlers[command], path, words.get("treeish", ""), report)


def _shake_hands(reader: PacketReader, writer: PacketWriter, handlers: dict[str, Handler]) -> None:
    welcome = reader.read_lines()
    if not welcome or welcome[0] != "git-filter-client" or "version=2" not in welcome:
        raise GitError("this command is for Git, which did not ask for the filter protocol version 2")
    writer.write_lines("git-filter-server", "version=2")
    offered = reader.read_lines()
    if offered is None:
        raise GitError("git stopped before it said what it can do")
    writer.write_lines(*(f"capability={name}" for name in handlers if f"capability={name}" in offered))


def _answer_request(
    reader: PacketReader,
    writer: PacketWriter,
    handler: Handler,
    path: str,
    tree: str,
    report: Callable[[ThetaError], object],
) -> None:
    content = _FileContent(reader)
    answering = False
    try:
        pieces = _wrap_os_errors(handler(content.readinto, path, tree))
        first = next(pieces, b"")
        content.drain()
        writer.write_lines("status=success")
        answering = True
        writer.write_content((first,))
        writer.write_content(pieces)
    except ThetaError as error:
        if content.is_broken:
            raise error.add_location(path=path) from error.__cause__
        report(error.add_location(path=path))
        content.drain()
        if answering:
            writer.flush()
        writer.write_lines("status=error")
        return
    writer.flush()
    writer.flush()


def _wrap_os_errors(pieces: Iterator[Buffer]) -> Iterator[Buffer]:
    """The pieces; what the operating system refuses is this file's error too, where a pipe to Git's would be ours."""
    try:
        yield from pieces
    except OSError as error:
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        raise ThetaError(f"{where}{error.strerror or error}", hint=suggest_remedy(error)) from error


class _FileContent:
    """One file's content: once it has ended it stays ended.

    Attributes:
        is_broken: Git went away, or sent what is no content; there is nobody to answer.
    """

    def __init__(self, reader: PacketReader) -> None:
        self._reader = reader
        self._ended = False
        self.is_broken = False

    def readinto(self, view: memoryview) -> int:
        if self._ended:
            return 0
        try:
            size = self._reader.readinto(view)
        except GitError:
            self.is_broken = True
            raise
        self._ended = size < len(view)
        return size

    def drain(self) -> None:
        """Take what nobody took: Git sends all of it, whatever we answer."""
        waste = memoryview(bytearray(1 << 16))
        while self.readinto(waste):
            pass
