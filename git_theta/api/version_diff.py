"""How checkpoints differ between two versions: rows for programs and frames, the page and the picture for people."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from git_theta.api.extras import load_extra
from git_theta.api.naming import (
    EnteredRepository,
    enter_repository,
    list_words,
    resolve_path,
    resolve_revision,
    spell_revision,
    warn_caller,
)
from git_theta.api.row_table import RowTable, frame_page
from git_theta.checkpoints.index_file import is_index
from git_theta.diffing.base import MeasuredChange, Measures, Report
from git_theta.diffing.measures.base import MEASURES
from git_theta.diffing.verdict import kind_of
from git_theta.errors import UsageError
from git_theta.operations.comparing.diff_report import build_report
from git_theta.repository.clustering.clusters import reach_cluster, require_address
from git_theta.repository.comparing.changed_files import Remark
from git_theta.repository.comparing.version_differences import change_matcher, find_differences
from git_theta.repository.history.checkpoint_files import VersionFiles
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.git import literal_pathspec
from git_theta.vcs.raw_diff import VersionRange

if TYPE_CHECKING:
    from git_theta.api.checkpoint import Globs
    from git_theta.api.naming import PathLike, RepositoryLike, RevisionLike

_SHOWN = ("name", "status", "dtype", "shape", "relative", "norm", "cosine", "differing", "elements", "stored")
_NO_MEASURES = Measures(0)


class DiffRow(NamedTuple):
    """A parameter that differs. Numbers are None where there is none: of a parameter that only one version has, say.

    Attributes:
        checkpoint: what it is in: its file, or the index of its shards.
        name: the parameter's, at the second version; of a removed one, its last.
        status: "changed", "spec-changed" (dtype or shape), "added", "removed", "renamed" or "moved" (to another shard).
        kind: what kind of change it looks like: "dense", "sparse", "low-rank" ..., as `git theta diff --json` says it.
        dtype, shape: at the second version; of a removed parameter, at the first.
        dtype_before, shape_before: at the first version; None where it was not there.
        elements: how many there are.
        differing: elements whose bits differ.
        norm, largest: Euclidean norm of the difference, and its largest absolute element; in fp64.
        relative: ``norm`` over ``norm_before``.
        norm_before, norm_after: Euclidean norms at both versions.
        cosine: between both versions.
        rank: estimated rank of the difference, where it is low.
        nan, infinite: elements at the second version that are.
        stored: bytes that the new values take in the store.
        failure: why the values could not be read; "" where they could.
        further: what else was asked for (``measures``), by name; nothing where one version alone has the parameter, or
            they have it with different dtypes or sizes. A frame has a column for each.
    """

    checkpoint: str
    name: str
    status: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    dtype_before: str | None
    shape_before: tuple[int, ...] | None
    elements: int
    differing: int | None
    norm: float | None
    relative: float | None
    largest: float | None
    norm_before: float | None
    norm_after: float | None
    cosine: float | None
    rank: int | None
    nan: int
    infinite: int
    stored: int
    failure: str
    further: Mapping[str, float | None]


class VersionDiff(RowTable[DiffRow]):
    """The parameters that differ between two versions, row by row; see ``DiffRow``. A sequence of those.

    Attributes:
        rows: all of them, in file order, one checkpoint after the other.
        labels: what the versions are called.
        remarks: what cannot be said by rows: files that are raw at one version, renames, modes; a sentence or two each.
    """

    def __init__(self, reports: Sequence[Report], labels: tuple[str, str], remarks: Sequence[str]) -> None:
        rows = (_describe_row(report.comparison.path, row) for report in reports for row in report.rows)
        super().__init__(DiffRow, rows, _SHOWN, spread=["further"])
        self.labels = labels
        self.remarks = tuple(remarks)
        self._reports = tuple(reports)

    def html(self) -> str:
        """The page of `git theta diff --html`: whole, and needing nothing else; to be written as UTF-8."""
        from git_theta.diffing.render.report_page import render_page

        return render_page(self._reports, f"{self.labels[0]} and {self.labels[1]}")

    def png(self) -> bytes:
        """The picture of `git theta diff --png`. Needs the extra ``plot``."""
        load_extra("matplotlib", "plot")
        from git_theta.diffing.render.report_png import render_image

        return render_image(self._reports)

    def _repr_html_(self) -> str:
        return frame_page(self.html())


def diff_versions(
    a: RevisionLike,
    b: RevisionLike,
    path: PathLike | None = None,
    repo: RepositoryLike = ".",
    *,
    include: Globs = (),
    sort: str = "file",
    measures: str | Sequence[str] = (),
    cluster: str = "",
) -> VersionDiff:
    """How checkpoints differ between two commits, measured; exported as ``git_theta.diff``.

    What is missing here is fetched. Memory is a few blocks, however large the tensors are.

    Args:
        a: the revision that is compared.
        b: the one that it is compared with: the later one.
        path: of one checkpoint, relative to ``repo``; of a sharded one, the index or a shard. None for all that differ.
        repo: as ``git_theta.open``.
        include: globs for names of parameters; none for all.
        sort: the order of rows: "file", "name", "norm", "relative", "largest", "cosine", "differing", "rank", "stored".
        measures: what else to measure: "sign-flips", "mean-absolute", or what plug-ins bring (``git_theta.plugins``);
            one, or a list.
        cluster: the address of a dask scheduler whose workers measure, as ``git theta diff --on`` takes it:
            "tcp://HOST:PORT"; "" for the cores of this machine.

    Raises:
        UsageError: no such revision, file or order; the cluster does not answer, has no worker, or one that cannot work
            for us.
        PluginError: no such measure is installed; there is a cluster, and dask.distributed is not installed here.
        GitError: ``repo`` is in no repository.

    Example:
        >>> d = git_theta.diff("main", "dev", "model.safetensors")
        >>> d.to_frame().sort_values("relative").tail(3)[["name", "relative", "cosine"]]
        >>> Path("diff.html").write_text(d.html(), encoding="utf-8")
    """
    globs, wanted = list_words(include), list_words(measures)
    keep = change_matcher(globs)
    for name in wanted:
        MEASURES.load_plugin(name)
    with enter_repository(repo) as entered:
        commits = resolve_revision(a), resolve_revision(b)
        labels = spell_revision(a), spell_revision(b)
        span = VersionRange(commits, labels)
        whole = _find_whole(commits, resolve_path(path), entered) if path is not None else ""
        with (
            open_context(entered.repository, warn_caller) as opened,
            reach_cluster(require_address(cluster), entered.repository, opened) as context,
        ):
            found, _ = find_differences(span, _pathspecs_of(whole), entered.repository, context)
            reports = [
                build_report(one, context, labels=labels, keep=keep, sort=sort, measures=wanted)
                for one in found.comparisons
                if not whole or whole in {one.path, *(shard.path for shard in (*one.before, *one.after))}
            ]
    told = [report for report in reports if report.rows or (report.comparison.rest_changed and not globs)]
    return VersionDiff(
        told, labels, [_describe_remark(one) for one in found.remarks if not whole or whole in one.paths]
    )


def _find_whole(commits: tuple[str, str], path: str, entered: EnteredRepository) -> str:
    """What the checkpoint of a path is called. Raises UsageError where neither version has the file."""
    for commit in reversed(commits):
        with VersionFiles(commit, entered.top) as version:
            if version.find_file(path):
                return version.find_checkpoint(path).path
    raise UsageError(f"{path!r} is no file at either version", hint="What is versioned here: git theta ls-files :/")


def _pathspecs_of(whole: str) -> list[str]:
    """What to look for: where shards changed, an index need not have."""
    return [literal_pathspec(posixpath.dirname(whole) if is_index(whole) else whole)] if whole else []


def _describe_remark(one: Remark) -> str:
    return f"{' => '.join(dict.fromkeys(one.paths))}: {'; '.join(one.lines)}"


def _describe_row(checkpoint: str, row: MeasuredChange) -> DiffRow:
    change, found = row.change, row.measures or _NO_MEASURES
    after, before = change.after or change.before, change.before
    assert after
    return DiffRow(
        checkpoint=checkpoint,
        name=change.name,
        status=change.status.value,
        kind=kind_of(row).value,
        dtype=after.entry.dtype,
        shape=after.entry.shape,
        dtype_before=before.entry.dtype if before else None,
        shape_before=before.entry.shape if before else None,
        elements=found.elements,
        differing=found.differing,
        norm=found.norm,
        relative=found.relative,
        largest=found.largest,
        norm_before=found.norm_before,
        norm_after=found.norm_after,
        cosine=found.cosine,
        rank=found.rank,
        nan=found.nonfinite_after[0],
        infinite=found.nonfinite_after[1],
        stored=change.stored_bytes,
        failure=row.failure,
        further={one.name: one.value for one in found.further},
    )
