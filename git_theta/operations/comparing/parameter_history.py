"""The history of checkpoints by parameters, from manifests alone: which commits changed what."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple

from git_theta.diffing.alarms import Step
from git_theta.diffing.base import SAME_VALUES, Change, ChangeStatus, Comparison
from git_theta.diffing.combined_diff import combine_comparisons
from git_theta.diffing.whole_files import PieceCounts, count_pieces
from git_theta.manifest.lines import count_parameters, count_parts, find_named_objects, read_format
from git_theta.manifest.model import Entry
from git_theta.operations.comparing.history_reader import BlobLike, C, Diff, EditLike, HistoryReader
from git_theta.operations.comparing.weight_steps import steps_of

_SEARCH_LIMIT = 64


class CheckpointChange(NamedTuple):
    """What a commit did to one checkpoint.

    Attributes:
        path, was: what it is called, and what it was called before; "" if that is the same.
        changes: those asked for; none of them unchanged.
        rest: whether anything changed that is no parameter.
        parameters: how many there are now, in the files that the commit changed.
        stored: bytes of objects that the versions before did not need, as far as they hold what was asked for.
        pieces: of a file that is kept whole, which of them differ; else None.
    """

    path: str
    was: str
    changes: tuple[Change, ...]
    rest: bool
    parameters: int
    stored: int
    pieces: PieceCounts | None = None


class LogEntry(NamedTuple, Generic[C]):
    """A commit, the checkpoints that it changed, and the steps that its files made (none for merges)."""

    commit: C
    touched: tuple[CheckpointChange, ...]
    steps: tuple[Step, ...] = ()


def log_checkpoints(
    commits: Iterable[C],
    diff: Diff,
    reader: HistoryReader,
    *,
    matching: Callable[[str, str | None], frozenset[str]] | None = None,
    keep: Callable[[Change], bool] | None = None,
) -> Iterator[LogEntry[C]]:
    """The commits that changed checkpoints, in their order.

    Args:
        commits: none before all its children.
        diff: with renames.
        reader: reads the versions.
        matching: the paths that a commit changed and that are meant, renames apart; None for all. What such a file was
            called before is followed.
        keep: which changes count; None for all, and for what is no parameter too.

    A merge counts where a parameter is as in none of its parents.
    """
    followed: dict[str, set[str]] = {}
    for commit in commits:
        names = followed.pop(commit.oid, set())
        edits: list[EditLike] = []
        compared = []
        for parent in commit.parents or (None,):
            differ = meant = list(diff(commit.oid, parent))
            if matching:
                meant = _select_edits(differ, matching(commit.oid, parent) | names)
                if parent:
                    followed.setdefault(parent, set()).update(_earlier_paths(names, meant, differ))
            compared.append(list(map(_drop_unchanged, reader.compare_edits(meant, commit.oid, parent))))
            edits += meant
        touched = [_describe_change(one, edits, commit.parents, reader, keep) for one in combine_comparisons(compared)]
        touched = [one for one in touched if one.changes or (one.rest and keep is None)]
        if touched:
            yield LogEntry(commit, tuple(touched), tuple(steps_of(commit, edits, reader)))


def _select_edits(edits: Iterable[EditLike], paths: frozenset[str]) -> list[EditLike]:
    return [edit for edit in edits if any(side and side.path in paths for side in (edit.before, edit.after))]


def _earlier_paths(names: Iterable[str], edits: Iterable[EditLike], all_edits: Iterable[EditLike]) -> set[str]:
    """What followed files were called before a commit, and from now on those that it renamed."""
    was = {edit.after.path: edit.before.path if edit.before else None for edit in all_edits if edit.after}
    renamed = {edit.before.path for edit in edits if edit.before and edit.after and edit.before.path != edit.after.path}
    return renamed | {path for name in names if (path := was.get(name, name))}


def _describe_change(
    one: Comparison,
    edits: Sequence[EditLike],
    parents: Sequence[str],
    reader: HistoryReader,
    keep: Callable[[Change], bool] | None,
) -> CheckpointChange:
    """A comparison, with what is known beyond its manifests, which hold only what differs."""
    now = {shard.path for shard in one.after}
    were = {shard.path for shard in one.before}
    after = {edit.after.path: edit.after for edit in edits if edit.after and edit.after.path in now}
    earlier = _read_texts([edit.before for edit in edits if edit.before and edit.before.path in were], reader)
    held = _read_texts(after.values(), reader)
    changes = tuple([change for change in one.changes if keep is None or keep(change)])
    laid_out = _find_laid_out(one, after, reader)
    parts = [part for version in reader.read_shards(map(after.get, laid_out)) for part in version.manifest.parts()]
    parts += _list_changed_parts(one, changes, laid_out, frames=keep is None)
    pieces = count_pieces(one.before, one.after)
    there = [sum(1 for _ in shard.manifest.parameters()) for shard in one.after if shard.path in laid_out]
    return CheckpointChange(
        one.path,
        _find_earlier_path(one),
        changes,
        one.rest_changed,
        sum(map(count_parameters, held)) + sum(there),
        _count_new_bytes(parts, earlier, one, parents, reader),
        # The manifests of the comparison lack the pieces that both versions have.
        pieces and pieces._replace(pieces=sum(map(count_parts, held or earlier))),
    )


def _read_texts(versions: Iterable[BlobLike], reader: HistoryReader) -> list[bytes]:
    return [text for version in versions if (text := reader.read_text(version))]


def _find_earlier_path(one: Comparison) -> str:
    """What a renamed checkpoint was called; "" where it was called so, and for one of several files."""
    is_file = len(one.before) == len(one.after) == 1 and one.after[0].path == one.path  # and not a shard of that
    return one.before[0].path if is_file and one.before[0].path != one.path else ""


def _count_new_bytes(
    parts: Iterable[Entry], earlier: Sequence[bytes], one: Comparison, parents: Sequence[str], reader: HistoryReader
) -> int:
    """The bytes of what these parts are stored in and nothing at the parents is; ``earlier``: manifests there."""
    stretches = {stretch for part in parts for stretch in part.storage.stretches()}
    oids = [oid for oid, _, _ in stretches]
    known = _find_named_objects(earlier, oids)
    known |= _find_others(set(oids) - known, one, parents, reader)
    return sum(size for oid, _, size in stretches if oid not in known)


def _list_changed_parts(
    one: Comparison, changes: Sequence[Change], laid_out: Container[str], *, frames: bool
) -> Iterator[Entry]:
    """What has other values in these changes, and ``frames`` as well; not in the files that are laid out anew."""
    for change in changes:
        if change.after and change.status not in SAME_VALUES and change.after.path not in laid_out:
            yield change.after.entry
    for shard in one.after if frames else ():
        if shard.path not in laid_out:
            yield from (part for part in shard.manifest.parts() if part.name is None)


def _find_others(oids: set[str], one: Comparison, parents: Sequence[str], reader: HistoryReader) -> set[str]:
    """Those of objects that other files at the parents name: all of them where a checkpoint is new, else those beside
    it, as all manifests of every commit are much to read.
    """
    found = set[str]()
    for path in {shard.path for shard in one.after} if oids else ():
        folder = posixpath.dirname(path) if one.before else None
        for parent in parents:
            found |= reader.checkpoints.find_named(oids - found, parent, folder, posixpath.splitext(path)[1])
    return found


def _find_laid_out(one: Comparison, files: Mapping[str, BlobLike], reader: HistoryReader) -> set[str]:
    """The paths of files that the comparison has in another layout than Git: nothing is stored like that."""
    return {
        shard.path
        for shard in one.after
        if (text := reader.read_text(files.get(shard.path))) and read_format(text) != shard.manifest.format
    }


def _find_named_objects(texts: Sequence[bytes], oids: Sequence[str]) -> set[str]:
    """Those objects that manifests name. To look for a few costs least one by one; for many, it would take minutes."""
    if len(oids) <= _SEARCH_LIMIT:
        return {oid for oid in oids if any(oid.encode() in text for text in texts)}
    return set[str]().union(*map(find_named_objects, texts)).intersection(oids)


def _drop_unchanged(comparison: Comparison) -> Comparison:
    """Without what is stored otherwise, and has not changed."""
    changes = [change for change in comparison.changes if change.status is not ChangeStatus.UNCHANGED]
    return comparison._replace(changes=tuple(changes))
