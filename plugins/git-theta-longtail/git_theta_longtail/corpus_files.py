"""The documents of a corpus, one after another: of JSON lines and of texts, as they are or compressed by gzip.

Memory: one document, of at most LONGEST bytes.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from git_theta.errors import UsageError

LONGEST = 64 << 20
"""Bytes of a document."""


def read_documents(file: Path, key: str, progress: Callable[[int], object] = lambda _: None) -> Iterator[str]:
    """The texts of a file's documents.

    Args:
        file: ``.jsonl`` or ``.json``: a document a line; any other: text, in which empty lines part documents. With
            ``.gz`` behind it, compressed.
        key: of the text in a line of JSON.
        progress: told how many more bytes of the file were read.

    Raises UsageError, with the file and the line, for what cannot be read.
    """
    is_json = bool({".jsonl", ".json"} & set(file.suffixes))
    lines, told = _CountedLines(), 0
    try:
        with file.open("rb") as stored, _unpack(file, stored) as unpacked:
            for document in (_split_lines if is_json else _split_paragraphs)(lines.read_from(unpacked)):
                yield _read_text(document, key) if is_json else document.decode()
                progress(stored.tell() - told)
                told = stored.tell()
    except (OSError, EOFError, zlib.error, ValueError) as error:
        where = f" at line {lines.count}, or behind it" if lines.count else ""
        raise UsageError(
            f"cannot be read{where}: {error}",
            hint="A corpus is JSON lines (.jsonl) or text in UTF-8, with or without .gz.",
            path=str(file),
        ) from None


class _CountedLines:
    """Lines of a file, none longer than a document, and how many were read."""

    def __init__(self) -> None:
        self.count = 0

    def read_from(self, file: IO[bytes]) -> Iterator[bytes]:
        """Each line, with its end."""
        while line := file.readline(LONGEST + 1):
            self.count += 1
            _require_short(len(line))
            yield line


def _unpack(file: Path, stored: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(stored)) if file.suffix == ".gz" else stored


def _split_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Each line that has something in it."""
    return (line for line in lines if line.strip())


def _split_paragraphs(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines between two empty ones."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        size += len(line) if line.strip() else 0
        _require_short(size)
        if line.strip():
            held.append(line)
        elif held:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _require_short(size: int) -> None:
    if size > LONGEST:
        raise ValueError(f"a document of more than {LONGEST >> 20} MiB")


def _read_text(line: bytes, key: str) -> str:
    data = json.loads(line)
    text = data.get(key) if isinstance(data, dict) else None
    if not isinstance(text, str):
        raise ValueError(f"no text under {key!r}")
    return text
