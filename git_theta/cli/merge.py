"""``git theta merge``: heads into HEAD, two by `git merge` and its driver, more of them all at once."""

from __future__ import annotations

import os
from pathlib import Path

import click

from git_theta.cli import reports
from git_theta.cli.lineup import Request, cases, check, lineup
from git_theta.cli.listing import json_option, worktree
from git_theta.cli.merge_plan import show
from git_theta.cli.n_way import n_way
from git_theta.cli.policies import HANDED, handed
from git_theta.cli.two_way import two_way
from git_theta.errors import UsageError
from git_theta.merging.devices import CPU, device
from git_theta.operations import recipe
from git_theta.operations.merge import Settings
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs import config
from git_theta.vcs.heads import is_shallow
from git_theta.vcs.repository import Repository

_DRIVER = "merge.theta.driver"


@click.command
@click.argument("heads", nargs=-1, metavar="[HEAD]...")
@click.option("-s", "--strategy", default="", metavar="STRATEGY", help="How contested parameters are merged.")
@click.option("-o", "--option", "options", multiple=True, metavar="OPTION=VALUE", help="An option of the strategy.")
@click.option(
    "--for", "rules", multiple=True, metavar="RULE", help="GLOB=STRATEGY[,OPTION=VALUE...] for some parameters."
)
@click.option("--weights", metavar="A,B,...", help="How much each head counts, HEAD first.")
@click.option("--base", metavar="REV", help="What changes are measured from, in place of the merge base.")
@click.option("--device", "asked", default=CPU, metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")
@click.option("--seed", type=int, default=0, help="Of strategies that draw at random.")
@click.option(
    "--recipe", "recipe_file", type=click.Path(path_type=Path), metavar="FILE", help="Read a mergekit recipe."
)
@click.option("--no-commit", is_flag=True, help="Stop before the commit.")
@click.option("-m", "--message", metavar="MSG", help="The message of the commit.")
@click.option("--plan", "plan_only", is_flag=True, help="Show what would be done, and touch nothing.")
@json_option
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE", help="Tell what was done: FILE.md or FILE.json."
)
def command(
    heads: tuple[str, ...], strategy: str, options: tuple[str, ...], rules: tuple[str, ...], weights: str | None,
    base: str | None, asked: str, seed: int, recipe_file: Path | None, no_commit: bool, message: str | None,
    plan_only: bool, as_json: bool, report: Path | None,
) -> int:  # fmt: skip
    """Merge heads into what is checked out, checkpoints parameter by parameter.

    One HEAD goes through `git merge`, and leaves conflicts as that does. Several are merged at once, into one commit
    with all of them as parents, or not at all. Exits 1 where anything is contested.
    """
    os.environ.setdefault(*UNTHREADED)
    if as_json and not plan_only:
        raise UsageError("--json is for --plan", hint="For what a merge did: --report FILE.json")
    if report and plan_only:
        raise UsageError("--plan does nothing to report", hint="Print it as JSON: --plan --json")
    if report:
        reports.check(report)
    settings = Settings(_numbers(weights), seed, CPU if plan_only else device(asked))
    request = Request(heads, strategy, options, rules, settings, base)
    if recipe_file:
        request = _from_recipe(recipe_file, request)
    if not request.heads:
        raise UsageError("no head to merge is named", hint="git theta merge BRANCH")
    repository, top = worktree()
    os.environ[HANDED] = handed(request.strategy, request.options, request.rules, request.settings)
    made = lineup(request, top)
    found = cases(made, top) if len(made.heads) > 1 else []
    check(found, request, made.weights, top)
    if plan_only:
        show(made, found, top, as_data=as_json)
        return 0
    ordered = request.settings._replace(weights=made.weights)
    if len(made.heads) > 2 or len(made.others) > 1 or (request.base and len(made.heads) > 1):
        if made.base is None:
            raise UsageError("the heads have no commit in common", hint=_unrelated(top))
        return n_way(made, found, ordered, repository, message=message, commit=not no_commit, report=report)
    if not made.others:
        click.echo("Already up to date.")
        return 0
    _require_driver(repository)
    head = made.others[0]
    return two_way(head, request, ordered, repository, message=message, commit=not no_commit, report=report)


def _unrelated(top: Path) -> str:
    name_it = "Name what they come from: --base REV"
    return f"Get the history that is cut off: git fetch --unshallow\n{name_it}" if is_shallow(top) else name_it


def _from_recipe(file: Path, request: Request) -> Request:
    if request.heads or request.strategy or request.options or request.base or request.settings.weights:
        raise UsageError(
            "a recipe says itself what is merged, and how",
            hint="With --recipe, leave out heads, -s, -o, --base, --weights.",
        )
    try:
        read = recipe.parse(file.read_bytes())
    except UsageError as error:
        raise error.located(path=str(file)) from None
    return request._replace(
        heads=read.models,
        strategy=read.strategy,
        options=read.options,
        settings=request.settings._replace(weights=read.weights),
        base=read.base,
        all_named=True,
        dtype=read.dtype,
    )


def _numbers(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(map(float, text.split(",")))
    except ValueError:
        raise UsageError(f"--weights takes numbers with commas between them, not {text!r}") from None


def _require_driver(repository: Repository) -> None:
    """Without it Git would merge manifests as text."""
    if _DRIVER not in config.active(cwd=repository.worktree):
        raise UsageError("the merge driver is not installed here", hint="git theta install")
