"""Files in conflict: what their stages contest, and what has been settled of it so far.

The stages in Git's index are the truth: planning again tells what is contested. What was settled since is noted beside
the index, under a name that only these very stages have. A note is advice: without it, everything is contested again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest, is_manifest
from git_theta.merging.planning.decisions import CONTESTED_STATES, Decision, identity_of
from git_theta.merging.planning.plan import Plan, plan_merge, settle_contested
from git_theta.operations.merging.frame_keys import FRAME_LABEL, is_frame_name
from git_theta.operations.merging.merge_results import NOTHING_SETTLED, MergeResult, SettledBefore


class ConflictNote(NamedTuple):
    """How far a conflict was settled.

    Attributes:
        path: the file.
        left: names of what is still contested, the frame or its keys among them: each parameter by its first name.
        sources: what is settled, by name: whose entry (or value of the frame) it is, or is like.
        frame: whose frame it is; None while that is contested, and where it is merged by keys.
        file: what was written to the worktree: ours for what is left.
    """

    path: str
    left: tuple[str, ...]
    sources: Mapping[str, int]
    frame: int | None
    file: Manifest


class Conflict(NamedTuple):
    """A file in conflict, as far as it is settled.

    Attributes:
        settled_plan: the plan of its stages, with what was settled.
        before: what else was settled.
        note: where it was noted; None where nothing is known of what was done since the merge.
    """

    settled_plan: Plan
    before: SettledBefore
    note: ConflictNote | None

    @property
    def left(self) -> tuple[str, ...]:
        """Names of what is contested."""
        return self.note.left if self.note else contested_names(self.settled_plan)


def open_conflict(sides: Sequence[Manifest | None], file: Path) -> Conflict | None:
    """The conflict of a file, or None where its sides are no manifests: Git's own to settle.

    Args:
        sides: base, ours and theirs.
        file: where it may be noted.
    """
    base, ours, theirs = sides
    if ours is None or theirs is None:
        return None
    made = plan_merge(base, [ours, theirs])
    note = _read_note(file)
    if note is None:
        return Conflict(made, NOTHING_SETTLED, None)
    try:
        frame = {name: source for name, source in note.sources.items() if is_frame_name(name)}
        chosen = {name: source for name, source in note.sources.items() if name not in frame}
        # What facts contest, ids do not: it is known once the frames are read.
        named = {decision.name: decision.state in CONTESTED_STATES for decision in made.decisions}
        bound = {name: source for name, source in chosen.items() if named.get(name) is False}
        by_ids = {name: source for name, source in chosen.items() if name not in bound}
        settled = settle_contested(made, by_ids, frame=note.frame)
    except ValueError:  # noted by another release, whose plans differ
        return Conflict(made, NOTHING_SETTLED, None)
    names = {name for decision in made.decisions if decision.name in note.sources for name in decision.names}
    computed = {entry.name: entry for entry in note.file.parameters() if entry.name in names}
    before = SettledBefore({name: entry for name, entry in computed.items() if name}, frame, bound)
    return Conflict(settled, before, note)


def contested_names(made: Plan) -> tuple[str, ...]:
    """Names of what a plan leaves to settle. The frame counts only where it is sure to be contested: in one piece."""
    return tuple(decision_label(decision) for decision in made.contested)


def decision_label(decision: Decision) -> str:
    """What to call a decision in a list."""
    return decision.name or FRAME_LABEL


def note_of(path: str, merged: MergeResult) -> ConflictNote:
    """What to note of a merge that left something."""
    decisions = [decision for decision in merged.plan.decisions if decision.state in CONTESTED_STATES]
    sources = {decision.name: decision.source for decision in decisions if decision.source is not None}
    left = tuple(decision_label(item.decision) for item in merged.left)
    if merged.frame_sources is None:
        return ConflictNote(path, left, sources, merged.plan.frame.source, merged.manifest)
    return ConflictNote(path, left, {**sources, **merged.frame_sources}, None, merged.manifest)


def find_ours(left: Sequence[str], ours: Manifest, file: Manifest) -> list[str]:
    """Which of these contested parameters a file has just as ours has them, or lacks as ours does."""
    here, there = _identities_of(ours), _identities_of(file)
    return [name for name in left if not is_frame_name(name) and here.get(name) == there.get(name)]


def is_same_file(one: Manifest, other: Manifest) -> bool:
    """Whether two manifests stand for the same bytes, however these are stored."""
    return content_key(one) == content_key(other)


def content_key(manifest: Manifest) -> Hashable:
    """The bytes that a manifest stands for, however these are stored."""
    frame = manifest.frame and manifest.frame.oid
    return (frame, tuple((entry.name, entry.oid, entry.size) for entry in manifest.entries))


def stage_digest(text: bytes | None) -> bytes:
    """What tells a stage from others, and takes no room."""
    return hashlib.sha256(text or b"").digest()


def note_file(path: str, digests: Iterable[bytes], folder: Path) -> Path:
    """Where a conflict is noted: another merge of the same file has another one.

    Args:
        path: the file, as Git names it.
        digests: of its three stages.
        folder: where notes are.
    """
    digest = hashlib.sha256(os.fsencode(path))
    for stage in digests:
        digest.update(stage)
    return folder / digest.hexdigest()


def write_note(note: ConflictNote, text: bytes, file: Path) -> None:
    """Note how far a conflict is settled. What cannot be written is not noted: it is advice.

    Args:
        note: what to note.
        text: the encoding of its manifest.
        file: where.
    """
    said = {"path": note.path, "left": note.left, "sources": dict(note.sources), "frame": note.frame}
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}-{os.getpid()}")
        with temporary.open("wb") as stream:
            stream.writelines([json.dumps(said).encode(), b"\n", text])
        temporary.replace(file)


def read_noted_files(folder: Path) -> Iterator[Manifest]:
    """What was written to the worktree, of all notes in a folder: what strategies computed need not stand elsewhere.

    What is no note is passed over, here as there. Raises ManifestError, with its path, for one that cannot be read.
    """
    with contextlib.suppress(FileNotFoundError):  # none, or settled in this moment, and staged before that
        for file in sorted(folder.iterdir()):
            text = b"" if file.name.startswith(".") else _read_noted_text(file)
            try:
                if is_manifest(text):
                    yield decode_manifest(text)
            except ManifestError as error:
                raise error.add_location(path=os.fspath(file)) from None


def _read_noted_text(file: Path) -> bytes:
    with contextlib.suppress(FileNotFoundError):
        return file.read_bytes().partition(b"\n")[2]
    return b""


def remove_note(file: Path) -> None:
    """Drop the note about a conflict that is settled."""
    with contextlib.suppress(OSError):
        file.unlink()


def remove_notes(folder: Path) -> None:
    """Drop all notes: no file is in conflict."""
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            file.unlink()


def _read_note(file: Path) -> ConflictNote | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, ManifestError):
        said, _, text = file.read_bytes().partition(b"\n")
        if is_manifest(text):
            data = json.loads(said)
            return ConflictNote(
                data["path"], tuple(data["left"]), dict(data["sources"]), data["frame"], decode_manifest(text)
            )
    return None


def _identities_of(manifest: Manifest) -> dict[str, object]:
    found: dict[str, object] = {}
    for entry in manifest.parameters():
        for name in (entry.name or "", *(view.name for view in entry.views)):
            found[name] = identity_of(entry)
    return found
