"""``git theta round close``: one merge of all heads that pass, and the tag that the next round starts from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from git_theta.cli import boundary, round_output
from git_theta.cli.gate_questions import GateOptions, ask_round_gates, read_gates
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.cli.merge_plan import print_plan
from git_theta.cli.progress import Meter
from git_theta.cli.push_warning import warn_of_pushes
from git_theta.cli.round_session import name_argument, open_round, screen_heads
from git_theta.errors import UsageError
from git_theta.merging.policies.round_policy import parse_screen
from git_theta.repository.evaluating.version_comparison import VersionComparison
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.repository.merging.request_checks import describe_idle_rules
from git_theta.repository.rounds.head_screening import ScreenedRound
from git_theta.repository.rounds.round_closing import close_round, merge_round, plan_round
from git_theta.repository.rounds.round_refs import Round, list_submitted, require_next_free
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.heads import Head
from git_theta.words import list_some, pluralize, suggest_names

_CONFLICTS = """\
Nothing was created. Choose another strategy for all of them (-s, --for), or leave heads out: --exclude WHO"""


class _CloseOptions(NamedTuple):
    """How heads are merged, and what is told of it."""

    strategy: str
    options: tuple[str, ...]
    rules: tuple[str, ...]
    message: str | None
    gates: GateOptions
    dry: bool
    as_json: bool


class _ClosedRound(NamedTuple):
    """What came of it: the round that starts from its end, if any; what nobody settled; what gates compared."""

    next: Round | None = None
    conflicts: Sequence[str] = ()
    compared: Sequence[VersionComparison] = ()


@click.command("close", short_help="Merge the heads of the newest round.")
@name_argument
@click.option("-s", "--strategy", default="average", metavar="STRATEGY", help="How heads are merged; without, average.")
@click.option("-o", "--option", "options", multiple=True, metavar="OPTION=VALUE", help="An option of the strategy.")
@click.option(
    "--for", "rules", multiple=True, metavar="RULE", help="[KIND:]GLOB=STRATEGY[,OPTION=VALUE...] for some parameters."
)
@click.option("--screen", "said", metavar="VALUE", help="mad=N,eval=NAME: hold heads to this, not to the round's file.")
@click.option(
    "--exclude",
    "excluded",
    multiple=True,
    metavar="CONTRIBUTOR",
    help="Leave out heads of this name, or glob of names.",
)
@click.option("-m", "--message", metavar="MSG", help="How the commit's message begins.")
@click.option("--no-gate", is_flag=True, help="Close without asking the gates of .theta/evals.toml.")
@click.option("--against", metavar="REV", help="Hold gates against this version, in place of the best head.")
@click.option("-n", "--dry-run", "dry", is_flag=True, help="Show what would be merged, and how; create nothing.")
@json_option
def close(
    name: str | None, said: str | None, excluded: tuple[str, ...], no_gate: bool, against: str | None, **given: Any
) -> int:
    """Close the newest round: one merge of all heads that pass its screen, and the tag ROUND/N+1 on that.

    Every head is told, merged or left out. Index, worktree and branches are left alone. Exits 1, with nothing created,
    where no head passes, anything stays contested, or a gate fails.
    """
    os.environ.setdefault(*UNTHREADED)
    repository = discover_repository()
    options = _CloseOptions(**given, gates=read_gates(against, ask=not no_gate))
    start = open_round(name, None, repository)
    _require_heads(start.round, excluded, repository)
    require_next_free(start.round, repository.home)
    screen = parse_screen(said, start.policy.screen) if said else start.policy.screen
    screened = screen_heads(start, screen, excluded, repository, runs=not options.dry)
    if not options.as_json:
        for line in round_output.render_screened(screened):
            echo_line(line)
    closed = _merge_kept(screened, options, repository) if screened.kept else _ClosedRound()
    if options.as_json:
        echo_json(round_output.closing_json(screened, closed.next, closed.conflicts, closed.compared))
    _tell_outcome(screened, closed, options)
    return int(not (closed.next or (options.dry and screened.kept)))


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


def _merge_kept(screened: ScreenedRound, options: _CloseOptions, repository: Repository) -> _ClosedRound:
    """Merge the heads that were kept, and tag that where its gates hold; or print how that would be done."""
    chosen = click.get_current_context().get_parameter_source("strategy")
    origin = "by default" if chosen is ParameterSource.DEFAULT else "-s"
    asked = MergeOptions(options.strategy, options.options, options.rules, origins=(origin, "--for"))
    merge = plan_round(screened, asked, repository, boundary.warn)
    for idle in describe_idle_rules(merge.found, asked):
        boundary.warn(idle, hint="Names of parameters: git theta ls-files --parameters")
    if options.dry:
        if not options.as_json:
            print_plan(merge.made, merge.found, repository, asked, as_data=False)
        return _ClosedRound()
    warn_of_pushes(repository)
    merged = merge_round(merge, repository, boundary.warn, Meter())
    if merged.conflicts:
        return _ClosedRound(conflicts=merged.conflicts)
    start = Head(screened.start.round.tag, screened.start.commit)
    answer = ask_round_gates(start, merge.made.heads, merged.tree, options.gates, repository, quiet=options.as_json)
    new = close_round(screened, merged, options.message, answer.trailers, repository) if answer.passed else None
    return _ClosedRound(new, compared=answer.compared)


def _tell_outcome(screened: ScreenedRound, closed: _ClosedRound, options: _CloseOptions) -> None:
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
