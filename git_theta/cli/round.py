"""``git theta round``: contributors tune from one start, and all that they made of it is merged at once."""

from __future__ import annotations

import click

from git_theta.cli import boundary, round_output
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.cli.progress import Meter
from git_theta.cli.push_warning import warn_of_pushes
from git_theta.cli.round_close import close
from git_theta.cli.round_session import name_argument, open_round, screen_heads
from git_theta.errors import UsageError
from git_theta.repository.rounds.head_submission import list_uncommitted, name_contributor, submit_head
from git_theta.repository.rounds.round_refs import Round, find_next
from git_theta.repository.rounds.round_starts import find_idle_globs, start_rounds
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.git import git
from git_theta.vcs.heads import HEAD, resolve_head
from git_theta.vcs.remotes import find_push_remote

_number_option = click.option(
    "--round", "number", type=click.IntRange(0), metavar="N", help="Which; without, the newest."
)
_IDLE_HINT = "As it should be where heads bring their own. What there is: git theta ls-files --parameters"


@click.group
def command() -> None:
    """Rounds of several contributors: all tune from one start, and one merge of all heads is the next one's start."""


@command.command("start", short_help="Begin rounds: tag what heads start from.")
@click.argument("name", metavar="ROUND")
@click.option("--from", "revision", default=HEAD, metavar="REV", help="What heads start from; without, HEAD.")
@json_option
def start(name: str, revision: str, as_json: bool) -> None:
    """Begin rounds of a name: the tag ROUND/0, from which contributors tune.

    What is private, and how heads are screened, says .theta/rounds.toml as it is there.
    """
    repository = discover_repository()
    begun = start_rounds(name, revision, repository.home)
    for glob in find_idle_globs(begun):
        boundary.warn(f"private {glob}: no parameter of the start is called so", hint=_IDLE_HINT)
    if as_json:
        echo_json(round_output.start_json(begun))
        return
    for line in round_output.render_start(begun):
        echo_line(line)
    boundary.say_hint(
        f"Publish it: git push REMOTE {begun.round.tag}. Tune from it: git switch -c BRANCH {begun.round.tag}"
    )


@command.command("submit", short_help="Submit HEAD to a round.")
@name_argument
@_number_option
@click.option("--as", "who", metavar="WHO", help="Who submits; without, Git's name of you.")
@click.option("--base", metavar="REV", help="Put what HEAD changed since this on top of the round's start.")
@click.option("--push", "pushes", is_flag=True, help="Push the branch, too.")
@json_option
def submit(
    name: str | None, number: int | None, who: str | None, base: str | None, pushes: bool, as_json: bool
) -> None:
    """Submit HEAD to a round: the branch ROUND/N/WHO names it.

    Nothing is submitted that the round cannot take: a head that does not start from its tag, that changes other files
    than checkpoints, other names, dtypes or shapes, or that has new NaN.
    """
    repository = discover_repository()
    top = repository.home
    opened = open_round(name, number, repository)
    _require_open(opened.round, repository)
    head, since = resolve_head(HEAD, top), resolve_head(base, top) if base else None
    if repository.worktree and (left := list_uncommitted(opened, top)):
        boundary.warn(f"{', '.join(left)}: what is not committed is not submitted", hint="Commit it, and submit again.")
    warn_of_pushes(repository)
    done = submit_head(
        head, who or name_contributor(top), opened, repository, base=since, warn=boundary.warn, progress=Meter()
    )
    if as_json:
        echo_json(round_output.submission_json(done, opened))
    else:
        for line in round_output.render_submission(done):
            echo_line(line)
    ref = f"refs/heads/{done.branch}"
    if pushes:
        git("push", "--force-with-lease", find_push_remote(), f"{ref}:{ref}", cwd=top, show=True)
    elif not as_json:
        boundary.say_hint(f"Publish it: git push REMOTE {done.branch}{' --force-with-lease' if done.replaced else ''}")


@command.command("status", short_help="Show the heads of a round.")
@name_argument
@_number_option
@json_option
def status(name: str | None, number: int | None, as_json: bool) -> None:
    """Show the heads of a round: who, how far from its start, how alike the others, and whether each would be merged.

    Branches of remotes count as they were fetched. Nothing is evaluated: scores are those that are known.
    """
    repository = discover_repository()
    opened = open_round(name, number, repository)
    found = screen_heads(opened, opened.policy.screen, (), repository, runs=False)
    if as_json:
        echo_json(round_output.screened_json(found, found.next))
        return
    for line in round_output.render_screened(found):
        echo_line(line)
    if found.next:
        boundary.say_hint(f"{opened.round.tag} is closed. How it was: git show {found.next.tag}")


def _require_open(one: Round, repository: Repository) -> None:
    """Raise UsageError for a round that has ended."""
    if following := find_next(one, repository.home):
        raise UsageError(
            f"the round {one.tag} is closed: {following.tag} is there",
            hint=f"Put what HEAD changed on top of the newest: git theta round submit --base {one.tag}",
        )


command.add_command(close)
