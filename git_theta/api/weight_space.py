"""Versions of a checkpoint in weight space: rows for programs and frames, the page and the picture for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from git_theta.api.extras import load_extra
from git_theta.api.naming import enter_repository, list_revisions, list_words, resolve_path, spell_revision, warn_caller
from git_theta.api.row_table import RowTable, frame_page
from git_theta.diffing.weight_map import ClusterMerge, Matrix, WeightMap
from git_theta.operations.context import NOT_SHOWN
from git_theta.repository.history.map_versions import MapRequest, chart_versions

if TYPE_CHECKING:
    import pandas

    from git_theta.api.checkpoint import Globs
    from git_theta.api.naming import PathLike, RepositoryLike, RevisionLike


_SHOWN = ("label", "commit", "subject", "norm", "x", "y", "nonfinite")


class MapRow(NamedTuple):
    """A version on the map.

    Attributes:
        label: what it was asked for by; of a commit of a range, its id.
        commit, subject: its id, and the first line of its message.
        norm: Euclidean norm of its task vector: what it changed since the base, in fp64.
        x, y: where it stands in the plane that shows the most of all squared distances; the base is at (0, 0).
        nonfinite: how many elements that were read are NaN or infinite: they count in no number.
        measures: what else was asked for, by name, against the base. A frame has a column for each.
    """

    label: str
    commit: str
    subject: str
    norm: float
    x: float
    y: float
    nonfinite: int
    measures: Mapping[str, float | None]


class VersionMap(RowTable[MapRow]):
    """Versions of a checkpoint in weight space, row by row; see ``MapRow``. A sequence of those.

    Attributes:
        rows: in the order asked for; the commits of a range oldest first.
        path: the checkpoint, from the top: its file, or the index of its shards.
        base: what the base is called: what was named, or the merge base.
        distances: Euclidean, between any two versions: a tuple of rows, in their order.
        cosines: between their task vectors; None where one of them is zero.
        clusters: average linkage of the distances, the closest first: named tuples ``left``, ``right``, ``height``,
            ``size``, numbered as scipy's linkage does.
        shown: the share of all squared distances that the plane shows; None where nothing differs.
        left_out: names of parameters that count in no number, with the reason each.
    """

    def __init__(self, found: WeightMap) -> None:
        rows = zip(found.versions, found.norms, found.points[1:], found.nonfinite[1:], strict=True)
        measured = ({one.name: one.value for one in ones} for ones in found.measured)
        made = (
            MapRow(*version, norm, *point, bad, more)
            for (version, norm, point, bad), more in zip(rows, measured, strict=True)
        )
        super().__init__(MapRow, made, _SHOWN, spread=["measures"])
        self.path = found.path
        self.base = found.base.label
        self.distances: Matrix = found.distances
        self.cosines: tuple[tuple[float | None, ...], ...] = found.cosines
        self.clusters: tuple[ClusterMerge, ...] = found.merges
        self.shown = found.shown
        self.left_out = {one.name: one.reason for one in found.left_out}
        self._found = found

    def distance_frame(self) -> pandas.DataFrame:
        """The distances as a frame of pandas, with labels on both sides. Raises ModuleNotFoundError without pandas."""
        pandas = load_extra("pandas", "notebook")
        labels = [row.label for row in self.rows]
        return pandas.DataFrame(self.distances, index=labels, columns=labels)

    def html(self) -> str:
        """The page of `git theta map --html`: whole, and needing nothing else; to be written as UTF-8."""
        from git_theta.diffing.render.map_page import render_map_page

        return render_map_page(self._found)

    def png(self) -> bytes:
        """The picture of `git theta map --png`. Needs the extra ``plot``."""
        load_extra("matplotlib", "plot")
        from git_theta.diffing.render.map_png import render_map_image

        return render_map_image(self._found)

    def _repr_html_(self) -> str:
        return frame_page(self.html())


def map_checkpoints(
    revisions: RevisionLike | Sequence[RevisionLike],
    path: PathLike,
    repo: RepositoryLike = ".",
    *,
    base: RevisionLike | None = None,
    include: Globs = (),
    measures: str | Sequence[str] = (),
) -> VersionMap:
    """Several versions of a checkpoint in weight space; exported as ``git_theta.map``: what `git theta map` shows.

    Parameters that are the same everywhere are not read; what is missing of the others is fetched. Memory is, for each
    worker, a block and a chunk of every version.

    Args:
        revisions: two or more; a range ``"A..B"`` stands for every commit in it that changed the checkpoint, and may be
            given alone.
        path: of the checkpoint, relative to ``repo``; of a sharded one, its index.
        repo: as ``git_theta.open``.
        base: what task vectors are measured from; None for the merge base of all of them.
        include: globs for names of parameters; none for all.
        measures: what else to measure of each version, against the base, as ``git_theta.diff`` takes it.

    Raises:
        UsageError: no such revision or file; less than two versions; nothing that they have in common; no merge base.
        PluginError: no such measure is installed.
        GitError: ``repo`` is in no repository.

    Example:
        >>> m = git_theta.map(["seed1", "seed2", "main"], "model.safetensors")
        >>> m.distance_frame()
        >>> m.to_frame().plot.scatter("x", "y")
    """
    with enter_repository(repo) as entered:
        request = MapRequest(
            [spell_revision(one) for one in list_revisions(revisions)],
            resolve_path(path),
            None if base is None else spell_revision(base),
            list_words(include),
            list_words(measures),
        )
        found = chart_versions(request, entered.repository, warn_caller, NOT_SHOWN)
    for one in found.failures:
        warn_caller(f"{found.path}: {one.name} counts in no number: {one.reason}")
    return VersionMap(found)
