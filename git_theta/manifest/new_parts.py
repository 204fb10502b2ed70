"""Manifests of one history, read one after the other: most of their lines are the same, and each is parsed once."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from git_theta.manifest import frame
from git_theta.manifest.exact_lines import parse_header, parse_line
from git_theta.manifest.model import Entry
from git_theta.manifest.text import check_names, entry_names, explain_invalid, iterate_lines


class NewParts(NamedTuple):
    """What a manifest has that those read before it had not.

    Attributes:
        size: of its file, in bytes.
        parts_size: bytes of all its parts, known ones included.
        parts: the frame, and the parts on lines that no manifest before had, in order.
    """

    size: int
    parts_size: int
    parts: tuple[Entry, ...]


class ManifestReader:
    """Reads manifests, and remembers their lines. Memory: 200 bytes for each distinct line."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, tuple[str, ...]]] = {}

    def read_new_parts(self, text: bytes) -> NewParts:
        """The parts that ``text`` adds. Raises as ``decode_manifest`` does; nothing is remembered of such a text."""
        with explain_invalid():
            return self._read_lines(text)

    def _read_lines(self, text: bytes) -> NewParts:
        lines = iterate_lines(text)
        header = parse_header(next(lines, b"{}"))
        parts = [header.frame] if header.frame else []
        new: dict[bytes, tuple[int, tuple[str, ...]]] = {}
        count, total, names = 0, 0, list[str]()
        for line in lines:
            digest = sha256(line).digest()
            known = self._known.get(digest) or new.get(digest)
            if known is None:
                entry = parse_line(line)
                parts.append(entry)
                known = new[digest] = entry.size, entry_names(entry)
            total += known[0]
            names += known[1]
            count += 1
        check_names(names)
        if header.frame:
            total += frame.literal_size(header.frame.size, count)
        self._known |= new
        return NewParts(header.size, total, tuple(parts))
