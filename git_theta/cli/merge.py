"""``git theta merge``: heads into HEAD, all at once; what two of them contest is left to `git merge` and its driver."""

from __future__ import annotations

import os
from pathlib import Path

import click

from git_theta.cli import report_file
from git_theta.cli.cluster_option import on_option
from git_theta.cli.environment import read_merge_options
from git_theta.cli.gate_questions import read_gates
from git_theta.cli.listing import json_option
from git_theta.cli.merge_arguments import apply_recipe, parse_weights
from git_theta.cli.merge_ending import Ending
from git_theta.cli.merge_plan import print_plan
from git_theta.cli.merge_session import merge_as_asked, plan_request
from git_theta.errors import UsageError
from git_theta.merging.devices import CPU, device
from git_theta.operations.merging.merge_results import MergeSettings
from git_theta.repository.clustering.clusters import require_address
from git_theta.repository.merging.merge_request import MergeRequest
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.tensors.blas import UNTHREADED


@click.command
@click.argument("heads", nargs=-1, metavar="[HEAD]...")
@click.option("-s", "--strategy", default="", metavar="STRATEGY", help="How contested parameters are merged.")
@click.option("-o", "--option", "options", multiple=True, metavar="OPTION=VALUE", help="An option of the strategy.")
@click.option(
    "--for", "rules", multiple=True, metavar="RULE", help="[KIND:]GLOB=STRATEGY[,OPTION=VALUE...] for some parameters."
)
@click.option("--weights", metavar="A,B,...", help="How much each head counts, HEAD first.")
@click.option("--base", metavar="REV", help="What changes are measured from, in place of the merge base.")
@click.option(
    "--device", "chosen_device", default=CPU, metavar="DEVICE", help="cpu (the default), cuda, cuda:N or auto."
)
@on_option
@click.option("--seed", type=int, default=0, metavar="SEED", help="Of strategies that draw at random (default 0).")
@click.option(
    "--recipe", "recipe_file", type=click.Path(path_type=Path), metavar="FILE", help="Read a mergekit recipe."
)
@click.option("--no-commit", is_flag=True, help="Stop before the commit.")
@click.option("--no-gate", is_flag=True, help="Commit without asking the gates of .theta/evals.toml.")
@click.option("--against", metavar="REV", help="Hold gates against this version, in place of the best head.")
@click.option("-m", "--message", metavar="MSG", help="The message of the commit.")
@click.option("--plan", "plan_only", is_flag=True, help="Show what would be done, and touch nothing.")
@json_option
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE", help="Tell what was done: FILE.md or FILE.json."
)
def command(
    heads: tuple[str, ...], strategy: str, options: tuple[str, ...], rules: tuple[str, ...], weights: str | None,
    base: str | None, chosen_device: str, cluster: str, seed: int, recipe_file: Path | None, no_commit: bool,
    no_gate: bool, against: str | None, message: str | None,
    plan_only: bool, as_json: bool, report: Path | None,
) -> int:  # fmt: skip
    """Merge heads into what is checked out, checkpoints parameter by parameter.

    Heads are merged at once, into one commit with all of them as parents, and a checkpoint of several shards whole,
    wherever heads keep its parameters. Where anything stays contested, one HEAD is left to `git merge`, which leaves
    conflicts; several change nothing. Exits 1 then.
    """
    os.environ.setdefault(*UNTHREADED)
    if report and plan_only:
        raise UsageError("--plan does nothing to report", hint="Print it as JSON: --plan --json")
    if report:
        report_file.check_report_file(report)
    settings = MergeSettings(parse_weights(weights), seed, CPU if plan_only else device(chosen_device))
    asked = MergeOptions(
        strategy,
        options,
        rules,
        settings,
        measure=bool(report or as_json),
        fallback=read_merge_options().fallback,
        cluster=require_address(cluster),
    )
    request = MergeRequest(heads, asked, base)
    if recipe_file:
        request = apply_recipe(recipe_file, request)
    gates = read_gates(against, ask=not no_gate)
    if not request.heads:
        raise UsageError("no head to merge is named", hint="git theta merge BRANCH")
    if plan_only:
        repository, made, found = plan_request(request)
        print_plan(made, found, repository, request.asked, as_data=as_json)
        return 0
    return merge_as_asked(request, Ending(message, not no_commit, report, as_json, gates))
