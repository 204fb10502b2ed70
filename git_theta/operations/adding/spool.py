"""Bytes that stand in no file: written into one of ours, which is gone afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from git_theta.operations.streams import FileSource
from git_theta.tensors.arrays import Buffer


@contextmanager
def spool_pieces(pieces: Iterable[Buffer], folder: Path) -> Iterator[FileSource]:
    """A file with these bytes in ``folder``, while the ``with`` block runs."""
    import tempfile  # with what it imports, 5 ms: for once in a long while

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="spool-") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        with closing(FileSource(Path(file.name))) as source:
            yield source
