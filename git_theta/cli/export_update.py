"""``git theta export-update``: what one version changed since another, as an adapter for PEFT."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.cli.progress import Meter
from git_theta.cli.revision_arguments import RevisionCommand, split_known
from git_theta.errors import UsageError
from git_theta.operations.updating.exported_adapter import ExportedParameter
from git_theta.repository.adding.update_export import ExportRequest, export_update
from git_theta.repository.history.checkpoint_lookup import choose_path
from git_theta.vcs.discovery import discover_repository
from git_theta.words import escape_unprintable, list_some, pluralize


@click.command("export-update", cls=RevisionCommand)
@click.argument("words", nargs=-1, metavar="A B [--] [PATH]")
@click.option("--rank", type=click.IntRange(min=1), required=True, metavar="R", help="Rank of each product.")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="FOLDER",
    help="Write the adapter here: a folder that is new, or empty.",
)
@click.option("--whole", multiple=True, metavar="GLOB", help="Parameters of these names whole; can be repeated.")
@click.option("--fan-in-fan-out", is_flag=True, help="Layers store weights as [in, out], as GPT-2's do.")
@json_option
def command(
    words: tuple[str, ...], rank: int, folder: Path, whole: tuple[str, ...], fan_in_fan_out: bool, as_json: bool
) -> None:
    """Write what a checkpoint changed from A to B as an adapter.

    The difference of each matrix is factored by its leading singular values, and tried: what is printed is how far A
    with the adapter merged is from B. Biases, embeddings and what is no matrix go into the adapter whole. Where
    parameters are new, gone, or of another shape or dtype, no adapter can say it, and none is written. Without PATH, B
    has to have one checkpoint alone.
    """
    repository = discover_repository()
    revisions, paths = split_known(words)
    if len(paths) > 1 or len(revisions) != 2:
        raise UsageError(
            "two versions of one checkpoint are wanted", hint="git theta export-update A B --rank 8 -o FOLDER [-- PATH]"
        )
    before, after = revisions
    request = ExportRequest(before, after, choose_path(paths, after), rank, folder, whole, fan_in_fan_out)
    done = export_update(request, repository, boundary.warn, Meter())
    if as_json:
        echo_json(_export_json(done, folder))
    else:
        _print_export(done, rank, folder)


def _print_export(done: Sequence[ExportedParameter], rank: int, folder: Path) -> None:
    for line in list_some(map(_describe_parameter, done), rest=": git theta export-update --json"):
        echo_line(line)
    factored = sum(one.update == "low-rank" for one in done)
    echo_line(
        f"{escape_unprintable(os.fspath(folder))}: {pluralize(len(done), 'parameter')}, {factored} by factors of rank "
        f"{rank}; {_describe_error(*_sum_errors(done))}"
    )


def _describe_parameter(one: ExportedParameter) -> str:
    if one.update == "whole":
        return f"  {one.name}: whole"
    return f"  {one.name}: {_describe_error(one.differing, one.elements, _share(one.error, one.norm))}"


def _describe_error(differing: int, elements: int, share: float) -> str:
    if not differing:
        return "exact"
    return f"{differing:,} of {elements:,} elements differ, {share:.2g} of the change is left"


def _sum_errors(done: Sequence[ExportedParameter]) -> tuple[int, int, float]:
    error, norm = (math.hypot(*values) for values in ([one.error for one in done], [one.norm for one in done]))
    return sum(one.differing for one in done), sum(one.elements for one in done), _share(error, norm)


def _share(error: float, norm: float) -> float:
    return error / norm if norm else 0.0


def _export_json(done: Sequence[ExportedParameter], folder: Path) -> dict[str, object]:
    differing, elements, share = _sum_errors(done)
    return {
        "folder": os.fspath(folder),
        "exact": not differing,
        "differing": differing,
        "elements": elements,
        "error": share,
        "parameters": [
            {
                "name": one.name,
                "update": one.update,
                "exact": not one.differing,
                "differing": one.differing,
                "elements": one.elements,
                "error": _share(one.error, one.norm),
            }
            for one in done
        ],
    }
