"""``git theta eval``: what evaluators of the person's say of versions, compared and held to gates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from git_theta.cli.eval_sides import compare_sides, split_range
from git_theta.cli.eval_versions import evaluate_words
from git_theta.cli.eval_words import EvalOptions
from git_theta.cli.listing import json_option
from git_theta.cli.output_files import require_writable
from git_theta.cli.revision_arguments import RevisionCommand
from git_theta.errors import UsageError
from git_theta.evaluation.comparison import ALPHA
from git_theta.vcs.discovery import discover_repository

_ONE_OF = ("compare", "gate", "list", "allow", "forget", "sync")


@click.command(cls=RevisionCommand)
@click.argument("words", nargs=-1, metavar="[NAME]... [REVISION]... [--] [PATH]...")
@click.option("--compare", nargs=2, metavar="A B", help="Compare two versions, item by item.")
@click.option("--gate", metavar="BASE..HEAD", help="Compare the two ends of a range; exit 1 where a gate fails.")
@click.option("--by", multiple=True, metavar="GLOB", help="Show these buckets alone; can be repeated.")
@click.option("--alpha", type=float, default=ALPHA, metavar="N", help=f"What counts as chance; {ALPHA} by default.")
@click.option("--seed", type=int, default=0, metavar="SEED", help="Of permutation tests; 0 by default.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write the comparison as a page.")
@click.option("--items", type=click.Path(path_type=Path), metavar="FILE", help="Score these items alone: an id a line.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Score the first N items alone.")
@click.option("--rerun", is_flag=True, help="Evaluate anew what is known.")
@click.option(
    "-j",
    "jobs",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Evaluate N versions at a time; 1 by default.",
)
@json_option
@click.option("--list", "list_", is_flag=True, help="List the evaluations, and which may run here.")
@click.option("--allow", metavar="NAME", help="Let what .theta/evals.toml has under NAME run here.")
@click.option("--forget", metavar="NAME", help="Take that back, and drop the results of NAME.")
@click.option(
    "--sync", is_flag=False, flag_value="origin", metavar="REMOTE", help="Exchange results with a remote (origin)."
)
def command(words: tuple[str, ...], **given: Any) -> int:
    """Evaluate versions of checkpoints by your own evaluators.

    NAME is an evaluation of .theta/evals.toml or of your configuration; without it all of them. REVISION is a branch,
    tag, commit or range (each of its commits); without it HEAD. PATH limits these to checkpoints there; without a
    REVISION it is a file or folder of shards, found anywhere. What is known of the same contents is not run again.

    \b
        git theta eval main..HEAD
        git theta eval --compare main HEAD
    """  # noqa: D301
    actions = {name: given.pop("list_" if name == "list" else name) for name in _ONE_OF}
    named = [name for name, value in actions.items() if value]
    if len(named) > 1:
        raise UsageError(f"--{named[0]} and --{named[1]} exclude each other", hint="Run it once for each.")
    options = EvalOptions(**given | {"limit": given["limit"] or 0})
    _check_options(options)
    action = named[0] if named else ""
    if action and options.jobs > 1:
        raise UsageError(
            f"--{action} and -j exclude each other", hint="Evaluate the versions first: git theta eval -j N"
        )
    repository = discover_repository()
    if not action:
        return evaluate_words(repository, words, options)
    if action in ("compare", "gate"):
        sides = actions["compare"] or split_range(actions["gate"])
        return compare_sides(repository, sides, words, options, is_gate=action == "gate")
    if words:
        raise UsageError(f"--{action} takes no {words[0]!r}", hint="git theta eval -h")
    from git_theta.cli.eval_permissions import ADMINISTER  # with the hooks of an installation, 8 ms

    return ADMINISTER[action](repository, actions[action], options)


def _check_options(options: EvalOptions) -> None:
    require_writable(options.html)
    if not 0 < options.alpha < 1:
        raise UsageError(f"--alpha is a probability, and {options.alpha} is none", hint="Usual: 0.05")
