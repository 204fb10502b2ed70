"""``git theta centroid``: the mean of several versions of a checkpoint, as a file."""

from __future__ import annotations

import os
from pathlib import Path

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.cli.merge_arguments import parse_weights
from git_theta.cli.output_files import require_writable
from git_theta.cli.progress import Meter
from git_theta.cli.revision_arguments import RevisionCommand, split_known
from git_theta.errors import UsageError
from git_theta.repository.merging.version_mean import Centroid, CentroidRequest, write_centroid
from git_theta.vcs.discovery import discover_repository
from git_theta.words import pluralize


@click.command("centroid", cls=RevisionCommand)
@click.argument("words", nargs=-1, metavar="REVISION... [--] [PATH]")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Write the mean here."
)
@click.option("--weights", metavar="A,B,...", help="How much each version counts.")
@json_option
def command(words: tuple[str, ...], output: Path, weights: str | None, as_json: bool) -> None:
    """Write the mean of several versions of a checkpoint to a file.

    A start for training that is near to all of them; nothing is merged, committed or checked out. Every parameter that
    the versions do not have alike is averaged. PATH may be the index of shards: FILE is a folder then. Without it, the
    first version has to have one checkpoint alone.
    """
    revisions, paths = split_known(words)
    if len(paths) > 1:
        raise UsageError("a mean is of one checkpoint", hint="Name it last: git theta centroid A B -o FILE -- PATH")
    require_writable(output)
    request = CentroidRequest(revisions, paths, output, parse_weights(weights))
    done = write_centroid(request, discover_repository(), boundary.warn, Meter())
    if as_json:
        echo_json(
            {
                "path": done.path,
                "files": list(map(os.fspath, done.files)),
                "versions": [{"name": one.name, "commit": one.commit} for one in done.versions],
                "weights": request.weights and list(request.weights),
                "averaged": done.averaged,
                "same": done.same,
            }
        )
    else:
        echo_line(_describe_centroid(done, output))


def _describe_centroid(done: Centroid, output: Path) -> str:
    names = ", ".join(one.name for one in done.versions)
    counts = f"{pluralize(done.averaged, 'parameter')} averaged, {done.same} the same in all"
    return f"{os.fspath(output)}: the mean of {done.path} at {names}: {counts}"
