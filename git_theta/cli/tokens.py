"""``git theta tokens``: what a version was trained on, by the trailers of its commits."""

from __future__ import annotations

from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.eval_session import open_session
from git_theta.cli.listing import echo_json, json_option
from git_theta.cli.pager import print_paged
from git_theta.cli.progress import Meter
from git_theta.cli.tokens_output import OID_DIGITS, render_book, render_losses
from git_theta.operations.comparing.token_counts import DataUse
from git_theta.repository.evaluating.evaluations import EvaluationSettings
from git_theta.repository.evaluating.evaluator_choice import list_evaluations
from git_theta.repository.evaluating.token_losses import LossForecast, LossSeries, list_losses
from git_theta.repository.history.token_books import BranchBook, TokenBook, read_book
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.words import escape_unprintable

_EXIT_FAULTS = 1


@click.command("tokens")
@click.argument("revision", default="HEAD", metavar="[REVISION]")
@json_option
def command(revision: str, as_json: bool) -> int:
    """Show what a version was trained on.

    Commits say it in trailers: Tokens-Seen: N, and Data: NAME@DIGEST unique=N. Counted are those along first parents;
    branches that were merged are listed beside, and every data set once, by its digest. Where git theta eval has
    measured a loss of three of these versions or more, E + B / D'^beta is fitted, and says what more tokens would do.
    """
    repository = discover_repository()
    book = read_book(revision)
    for fault in book.faults:
        boundary.warn(f"{fault.commit[:OID_DIGITS]} {fault.reason}")
    if book.is_cut:
        boundary.warn("this clone is shallow: what came before is not counted", hint="git fetch --unshallow")
    losses = _find_losses(book, repository)
    if as_json:
        echo_json(_book_json(book) | {"losses": list(map(_loss_json, losses))})
    else:
        lines = (*render_book(book), *render_losses(losses))
        print_paged("".join(f"{escape_unprintable(line)}\n" for line in lines))
    return _EXIT_FAULTS if book.faults else 0


def _find_losses(book: TokenBook, repository: Repository) -> list[LossSeries]:
    choices = list(list_evaluations(repository).values()) if book.steps else []
    if not choices:
        return []
    with open_session(repository, EvaluationSettings(), Meter()) as (session, _):
        return list_losses(book, choices, session)


def _book_json(book: TokenBook) -> dict[str, Any]:
    return {
        "revision": book.version.name,
        "commit": book.version.commit,
        "branches": list(map(_branch_json, book.branches)),
        "union": [_set_json(use) | {"seen": use.seen} for use in book.union],
        "faults": [fault._asdict() for fault in book.faults],
        "shallow": book.is_cut,
    }


def _branch_json(branch: BranchBook) -> dict[str, Any]:
    uses = list(map(_use_json, branch.uses))
    return {"tip": branch.tip, "subject": branch.subject, "merge": branch.merge, "data": uses}


def _set_json(use: DataUse) -> dict[str, Any]:
    return use.data._asdict() if use.data else {"name": None, "digest": None, "unique": None}


def _use_json(use: DataUse) -> dict[str, Any]:
    return {
        **_set_json(use),
        "seen": use.seen,
        "epochs": use.epochs,
        "effective": use.effective,
        "next_epoch": use.next_epoch,
        "repeated": use.is_repeated,
    }


def _loss_json(series: LossSeries) -> dict[str, Any]:
    curve = series.curve
    return {
        "evaluation": series.evaluation,
        "path": series.path,
        "figure": series.figure,
        "points": [point._asdict() for point in series.points],
        "curve": curve and {name: one._asdict() for name, one in curve.list_numbers().items()},
        "reason": series.reason,
        "forecasts": list(map(_forecast_json, series.forecasts)),
    }


def _forecast_json(forecast: LossForecast) -> dict[str, Any]:
    return {
        **forecast.data._asdict(),
        "repeated": forecast.is_repeated,
        "effective": forecast.effective,
        "loss": forecast.loss._asdict(),
    }
