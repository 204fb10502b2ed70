"""The garbage collection of a Git LFS host: what no pointer of the repository names is deleted.

GitLab walks a project so when it cleans it up, Gitea and Forgejo do with their LFS collection on.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

_CANONICAL = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize [0-9]+\n")
_LARGEST = 1024  # bytes: no host reads larger blobs


def collect_garbage(repository: Path, objects: Path) -> set[str]:
    """Delete the objects below a folder that no blob which a ref of the bare repository reaches names; their ids."""
    named = find_pointers(repository)
    lost = {file for file in objects.rglob("*") if file.is_file() and file.name not in named}
    for file in lost:
        file.unlink()
    return {file.name for file in lost}


def find_pointers(repository: Path) -> set[str]:
    """The objects that canonical pointers in the history of all refs name."""
    reachable = run(repository, "rev-list", "--objects", "--all", "--no-object-names")
    kinds = run(repository, "cat-file", "--batch-check=%(objecttype) %(objectsize) %(objectname)", stdin=reachable)
    small = [
        words[2] for words in map(bytes.split, kinds.splitlines()) if words[0] == b"blob" and int(words[1]) <= _LARGEST
    ]
    blobs = run(repository, "cat-file", "--batch=%(objectsize)", stdin=b"".join(oid + b"\n" for oid in small))
    named = set()
    while blobs:
        size, _, blobs = blobs.partition(b"\n")
        pointer = _CANONICAL.fullmatch(blobs[: int(size)])
        named |= {pointer[1].decode()} if pointer else set()
        blobs = blobs[int(size) + 1 :]
    return named


def run(repository: Path, *args: str, stdin: bytes = b"") -> bytes:
    """What git prints, in a bare repository."""
    return subprocess.run(["git", "-C", repository, *args], input=stdin, stdout=subprocess.PIPE, check=True).stdout
