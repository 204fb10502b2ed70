"""What a WebDAV server lists: an answer of status 207 (RFC 4918, section 13)."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

from git_theta.errors import TransportError

_DAV = "{DAV:}"
_MOST_DIGITS = 20
"""Of a number of bytes: Python reads thousands of digits slowly, and then not at all."""


class DavFile(NamedTuple):
    """A file or folder: its bytes (None for a folder), and when it was changed, in seconds since the epoch."""

    size: int | None
    moment: float | None


def read_multistatus(answer: bytes) -> dict[str, DavFile]:
    """Path, as the server has it, without a slash at its end, to what is there. Raises TransportError."""
    try:
        root = ElementTree.fromstring(answer)
    except ElementTree.ParseError as error:
        raise TransportError(f"the server's list cannot be read: {error}", hint="Is it a WebDAV server?") from None
    if root.tag != f"{_DAV}multistatus":
        raise TransportError("the server's list is none", hint="Is it a WebDAV server?")
    return {_read_path(entry): _read_file(entry) for entry in root.iter(f"{_DAV}response")}


def read_size(said: str) -> int | None:
    """A number of bytes; None for what is none."""
    return int(said) if said.isdecimal() and len(said) <= _MOST_DIGITS else None


def _read_path(entry: ElementTree.Element) -> str:
    said = entry.findtext(f"{_DAV}href", "").strip()
    try:
        return unquote(urlsplit(said).path).rstrip("/")
    except ValueError:
        raise TransportError(
            f"the server's list names what is no URL: {said!r:.80}", hint="Is it a WebDAV server?"
        ) from None


def _read_file(entry: ElementTree.Element) -> DavFile:
    said = {item.tag.removeprefix(_DAV): item for prop in entry.iter(f"{_DAV}prop") for item in prop}
    size = "".join(said["getcontentlength"].itertext()).strip() if "getcontentlength" in said else ""
    is_folder = "resourcetype" in said and said["resourcetype"].find(f"{_DAV}collection") is not None
    return DavFile(None if is_folder else read_size(size), _read_moment(said))


def _read_moment(said: dict[str, ElementTree.Element]) -> float | None:
    try:
        moment = parsedate_to_datetime((said["getlastmodified"].text or "").strip())
    except (KeyError, ValueError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
