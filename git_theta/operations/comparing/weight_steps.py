"""What commits did to the weights of checkpoints: digests of all their floating-point parameters, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.alarms import Step
from git_theta.manifest.lines import digest_floating, read_format
from git_theta.manifest.text import encode_manifest
from git_theta.operations.comparing.history_reader import (
    BlobLike,
    CommitLike,
    EditLike,
    HistoryReader,
    Texts,
    WholeCheckpoint,
)


def steps_of(commit: CommitLike, edits: Iterable[EditLike], reader: HistoryReader) -> Iterator[Step]:
    """What a commit with one parent did to the weights of each checkpoint that was there before, and still is.

    Of one of several files all of them count, those too that the commit left as they were. A new cut is no training,
    and no pretence of it; nor is another layout, or other storage.
    """
    if len(commit.parents) != 1:
        return
    stamp = tuple([str(getattr(commit, field)) for field in ("author", "email", "time")])
    told = set[str]()
    for edit in edits:
        whole = find_whole(edit, commit.oid, commit.parents[0], reader)
        if whole and whole.path not in told:
            told.add(whole.path)
            before, after, laid_out = _digest_sides(whole, reader)
            if before is None or after is None:
                continue
            if before != after or not (laid_out or whole.is_recut or _is_stored_otherwise(whole, reader)):
                yield Step(commit.oid, commit.parents[0], stamp, whole.path, before, after, whole.paths)


def _digest_sides(whole: WholeCheckpoint, reader: HistoryReader) -> tuple[str | None, str | None, bool]:
    """The digests of both sides in one layout; and whether they had several."""
    before, after = (digest_versions(side, reader.texts) for side in (whole.before, whole.after))
    formats = {read_format(text) for version in (*whole.before, *whole.after) if (text := reader.read_text(version))}
    if len(formats) < 2:
        return before, after, False
    pair = whole.path, tuple(reader.read_shards(whole.before)), tuple(reader.read_shards(whole.after))
    laid = reader.unify_versions(pair)
    if laid == pair:
        return before, after, False
    return _digest_shards(laid[1]), _digest_shards(laid[2]), True


def _digest_shards(shards: Iterable[Shard]) -> str:
    return digest_floating(*(encode_manifest(shard.manifest) for shard in shards))


def _is_stored_otherwise(whole: WholeCheckpoint, reader: HistoryReader) -> bool:
    """Whether nothing changed but where bytes are, as ``git theta repack`` has it."""
    before, after = (
        [(*part[:2], *part[3:]) for shard in reader.read_shards(side) for part in shard.manifest.parts()]
        for side in (whole.before, whole.after)
    )
    return before == after


def find_whole(edit: EditLike, commit: str, parent: str | None, reader: HistoryReader) -> WholeCheckpoint | None:
    """The checkpoint that a changed file is of, before and after a commit; None for what is no checkpoint."""
    version = edit.after or edit.before
    if version is None or not any(map(reader.read_text, (edit.before, edit.after))):
        return None
    found = reader.checkpoints.find_checkpoint(version.path, commit, parent)
    sides = tuple([(side,) if side else () for side in (edit.before, edit.after)])
    return found or WholeCheckpoint(version.path, sides[0], sides[1], ())


def digest_versions(files: Iterable[BlobLike], texts: Texts) -> str | None:
    """The digest of all floating-point parameters of the manifests among these files; None where there are none."""
    found = [text for file in files if (text := texts(file.oid))]
    return digest_floating(*found) if found else None
