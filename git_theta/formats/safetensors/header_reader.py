"""The header of a safetensors file, read member by member: nothing large is ever decoded at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import NoReturn

from git_theta.errors import FormatError
from git_theta.formats.base import Source

LENGTH_BYTES = 8
HEADER_LIMIT = 16 << 20
_ENTRY_LIMIT = 8 << 10
_SPACE = re.compile(r"[ \t\n\r]*")


def read_header_text(source: Source) -> tuple[str, int]:
    """The header's text, and where the data begins."""
    if source.size < LENGTH_BYTES:
        raise FormatError("the file is too short for a safetensors header")
    length = int.from_bytes(source.read(0, LENGTH_BYTES), "little")
    if length > source.size - LENGTH_BYTES:
        raise FormatError(f"the header claims {length} bytes, more than the file has")
    if length > HEADER_LIMIT:
        raise FormatError(f"the header claims {length} bytes; headers over {HEADER_LIMIT} are not read")
    try:
        return source.read(LENGTH_BYTES, length).decode(), LENGTH_BYTES + length
    except UnicodeDecodeError as error:
        raise FormatError("the header is not UTF-8") from error


class HeaderReader:
    """Reads a JSON object member by member.

    ``json.loads`` would build the whole header at once: 16 MiB of ``[[],[],...`` take over 300 MB. Here nothing larger
    than one string or ``_ENTRY_LIMIT`` characters is ever decoded.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._decoder = json.JSONDecoder(object_pairs_hook=_reject_duplicates, parse_constant=_reject_constant)

    def peek(self) -> str:
        """The next character that is no white space, or "" at the end."""
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._text[self._at : self._at + 1]

    def read_keys(self) -> Iterator[str]:
        """The keys of the object that starts here; the caller reads each key's value before it asks for the next."""
        self._expect("{")
        separator = "," if self.peek() != "}" else self._expect("}")
        while separator == ",":
            key = self.read_value()
            if not isinstance(key, str):
                raise FormatError("a key in the header is no string")
            self._expect(":")
            yield key
            separator = self._expect(",}")

    def read_value(self) -> object:
        """The value that starts here: a string, or anything else of at most ``_ENTRY_LIMIT`` characters."""
        if self.peek() == '"':
            text, start = self._text, self._at  # In place: slicing would copy up to 64 MB for every key.
        else:
            text, start = self._text[self._at : self._at + _ENTRY_LIMIT], 0
        try:
            value, stop = self._decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"the header is not valid JSON at character {self._at}") from error
        self._at += stop - start
        return value

    def capture_text(self, read: Callable[[HeaderReader], None]) -> str:
        """The text of what ``read`` reads."""
        self.peek()
        start = self._at
        read(self)
        return self._text[start : self._at]

    @property
    def position(self) -> int:
        """How many characters were read."""
        return self._at

    def _expect(self, expected: str) -> str:
        found = self.peek()
        if not found or found not in expected:
            raise FormatError(f"the header is not valid JSON at character {self._at}")
        self._at += 1
        return found


def _reject_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        raise FormatError("a header entry has the same key twice")
    return entry


def _reject_constant(constant: str) -> NoReturn:
    raise FormatError(f"the header holds {constant}, which is not JSON")
