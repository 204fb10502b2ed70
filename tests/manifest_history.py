"""Histories of checkpoints made in a moment: manifests are committed as such, past all filters, by ``git fast-import``.

What looks back reads manifests alone, so no object has to be there.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage, View
from git_theta.manifest.text import encode_manifest
from tests.sandbox import Sandbox

Values = Mapping[str, str]
"""Parameter name -> what stands for its values; ``name=other`` is tied: two names of one parameter."""


def _oid(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def entry(name: str, value: str, dtype: str = "F32") -> Entry:
    """A parameter of 4 KiB in an object of its own."""
    name, *tied = name.split("=")
    views = tuple(View(other, dtype, (32, 32)) for other in tied)
    storage = Storage(Coding("dense", "raw"), Place(_oid(f"object {value}"), 4096))
    return Entry(_oid(value), 4096, storage, name, dtype, (32, 32), views)


def manifest(values: Values, *, metadata: str = "") -> bytes:
    """The manifest of a checkpoint with these parameters; those called ``step`` are integers."""
    entries = [entry(name, value, "I64" if name == "step" else "F32") for name, value in values.items()]
    frame = "".join(values) + metadata
    whole = Entry(_oid(frame), len(frame), Storage(Coding("dense", "raw"), Place(_oid(f"object {frame}"), len(frame))))
    return encode_manifest(Manifest("safetensors", 4096 * len(entries), tuple(entries), whole))


@dataclass
class Story:
    """A history as it is told: every commit is made at once, one second after the one before."""

    sandbox: Sandbox
    clock: itertools.count[int] = field(default_factory=lambda: itertools.count(1_112_911_993))

    def commit(
        self,
        subject: str,
        files: Mapping[str, Values | bytes | None],
        *,
        branch: str = "main",
        parents: Sequence[str] = ("main",),
        written: int | None = None,
    ) -> str:
        """Commit files on a branch; returns the id.

        Args:
            subject: its message.
            files: path to parameters, or to plain bytes; None removes the file.
            branch: moves to the commit.
            parents: refs or ids; those that are not there yet are left out.
            written: when its author wrote it, in seconds since the epoch; now, unless it is copied from another.
        """
        now = next(self.clock)
        known = [oid for parent in parents if (oid := self._oid(parent))]
        lines = [
            f"commit refs/heads/{branch}",
            f"author A. U. Thor <author@example.com> {written or now} +0000",
            f"committer C. O. Mitter <committer@example.com> {now} +0000",
            f"data {len(subject.encode())}\n{subject}",
            *(f"{word} {oid}" for word, oid in zip(["from", *["merge"] * len(known)], known, strict=False)),
        ]
        stream = "".join(f"{line}\n" for line in lines) + "".join(map(self._file, files, files.values()))
        reset = "" if known else f"reset refs/heads/{branch}\n"
        self.sandbox.git("fast-import", "--quiet", "--force", input=reset + stream)
        return self._oid(branch)

    def rename(self, old: str, new: str, subject: str = "Rename") -> str:
        """Commit that a file of main is called otherwise."""
        content = self.sandbox.git("show", f"main:{old}").stdout
        return self.commit(subject, {old: None, new: content.encode()})

    def _oid(self, revision: str) -> str:
        name = f"{revision}^{{commit}}"
        return self.sandbox.git("rev-parse", "--verify", "--quiet", name, check=False).stdout.strip()

    @staticmethod
    def _file(path: str, content: Values | bytes | None) -> str:
        if content is None:
            return f"D {path}\n"
        data = content if isinstance(content, bytes) else manifest(content)
        return f"M 100644 inline {path}\ndata {len(data)}\n{data.decode()}\n"
