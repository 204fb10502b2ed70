"""Blobs of any size by id, read as they come: no blob is ever held whole, here or in Git where Git can help it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from git_theta.errors import GitError
from git_theta.vcs.git import AS_STORED, end_git, start_git

_STREAMED = ("core.bigFileThreshold=1m", "core.packedGitWindowSize=1m", "core.packedGitLimit=32m")
"""Git inflates larger blobs bit by bit, where they are no delta, and has no more of a pack mapped than this."""
_BLOCK = 1 << 20


class BlobStreams:
    """One ``git cat-file``, asked for one blob after the other."""

    def __init__(self) -> None:
        settings = [word for setting in _STREAMED for word in ("-c", setting)]
        self._process = start_git(AS_STORED, *settings, "cat-file", "--batch")

    def close(self) -> None:
        self._process.kill()  # it may have much to say still
        end_git(self._process)

    @contextmanager
    def open_blob(self, oid: str) -> Iterator[Callable[[memoryview], int]]:
        """Fills a view with the blob's next bytes and says how many, 0 at the end; while the ``with`` block runs.

        Raises GitError where there is no such blob, or Git dies.
        """
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(oid.encode() + b"\n")
        self._process.stdin.flush()
        words = self._process.stdout.readline().split()
        if words[1:2] != [b"blob"]:
            raise GitError(f"the blob {oid} is not here", hint="git fsck says what else is missing.")
        left = int(words[2])

        def readinto(view: memoryview) -> int:
            nonlocal left
            assert self._process.stdout
            size = self._process.stdout.readinto(view[:left]) if left else 0  # type: ignore[attr-defined]
            if left and not size:
                raise GitError(f"git cat-file ended within the blob {oid}")
            left -= size
            return int(size)

        yield readinto
        block = memoryview(bytearray(_BLOCK)) if left else memoryview(b"")
        while left:
            readinto(block)
        self._process.stdout.read(1)  # Git ends each blob with a newline
