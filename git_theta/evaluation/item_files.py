"""The ids of the items that are to be scored, as a file: one a line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from git_theta.errors import UsageError

LARGEST_ITEMS = 1 << 28
"""Bytes of a file of ids: some ten million."""


@contextmanager
def write_items(items: Sequence[str] | None) -> Iterator[dict[str, str]]:
    """The variable that names a file of these ids, which is there while the block runs; none for None."""
    if items is None:
        yield {}
        return
    import tempfile  # with what it imports, 5 ms

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "items"
        file.write_bytes(b"".join(os.fsencode(item) + b"\n" for item in items))
        yield {"THETA_EVAL_ITEMS": os.fspath(file)}


def read_items(file: Path) -> tuple[str, ...]:
    """The ids of a file; see ``parse_items``. Raises UsageError for one that cannot be read, too."""
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_ITEMS + 1)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", hint="Name a file of ids.", path=str(file)) from None
    if len(content) > LARGEST_ITEMS:
        raise UsageError(f"has more than {LARGEST_ITEMS:,} bytes", path=str(file))
    return parse_items(content, str(file))


def parse_items(content: bytes, path: str) -> tuple[str, ...]:
    """The ids in a file's content, in its order; empty lines are passed over.

    Raises UsageError, with the path, for what is no UTF-8, is empty, or has an id twice.
    """
    try:
        found = tuple([line.strip() for line in content.decode().split("\n") if line.strip()])
    except UnicodeDecodeError as error:
        raise UsageError(f"not UTF-8 at byte {error.start}", hint="One id a line.", path=path) from None
    if not found:
        raise UsageError("has no id in it", hint="One id a line.", path=path)
    if len(set(found)) < len(found):
        seen: set[str] = set()
        twice = next(item for item in found if item in seen or seen.add(item))  # type: ignore[func-returns-value]
        raise UsageError(f"has the id {twice!r} twice", hint="Each item counts once.", path=path)
    return found
