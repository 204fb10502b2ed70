"""The values that a diff is made of. Data goes one way: manifests are compared, changes are measured, reports rendered.

``compare`` works on ids alone (L8): it is pure, loads no tensor and neither numpy nor torch. ``measure`` reads the
values of one change, in chunks (L6). ``render`` turns a report into text, JSON, HTML or a picture, and reads nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, NamedTuple

from git_theta.checkpoints.shards import Shard
from git_theta.manifest.model import Entry, View

MISFIT = "has not as many bytes as its dtype and shape say"
"""Why a parameter of a forged manifest cannot be measured."""


COLUMNS = ("relative", "norm", "largest", "cosine", "differ", "rank", "stored")
"""The figures that every diff has for a parameter, in order: ``differ`` is the share of elements that do."""


class ChangeStatus(StrEnum):
    """What happened to a parameter."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    SPEC = "spec-changed"
    """Its dtype or shape is another one."""
    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    """The same bytes, dtype and shape under another name."""
    MOVED = "moved"
    """The same parameter in another shard."""


SAME_VALUES = frozenset({ChangeStatus.UNCHANGED, ChangeStatus.RENAMED, ChangeStatus.MOVED})
"""What has the values that it had."""


class ParameterVersion(NamedTuple):
    """A parameter at one version: the path of its shard, one of its names (a tied parameter has several), its entry.

    ``view`` is that name's, where it is not the entry's own.
    """

    path: str
    name: str
    entry: Entry
    view: View | None = None


class Change(NamedTuple):
    """What happened to one parameter. ``before`` is None where it was added, ``after`` where it was removed.

    Names that share their values at both versions are one parameter, under the first of them; ``also`` has the others.
    """

    status: ChangeStatus
    before: ParameterVersion | None
    after: ParameterVersion | None
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name now; of a removed one, its last."""
        place = self.after or self.before
        assert place
        return place.name

    @property
    def names(self) -> list[str]:
        """Every name that it has or had."""
        return [*(version.name for version in (self.after, self.before) if version), *self.also]

    @property
    def stored_bytes(self) -> int:
        """Bytes that the new values take in the store; 0 where there are none."""
        if self.after is None or self.status in SAME_VALUES:
            return 0
        return self.after.entry.storage.place.size


class Comparison(NamedTuple):
    """Two versions of a checkpoint, side by side.

    Attributes:
        path: what people call it: its file, or the index of its shards.
        before, after: its files at both versions; () where it was not there.
        changes: one for each parameter, unchanged ones too, in the file order of ``after``, then what was removed.
        rest_changed: whether anything changed that is no parameter: metadata, pickled values, order, format.
    """

    path: str
    before: tuple[Shard, ...]
    after: tuple[Shard, ...]
    changes: tuple[Change, ...]
    rest_changed: bool


Unit = Literal["number", "share"]
"""How people read a value: as it is, or as a share of 1, in per cent."""


class NamedValue(NamedTuple):
    """What a measure found that a person asked for by name (``measures``); None: there is no such number."""

    name: str
    value: float | None
    unit: Unit = "number"


class Measures(NamedTuple):
    """The change of one parameter in numbers: sums in fp64, over elements in file order. Complex elements count by
    their moduli. None: it has no such number (one version only, another shape, no numeric dtype, nothing to divide by).

    Attributes:
        elements: how many there are (after; of a removed parameter, before).
        differing: elements whose bits differ; of a dtype in blocks, all elements of blocks that do.
        norm_before, norm_after: Euclidean norms.
        norm: of the difference after - before.
        largest: largest absolute difference of an element.
        cosine: between the two versions.
        rank: estimated rank of the difference, beyond what rounding to the dtype explains; None where it was not
            estimated, or is above ``rank_limit``.
        rank_limit: the largest rank that the estimate could have found; 0 where none was made.
        nonfinite_before, nonfinite_after: (NaN, infinite) elements. All sums leave out elements that are not finite
            at either version.
        further: what else was asked for, of a parameter that both versions have with one dtype and size.
    """

    elements: int
    differing: int | None = None
    norm_before: float | None = None
    norm_after: float | None = None
    norm: float | None = None
    largest: float | None = None
    cosine: float | None = None
    rank: int | None = None
    rank_limit: int = 0
    nonfinite_before: tuple[int, int] = (0, 0)
    nonfinite_after: tuple[int, int] = (0, 0)
    further: tuple[NamedValue, ...] = ()

    @property
    def relative(self) -> float | None:
        """Norm of the difference over the norm before."""
        return self.norm / self.norm_before if self.norm is not None and self.norm_before else None


class MeasuredChange(NamedTuple):
    """A change with its measures: None where only names are reported, or where ``failure`` says what went wrong."""

    change: Change
    measures: Measures | None = None
    failure: str = ""


class Report(NamedTuple):
    """A comparison with everything that was measured.

    Attributes:
        comparison: what is reported; its ``changes`` are not filtered.
        rows: the changes that were asked for (a person may filter, sort and limit them), never unchanged ones.
        labels: what people call the two versions: revisions, "index", "worktree".
        limited: how many rows were left out by a limit.
    """

    comparison: Comparison
    rows: tuple[MeasuredChange, ...]
    labels: tuple[str, str]
    limited: int = 0

    @property
    def failures(self) -> tuple[MeasuredChange, ...]:
        """The rows whose values could not be read."""
        return tuple([row for row in self.rows if row.failure])
