"""Answers of a WebDAV server: their status, their bytes, and what becomes of their connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import urllib3
from git_theta.errors import TransportError
from git_theta.transport.outcomes import UnusableRemote
from urllib3.exceptions import HTTPError

_LARGEST_REST = 1 << 16
"""Bytes of an answer that are read though nobody wants them: a connection is used again, and no server keeps us."""
_CHUNK = 1 << 20


class UnusableServer(UnusableRemote):
    """A server that does not answer, or does not let us in: no object of it can be had."""


def let_go(answer: urllib3.BaseHTTPResponse) -> None:
    """Have the connection of an answer used again, where little is left of it; else hang up."""
    with suppress(HTTPError, OSError):
        answer.read(_LARGEST_REST, decode_content=False)
    if answer.closed:
        answer.release_conn()
    else:
        answer.close()


def read_whole(answer: urllib3.BaseHTTPResponse, path: str, largest: int) -> bytes:
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


def read_chunks(answer: urllib3.BaseHTTPResponse, path: str) -> Iterator[bytes]:
    """An answer in pieces, as it comes. Raises TransportError where it is cut off."""
    try:
        yield from answer.stream(_CHUNK, decode_content=False)
    except (HTTPError, OSError) as error:
        raise _cut_off(path, error) from None


def require_status(answer: urllib3.BaseHTTPResponse, path: str, *wanted: int) -> None:
    """Raise TransportError for any other status: UnusableServer where it is about all of the folder."""
    if answer.status in wanted:
        return
    said = f"{path}: the server answered {answer.status} {answer.reason or ''}".rstrip()
    if answer.status in (403, 405, 501):
        raise UnusableServer(said, hint="See whether the URL is that of a WebDAV folder, in which you may write.")
    room = "There is no room left on it." if answer.status in (413, 507) else ""
    raise TransportError(said, hint=room or "To repeat the command may help.")
