"""The history of checkpoints by parameters, from manifests alone: who changed what (log), and who last did (blame)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from git_theta.checkpoints.shards import Shard, checkpoints, number
from git_theta.diffing.alarms import Step
from git_theta.diffing.base import Change, Comparison, Place, Status
from git_theta.diffing.combined_diff import against_all
from git_theta.diffing.compare import compare
from git_theta.errors import ManifestError
from git_theta.manifest.lines import differing, parameters, weights
from git_theta.manifest.text import loads


class Version(Protocol):
    """A file of a commit: its path, and the id of its blob."""

    @property
    def path(self) -> str: ...
    @property
    def oid(self) -> str: ...


class Edit(Protocol):
    """A file before and after a commit; None for no file."""

    @property
    def before(self) -> Version | None: ...
    @property
    def after(self) -> Version | None: ...


class Commit(Protocol):
    """A commit as far as it matters here."""

    @property
    def oid(self) -> str: ...
    @property
    def parents(self) -> tuple[str, ...]: ...


C = TypeVar("C", bound=Commit)
Diff = Callable[[str, str | None], Sequence[Edit]]
"""What differs between a commit and a parent, or nothing at all (None)."""
Texts = Callable[[str], bytes | None]
"""A blob by its id, where that is the text of a manifest; else None."""
_SAME = frozenset({Status.UNCHANGED, Status.RENAMED, Status.MOVED})
_FEW = 64
_ID = re.compile(rb'"([0-9a-f]{64})"')


class Touched(NamedTuple):
    """What a commit did to one checkpoint.

    Attributes:
        path, was: what it is called, and what it was called before; "" if that is the same.
        changes: those asked for; none of them unchanged.
        rest: whether anything changed that is no parameter.
        parameters: how many there are now, in the files that the commit changed.
        stored: bytes of objects that the versions before did not need, as far as they hold what was asked for.
    """

    path: str
    was: str
    changes: tuple[Change, ...]
    rest: bool
    parameters: int
    stored: int


class Logged(NamedTuple, Generic[C]):
    """A commit, the checkpoints that it changed, and the steps that its files made (none for merges)."""

    commit: C
    touched: tuple[Touched, ...]
    steps: tuple[Step, ...] = ()


class Reader:
    """Reads versions of checkpoints, no more of them than what differs.

    Args:
        texts: where manifests come from.
        warn: is told of what cannot be read, which is then no checkpoint.
    """

    def __init__(self, texts: Texts, warn: Callable[[str], None]) -> None:
        self.texts = texts
        self._warn = warn
        self.found = False
        """Whether any checkpoint was met."""

    def text(self, version: Version | None) -> bytes | None:
        """The manifest that stands there, or None."""
        return self.texts(version.oid) if version else None

    def compared(self, edits: Iterable[Edit]) -> list[Comparison]:
        """The checkpoints that differ; of their manifests, only the entries that do."""
        before: list[Shard] = []
        after: list[Shard] = []
        renames = {}
        for edit in edits:
            old, new = self._sides(edit)
            before += [old] if old else []
            after += [new] if new else []
            if old and new:
                renames[old.path] = new.path
        self.found = self.found or bool(before or after)
        return [
            _changed(compare(path, were, are)) for path, were, are in checkpoints(before, after, renames=renames)
        ]  # fmt: skip

    def _sides(self, edit: Edit) -> tuple[Shard | None, Shard | None]:
        old, new = self.text(edit.before), self.text(edit.after)
        try:
            if edit.before and edit.after and old and new:
                was, now = differing(old, new)
                return Shard(edit.before.path, was), Shard(edit.after.path, now)
            return self._whole(edit.before, old), self._whole(edit.after, new)
        except ManifestError as error:
            version = edit.after or edit.before
            self._warn(f"{version.path if version else ''}: {error.message} (blob {version.oid if version else ''})")
            return None, None

    def _whole(self, version: Version | None, text: bytes | None) -> Shard | None:
        return Shard(version.path, loads(text)) if version and text else None


def log(
    commits: Iterable[C],
    diff: Diff,
    reader: Reader,
    *,
    matching: Callable[[str, str | None], frozenset[str]] | None = None,
    keep: Callable[[Change], bool] | None = None,
) -> Iterator[Logged[C]]:
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
        edits: list[Edit] = []
        compared = []
        for parent in commit.parents or (None,):
            differ = meant = list(diff(commit.oid, parent))
            if matching:
                meant = _meant(differ, matching(commit.oid, parent) | names)
                if parent:
                    followed.setdefault(parent, set()).update(_were(names, meant, differ))
            compared.append(reader.compared(meant))
            edits += meant
        touched = [_touched(one, edits, reader, keep) for one in against_all(compared)]
        touched = [one for one in touched if one.changes or (one.rest and keep is None)]
        if touched:
            yield Logged(commit, tuple(touched), tuple(steps(commit, edits, reader.texts)))


def _meant(edits: Iterable[Edit], paths: frozenset[str]) -> list[Edit]:
    return [edit for edit in edits if any(side and side.path in paths for side in (edit.before, edit.after))]


def _were(names: Iterable[str], edits: Iterable[Edit], all_edits: Iterable[Edit]) -> set[str]:
    """What followed files were called before a commit, and from now on those that it renamed."""
    was = {edit.after.path: edit.before.path if edit.before else None for edit in all_edits if edit.after}
    renamed = {edit.before.path for edit in edits if edit.before and edit.after and edit.before.path != edit.after.path}
    return renamed | {path for name in names if (path := was.get(name, name))}


def _touched(one: Comparison, edits: Sequence[Edit], reader: Reader, keep: Callable[[Change], bool] | None) -> Touched:
    """A comparison, with what is known beyond its manifests, which hold only what differs."""
    now = {shard.path for shard in one.after}
    were = {shard.path for shard in one.before}
    before = [edit.before for edit in edits if edit.before and edit.before.path in were]
    after = {edit.after.path: edit.after for edit in edits if edit.after and edit.after.path in now}
    texts = [text for version in before if (text := reader.text(version))]
    held = [text for version in after.values() if (text := reader.text(version))]
    changes = tuple([change for change in one.changes if keep is None or keep(change)])
    parts = [change.after.entry for change in changes if change.after and change.status not in _SAME]
    if keep is None:
        parts += [shard.manifest.frame for shard in one.after if shard.manifest.frame]
    places = {(part.storage.object, part.storage.range): part.storage.size for part in parts}
    known = _named_in(texts, [oid for oid, _ in places])
    stored = sum(size for (oid, _), size in places.items() if oid not in known)
    was = one.before[0].path if len(one.before) == len(one.after) == 1 else one.path
    return Touched(one.path, "" if was == one.path else was, changes, one.rest, sum(map(parameters, held)), stored)


def _named_in(texts: Sequence[bytes], oids: Sequence[str]) -> set[str]:
    """Those objects that manifests name. To look for a few costs least one by one; for many, it would take minutes."""
    if len(oids) <= _FEW:
        return {oid for oid in oids if any(oid.encode() in text for text in texts)}
    return {oid.decode() for text in texts for oid in _ID.findall(text)}.intersection(oids)


def _changed(comparison: Comparison) -> Comparison:
    """Without what is stored otherwise, and has not changed."""
    changes = [change for change in comparison.changes if change.status is not Status.UNCHANGED]
    return comparison._replace(changes=tuple(changes))


def steps(commit: Commit, edits: Iterable[Edit], texts: Texts) -> Iterator[Step]:
    """What a commit with one parent did to the weights of each file that was a checkpoint and still is one."""
    if len(commit.parents) != 1:
        return
    stamp = tuple([str(getattr(commit, field)) for field in ("author", "email", "time")])
    for edit in edits:
        if edit.before and edit.after and (was := texts(edit.before.oid)) and (now := texts(edit.after.oid)):
            yield Step(commit.oid, commit.parents[0], stamp, edit.after.path, weights(was), weights(now))


class Blamed(NamedTuple, Generic[C]):
    """A parameter, the commit that last changed it, and path and name that it had there."""

    place: Place
    commit: C
    path: str
    name: str


_Suspects = dict[int, tuple[str, str]]
"""Which parameters a commit may have changed, and path and name of each there."""


def blame(places: Sequence[Place], commits: Iterable[C], diff: Diff, reader: Reader) -> list[Blamed[C]]:
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
    found: dict[int, Blamed[C]] = {}
    for commit in commits:
        if waiting is not None:
            suspects = waiting.pop(commit.oid, {})
        waiting = waiting or {}
        for parent in commit.parents if suspects else ():
            passed = _passed(suspects, diff(commit.oid, parent), reader)
            taken = waiting.setdefault(parent, {})
            taken.update((index, place) for index, place in passed.items() if index not in taken)
            suspects = {index: place for index, place in suspects.items() if index not in passed}
        found.update((index, Blamed(places[index], commit, *place)) for index, place in suspects.items())
        if len(found) == len(places):
            break
    return [found[index] for index in range(len(places))]


def _passed(suspects: _Suspects, edits: Sequence[Edit], reader: Reader) -> _Suspects:
    """Those that the parent has too, and where."""
    paths = {path for path, _ in suspects.values()}
    relevant = [edit for edit in edits if _concerns(edit, paths)]
    files = {edit.after.path: edit.before.path if edit.before else None for edit in relevant if edit.after}
    origins = _origins(reader, relevant)
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


def _concerns(edit: Edit, paths: set[str]) -> bool:
    """Whether parameters of these files may have come from there: within a checkpoint of shards they move."""
    if edit.after and edit.after.path in paths:
        return True
    return any(map(number, paths)) and bool(edit.after is None or number(edit.after.path))


def _origins(reader: Reader, edits: Sequence[Edit]) -> dict[tuple[str, str], tuple[str, str] | None]:
    """Path and name of what differs, to what the parent calls the same values; None for values that it lacks."""
    found: dict[tuple[str, str], tuple[str, str] | None] = {}
    for one in reader.compared(edits):
        for change in one.changes:
            if change.after:
                same = change.before and change.status in _SAME
                for name in (change.after.name, *change.also):
                    was = change.before.name if change.status is Status.RENAMED and change.before else name
                    found[change.after.path, name] = (change.before.path, was) if same and change.before else None
    return found
