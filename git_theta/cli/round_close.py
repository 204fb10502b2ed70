"""``git theta round close``: one merge of all heads that pass, and the tag that the next round starts from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary, round_output
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.cli.merge_plan import print_plan
from git_theta.cli.progress import Meter
from git_theta.cli.push_warning import warn_of_pushes
from git_theta.cli.round_session import name_argument, open_round, screen_heads
from git_theta.errors import UsageError
from git_theta.merging.round_policy import parse_screen
from git_theta.repository.merging.merge_request import describe_idle_rules
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.repository.rounds.head_screening import ScreenedRound
from git_theta.repository.rounds.round_closing import ClosedRound, close_round, plan_round
from git_theta.repository.rounds.round_refs import Round, list_submitted, require_next_free
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.words import list_some, pluralize, suggest_names

_CONFLICTS = """\
Nothing was created. Choose another strategy for all of them (-s, --for), or leave heads out: --exclude WHO"""


class _CloseOptions(NamedTuple):
    """How heads are merged, and what is told of it."""

    strategy: str
    options: tuple[str, ...]
    rules: tuple[str, ...]
    message: str | None
    dry: bool
    as_json: bool


@click.command("close", short_help="Merge the heads of the newest round.")
@name_argument
@click.option("-s", "--strategy", default="average", metavar="STRATEGY", help="How heads are merged; without, average.")
@click.option("-o", "--option", "options", multiple=True, metavar="OPTION=VALUE", help="An option of the strategy.")
@click.option(
    "--for", "rules", multiple=True, metavar="RULE", help="[KIND:]GLOB=STRATEGY[,OPTION=VALUE...] for some parameters."
)
@click.option("--screen", "said", metavar="VALUE", help="mad=N,eval=NAME: hold heads to this, not to the round's file.")
@click.option("--exclude", "excluded", multiple=True, metavar="GLOB", help="Leave out heads of these contributors.")
@click.option("-m", "--message", metavar="MSG", help="How the commit's message begins.")
@click.option("-n", "--dry-run", "dry", is_flag=True, help="Show what would be merged, and how; create nothing.")
@json_option
def close(name: str | None, said: str | None, excluded: tuple[str, ...], **given: Any) -> int:
    """Close the newest round: one merge of all heads that pass its screen, and the tag ROUND/N+1 on that.

    Every head is told, merged or left out. Index, worktree and branches are left alone. Exits 1, with nothing created,
    where no head passes, or anything stays contested.
    """
    os.environ.setdefault(*UNTHREADED)
    options, repository = _CloseOptions(**given), discover_repository()
    start = open_round(name, None, repository)
    _require_heads(start.round, excluded, repository)
    require_next_free(start.round, repository.home)
    screen = parse_screen(said, start.policy.screen) if said else start.policy.screen
    screened = screen_heads(start, screen, excluded, repository, runs=not options.dry)
    if not options.as_json:
        for line in round_output.render_screened(screened):
            echo_line(line)
    closed = _merge_kept(screened, options, repository) if screened.kept else ClosedRound(None, (), ())
    if options.as_json:
        echo_json(round_output.closing_json(screened, closed))
    _tell_outcome(screened, closed, options)
    return int(not screened.kept or bool(closed.conflicts))


def _require_heads(one: Round, excluded: Sequence[str], repository: Repository) -> None:
    """Raise UsageError where nobody has submitted, or nobody whom a glob is to keep out: tags are not taken back."""
    names = [head.who for head in list_submitted(one, repository.home)]
    if not names:
        raise UsageError(
            f"no head is submitted to {one.tag}",
            hint=f"Get the branches {one.tag}/*: git fetch. Or submit one: git theta round submit",
        )
    for glob in excluded:
        if not any(fnmatchcase(name, glob) for name in names):
            raise UsageError(
                f"--exclude {glob}: no head of {one.tag} is of such a name", hint=suggest_names(glob, names)
            )


def _merge_kept(screened: ScreenedRound, options: _CloseOptions, repository: Repository) -> ClosedRound:
    """Merge the heads that were kept, and tag that; or print how that would be done."""
    asked = MergeOptions(options.strategy, options.options, options.rules)
    merge = plan_round(screened, asked, repository, boundary.warn)
    for idle in describe_idle_rules(merge.found, asked):
        boundary.warn(idle, hint="Names of parameters: git theta ls-files --parameters")
    if options.dry:
        if not options.as_json:
            print_plan(merge.made, merge.found, repository, asked, as_data=False)
        return ClosedRound(None, (), ())
    warn_of_pushes(repository)
    return close_round(screened, merge, repository, message=options.message, warn=boundary.warn, progress=Meter())


def _tell_outcome(screened: ScreenedRound, closed: ClosedRound, options: _CloseOptions) -> None:
    if not screened.kept:
        boundary.say(f"no head of {screened.start.round.tag} can be merged: nothing was created")
    elif closed.conflicts:
        boundary.say(
            f"{pluralize(len(closed.conflicts), 'conflict')}:", *list_some(f"  {one}" for one in closed.conflicts)
        )
        boundary.say_hint(_CONFLICTS)
    elif closed.next and not options.as_json:
        new = closed.next
        echo_line(f"{new.tag} is {new.start[:12]}: {pluralize(len(screened.kept), 'head')} merged")
        boundary.say_hint(f"Publish it: git push REMOTE {new.tag}. Take it into your branch: git merge {new.tag}")
