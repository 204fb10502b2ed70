"""``git theta path``: the straight line between two versions of a checkpoint in weight space."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, json_option
from git_theta.cli.output_files import require_writable
from git_theta.cli.pager import print_paged, uses_color
from git_theta.cli.progress import Meter
from git_theta.cli.revision_arguments import RevisionCommand, split_known
from git_theta.diffing.render.path_text import ScoreColumn, render_path
from git_theta.diffing.weight_path import WeightPath, lay_path
from git_theta.errors import UsageError
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice, choose_evaluations
from git_theta.repository.history.checkpoint_lookup import choose_path
from git_theta.repository.history.map_versions import MapRequest, chart_versions
from git_theta.vcs import atomic
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.heads import resolve_heads

if TYPE_CHECKING:
    from git_theta.repository.evaluating.path_scores import PathScores

_EXIT_UNREADABLE = 2


@click.command("path", cls=RevisionCommand)
@click.argument("words", nargs=-1, metavar="A B [--] [PATH]")
@click.option(
    "--points", type=click.IntRange(2, 1001), default=5, metavar="N", help="How many, A and B among them (default 5)."
)
@click.option("--base", metavar="REVISION", help="Measure from this version, not from the merge base.")
@click.option("-p", "globs", multiple=True, metavar="GLOB", help="Parameters of these names alone; can be repeated.")
@click.option("--eval", "evaluation", metavar="NAME", help="Evaluate every point, by this evaluation.")
@json_option
@click.option("--png", type=click.Path(path_type=Path), metavar="FILE", help="Write a picture.")
def command(
    words: tuple[str, ...],
    points: int,
    base: str | None,
    globs: tuple[str, ...],
    evaluation: str | None,
    as_json: bool,
    png: Path | None,
) -> int:
    """Show the straight line between two versions of a checkpoint.

    Points are mixes (1 - t) A + t B: how far each is from A, B and the base, how far A and B are apart, and the cosine
    of what these changed since the base. git theta centroid A B --weights 1-t,t writes a mix. Without PATH, A has to
    have one checkpoint alone.
    """
    require_writable(png)
    repository = discover_repository()
    revisions, paths = split_known(words)
    if evaluation and globs:
        raise UsageError("--eval is of whole models", hint="Leave -p out.")
    if len(paths) > 1 or len(revisions) != 2:
        raise UsageError("a path is between two versions of one checkpoint", hint="git theta path A B [-- PATH]")
    if len({head.commit for head in resolve_heads(revisions)}) == 1:  # a range is no commit, and no point
        raise UsageError(f"{revisions[0]!r} and {revisions[1]!r} are one commit", hint="Name two versions.")
    request = MapRequest(revisions, choose_path(paths, revisions[0]), base, globs)
    choice = choose_evaluations(repository, [evaluation])[0] if evaluation else None
    found = lay_path(chart_versions(request, repository, boundary.warn, Meter()), points)
    scores = _score(found, choice, repository) if choice else None
    column = scores and ScoreColumn(scores.evaluation, scores.scores, *scores.barrier)
    if png:
        from git_theta.diffing.render.path_png import render_path_image

        atomic.replace_file(png, render_path_image(found, column))
    if as_json:
        echo_json(_path_json(found, scores))
    elif not png:
        print_paged(render_path(found, column, color=uses_color("color.diff")))
    return _EXIT_UNREADABLE if found.map.failures else 0


def _score(found: WeightPath, choice: EvaluationChoice, repository: Repository) -> PathScores:
    from git_theta.cli.eval_session import open_session  # with all that merges and evaluates, 70 ms
    from git_theta.repository.evaluating.evaluations import EvaluationSettings
    from git_theta.repository.evaluating.path_scores import score_path
    from git_theta.repository.history.scratch_context import open_scratch_context

    progress = Meter()
    place = partial(open_scratch_context, repository=repository)
    with open_session(repository, EvaluationSettings(), progress, place) as (session, context):
        return score_path(found, choice, session, repository, context, progress)


def _path_json(found: WeightPath, scores: PathScores | None) -> dict[str, Any]:
    chart = found.map
    ends = zip(chart.versions, chart.norms, chart.nonfinite[1:], strict=True)
    return {
        "path": chart.path,
        "base": {**chart.base._asdict(), "merge_base": chart.merge_base},
        "ends": [{**member._asdict(), "norm": norm, "nonfinite": bad} for member, norm, bad in ends],
        "distance": found.distance,
        "cosine": found.cosine,
        "points": [point._asdict() for point in found.points],
        "parameters": chart.parameters,
        "elements": chart.elements,
        "same": chart.same,
        "left_out": [one._asdict() for one in chart.left_out],
        "evaluation": scores and _scores_json(scores),
    }


def _scores_json(scores: PathScores) -> dict[str, Any]:
    return {**scores._asdict(), "barrier": scores.barrier.height, "barrier_interval": scores.barrier.interval}
