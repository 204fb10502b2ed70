"""The history of checkpoints by parameters, from manifests alone: who changed what (log), and who last did (blame)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from git_theta.checkpoints.shards import Shard, group_checkpoints, shard_number
from git_theta.diffing.alarms import Step
from git_theta.diffing.base import Change, ChangeStatus, Comparison, ParameterVersion
from git_theta.diffing.combined_diff import combine_comparisons
from git_theta.diffing.compare import compare_checkpoint
from git_theta.diffing.whole_files import PieceCounts, count_pieces
from git_theta.errors import ManifestError
from git_theta.manifest.lines import count_parameters, count_parts, digest_floating, drop_common_parts
from git_theta.manifest.text import decode_manifest


class BlobLike(Protocol):
    """A file of a commit: its path, and the id of its blob."""

    @property
    def path(self) -> str: ...
    @property
    def oid(self) -> str: ...


class EditLike(Protocol):
    """A file before and after a commit; None for no file."""

    @property
    def before(self) -> BlobLike | None: ...
    @property
    def after(self) -> BlobLike | None: ...


class CommitLike(Protocol):
    """A commit as far as it matters here."""

    @property
    def oid(self) -> str: ...
    @property
    def parents(self) -> tuple[str, ...]: ...


C = TypeVar("C", bound=CommitLike)
Diff = Callable[[str, str | None], Sequence[EditLike]]
"""What differs between a commit and a parent, or nothing at all (None)."""
Texts = Callable[[str], bytes | None]
"""A blob by its id, where that is the text of a manifest; else None."""


class WholeCheckpoint(NamedTuple):
    """A checkpoint of several files, before and after a commit.

    Attributes:
        path: that of its index, which it is called by.
        before, after: ids of its blobs.
        paths: of its files, at either version.
    """

    path: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def is_recut(self) -> bool:
        """Whether it has other files than before."""
        return not len(self.before) == len(self.after) == max(1, len(self.paths))


class CheckpointsLike(Protocol):
    """Tells which files are one checkpoint (``repository.checkpoint_listing``)."""

    def find_checkpoint(self, path: str, commit: str, parent: str | None) -> WholeCheckpoint | None: ...
    def read_indexes(self, paths: set[str], commit: str, parent: str | None) -> dict[str, bytes]: ...


_SAME_VALUES = frozenset({ChangeStatus.UNCHANGED, ChangeStatus.RENAMED, ChangeStatus.MOVED})
_SEARCH_LIMIT = 64
_QUOTED_OID = re.compile(rb'"([0-9a-f]{64})"')


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


class HistoryReader:
    """Reads versions of checkpoints; of two versions, only the entries that differ.

    Args:
        texts: where manifests come from.
        warn: is told of what cannot be read, which is then no checkpoint.
        checkpoints: tells which files are one checkpoint.
    """

    def __init__(self, texts: Texts, warn: Callable[[str], None], checkpoints: CheckpointsLike) -> None:
        self.texts = texts
        self.checkpoints = checkpoints
        self._warn = warn
        self.has_found = False
        """Whether any checkpoint was met."""

    def read_text(self, version: BlobLike | None) -> bytes | None:
        """The manifest that stands there, or None."""
        return self.texts(version.oid) if version else None

    def compare_edits(self, edits: Iterable[EditLike], commit: str, parent: str | None) -> list[Comparison]:
        """The checkpoints that differ at a commit and before it; of their manifests, only the entries that do."""
        before: list[Shard] = []
        after: list[Shard] = []
        renames = {}
        for edit in edits:
            old, new = self._edit_shards(edit)
            before += [old] if old else []
            after += [new] if new else []
            if old and new:
                renames[old.path] = new.path
        self.has_found = self.has_found or bool(before or after)
        if not before and not after:
            return []
        paths = {shard.path for shard in (*before, *after)}
        indexes = self.checkpoints.read_indexes(paths, commit, parent)
        return [
            _drop_unchanged(compare_checkpoint(path, were, are))
            for path, were, are in group_checkpoints(before, after, indexes, renames)
        ]  # fmt: skip

    def _edit_shards(self, edit: EditLike) -> tuple[Shard | None, Shard | None]:
        old, new = self.read_text(edit.before), self.read_text(edit.after)
        try:
            if edit.before and edit.after and old and new:
                was, now = drop_common_parts(old, new)
                return Shard(edit.before.path, was), Shard(edit.after.path, now)
            return self._parse_shard(edit.before, old), self._parse_shard(edit.after, new)
        except ManifestError as error:
            version = edit.after or edit.before
            self._warn(f"{version.path if version else ''}: {error.message} (blob {version.oid if version else ''})")
            return None, None

    def _parse_shard(self, version: BlobLike | None, text: bytes | None) -> Shard | None:
        return Shard(version.path, decode_manifest(text)) if version and text else None


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
            compared.append(reader.compare_edits(meant, commit.oid, parent))
            edits += meant
        touched = [_describe_change(one, edits, reader, keep) for one in combine_comparisons(compared)]
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
    one: Comparison, edits: Sequence[EditLike], reader: HistoryReader, keep: Callable[[Change], bool] | None
) -> CheckpointChange:
    """A comparison, with what is known beyond its manifests, which hold only what differs."""
    now = {shard.path for shard in one.after}
    were = {shard.path for shard in one.before}
    before = [edit.before for edit in edits if edit.before and edit.before.path in were]
    after = {edit.after.path: edit.after for edit in edits if edit.after and edit.after.path in now}
    texts = [text for version in before if (text := reader.read_text(version))]
    held = [text for version in after.values() if (text := reader.read_text(version))]
    changes = tuple([change for change in one.changes if keep is None or keep(change)])
    parts = [change.after.entry for change in changes if change.after and change.status not in _SAME_VALUES]
    if keep is None:
        parts += [part for shard in one.after for part in shard.manifest.parts() if part.name is None]
    stretches = {stretch for part in parts for stretch in part.storage.stretches()}
    known = _find_named_objects(texts, [oid for oid, _, _ in stretches])
    stored = sum(size for oid, _, size in stretches if oid not in known)
    was = one.before[0].path if len(one.before) == len(one.after) == 1 else one.path
    pieces = count_pieces(one.before, one.after)
    return CheckpointChange(
        one.path,
        "" if was == one.path else was,
        changes,
        one.rest_changed,
        sum(map(count_parameters, held)),
        stored,
        # The manifests of the comparison lack the pieces that both versions have.
        pieces and pieces._replace(pieces=sum(map(count_parts, held or texts))),
    )


def _find_named_objects(texts: Sequence[bytes], oids: Sequence[str]) -> set[str]:
    """Those objects that manifests name. To look for a few costs least one by one; for many, it would take minutes."""
    if len(oids) <= _SEARCH_LIMIT:
        return {oid for oid in oids if any(oid.encode() in text for text in texts)}
    return {oid.decode() for text in texts for oid in _QUOTED_OID.findall(text)}.intersection(oids)


def _drop_unchanged(comparison: Comparison) -> Comparison:
    """Without what is stored otherwise, and has not changed."""
    changes = [change for change in comparison.changes if change.status is not ChangeStatus.UNCHANGED]
    return comparison._replace(changes=tuple(changes))


def steps_of(commit: CommitLike, edits: Iterable[EditLike], reader: HistoryReader) -> Iterator[Step]:
    """What a commit with one parent did to the weights of each checkpoint that was there before, and still is.

    Of one of several files all of them count, those too that the commit left as they were. A new cut is no training,
    and no pretence of it; nor is other storage.
    """
    if len(commit.parents) != 1:
        return
    stamp = tuple([str(getattr(commit, field)) for field in ("author", "email", "time")])
    told = set[str]()
    for edit in edits:
        whole = find_whole(edit, commit.oid, commit.parents[0], reader)
        if whole and whole.path not in told:
            told.add(whole.path)
            before, after = (digest_versions(oids, reader.texts) for oids in (whole.before, whole.after))
            if before is None or after is None:
                continue
            if before != after or not (whole.is_recut or _is_stored_otherwise(whole, reader.texts)):
                yield Step(commit.oid, commit.parents[0], stamp, whole.path, before, after, whole.paths)


def _is_stored_otherwise(whole: WholeCheckpoint, texts: Texts) -> bool:
    """Whether nothing changed but where bytes are, as ``git theta repack`` has it."""
    before, after = (
        [(*part[:2], *part[3:]) for oid in oids if (text := texts(oid)) for part in decode_manifest(text).parts()]
        for oids in (whole.before, whole.after)
    )
    return before == after


def find_whole(edit: EditLike, commit: str, parent: str | None, reader: HistoryReader) -> WholeCheckpoint | None:
    """The checkpoint that a changed file is of, before and after a commit; None for what is no checkpoint."""
    version = edit.after or edit.before
    if version is None or not any(map(reader.read_text, (edit.before, edit.after))):
        return None
    found = reader.checkpoints.find_checkpoint(version.path, commit, parent)
    sides = tuple([(side.oid,) if side else () for side in (edit.before, edit.after)])
    return found or WholeCheckpoint(version.path, sides[0], sides[1], ())


def digest_versions(oids: Iterable[str], texts: Texts) -> str | None:
    """The digest of all floating-point parameters of the manifests among these blobs; None where there are none."""
    found = [text for oid in oids if (text := texts(oid))]
    return digest_floating(*found) if found else None


class ParameterBlame(NamedTuple, Generic[C]):
    """A parameter, the commit that last changed it, and path and name that it had there."""

    place: ParameterVersion
    commit: C
    path: str
    name: str


_Suspects = dict[int, tuple[str, str]]
"""Which parameters a commit may have changed, and path and name of each there."""


def blame_parameters(
    places: Sequence[ParameterVersion], commits: Iterable[C], diff: Diff, reader: HistoryReader
) -> list[ParameterBlame[C]]:
    """Who last changed these parameters of the first commit, in their order.

    Args:
        places: the parameters.
        commits: from the first on, none before all its children; no more of them are taken than are needed.
        diff: with renames.
        reader: reads the versions.

    A parent that has the same values gets the blame, the first of several; so renamed files are followed, and
    parameters of the same bytes, dtype and shape that were renamed or moved to another shard.
    """
    suspects: _Suspects = {index: (place.path, place.name) for index, place in enumerate(places)}
    waiting: dict[str, _Suspects] | None = None
    found: dict[int, ParameterBlame[C]] = {}
    for commit in commits:
        if waiting is not None:
            suspects = waiting.pop(commit.oid, {})
        waiting = waiting or {}
        for parent in commit.parents if suspects else ():
            passed = _pass_blame(suspects, diff(commit.oid, parent), reader, (commit.oid, parent))
            taken = waiting.setdefault(parent, {})
            taken.update((index, place) for index, place in passed.items() if index not in taken)
            suspects = {index: place for index, place in suspects.items() if index not in passed}
        found.update((index, ParameterBlame(places[index], commit, *place)) for index, place in suspects.items())
        if len(found) == len(places):
            break
    return [found[index] for index in range(len(places))]


def _pass_blame(
    suspects: _Suspects, edits: Sequence[EditLike], reader: HistoryReader, versions: tuple[str, str]
) -> _Suspects:
    """Those that the parent has too, and where. ``versions``: the commit and the parent."""
    paths = {path for path, _ in suspects.values()}
    wholes = [reader.checkpoints.find_checkpoint(path, *versions) for path in paths] if edits else []
    siblings = {path for whole in wholes if whole for path in whole.paths}
    relevant = [edit for edit in edits if _may_concern(edit, paths, siblings)]
    files = {edit.after.path: edit.before.path if edit.before else None for edit in relevant if edit.after}
    origins = _find_origins(reader, relevant, versions)
    passed = {}
    for index, (path, name) in suspects.items():
        if (path, name) in origins:
            was = origins[path, name]
        else:
            file = files.get(path, path)
            was = (file, name) if file else None
        if was:
            passed[index] = was
    return passed


def _may_concern(edit: EditLike, paths: set[str], siblings: set[str]) -> bool:
    """Whether parameters of these files may have come from there: within a checkpoint of shards they move."""
    if edit.after and edit.after.path in paths:
        return True
    if any(side and side.path in siblings for side in (edit.before, edit.after)):
        return True
    return any(map(shard_number, paths)) and bool(edit.after is None or shard_number(edit.after.path))


def _find_origins(
    reader: HistoryReader, edits: Sequence[EditLike], versions: tuple[str, str]
) -> dict[tuple[str, str], tuple[str, str] | None]:
    """Path and name of what differs, to what the parent calls the same values; None for values that it lacks."""
    found: dict[tuple[str, str], tuple[str, str] | None] = {}
    for one in reader.compare_edits(edits, *versions):
        for change in one.changes:
            if change.after:
                same = change.before and change.status in _SAME_VALUES
                for name in (change.after.name, *change.also):
                    was = change.before.name if change.status is ChangeStatus.RENAMED and change.before else name
                    found[change.after.path, name] = (change.before.path, was) if same and change.before else None
    return found
