"""Git's three-way merge of texts, whatever the worktree has; and what each side has in one with conflict markers."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

_MARKER = re.compile(rb"(<{7}|\|{7}|={7}|>{7})(?: .*)?\n?")


class MergedText(NamedTuple):
    """What came of a merge; ``is_clean`` where it has no conflict."""

    text: bytes
    is_clean: bool


class TextSides(NamedTuple):
    """A merged text with all that is in conflict as ours has it, and as theirs does."""

    ours: bytes
    theirs: bytes


def merge_texts(base: bytes, ours: bytes, theirs: bytes) -> MergedText | None:
    """Merge as `git merge-file` does; None for what it takes for no texts."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("ours", "base", "theirs")]
        for file, text in zip(files, (ours, base, theirs), strict=True):
            file.write_bytes(text)
        done = subprocess.run(["git", "merge-file", "--stdout", "--quiet", *files], capture_output=True)
    # It exits with the number of conflicts, up to 127, and above that where it fails.
    return MergedText(done.stdout, done.returncode == 0) if done.returncode < 128 else None


def split_sides(text: bytes) -> TextSides:
    """What each side has, whatever labels and style the markers have, and however conflicts were joined."""
    sides: dict[bytes, list[bytes]] = {b"<": [], b">": [], b"|": []}
    where = b"<>"
    for line in text.replace(b"\r\n", b"\n").splitlines(keepends=True):
        found = _MARKER.fullmatch(line)
        if found:
            where = {b"<": b"<", b"|": b"|", b"=": b">", b">": b"<>"}[found[1][:1]]
            continue
        for side in where:
            sides[bytes((side,))].append(line)
    return TextSides(b"".join(sides[b"<"]), b"".join(sides[b">"]))
