"""A round opened for a command: its start, and its heads screened with what this machine may run."""

from __future__ import annotations

from collections.abc import Sequence

import click

from git_theta.cli.eval_session import open_session
from git_theta.cli.progress import Meter
from git_theta.merging.policies.round_policy import RoundScreen
from git_theta.repository.evaluating.evaluations import EvaluationSettings
from git_theta.repository.evaluating.evaluator_choice import require_permission
from git_theta.repository.rounds.head_scores import HeadScorer
from git_theta.repository.rounds.head_screening import ScreenedRound, screen_round
from git_theta.repository.rounds.round_refs import find_round
from git_theta.repository.rounds.shared_heads import RoundStart, read_start
from git_theta.vcs.discovery import Repository

name_argument = click.argument("name", required=False, metavar="[ROUND]")


def open_round(name: str | None, number: int | None, repository: Repository) -> RoundStart:
    """The start of a round: of the only name, and the newest, where these are None. Raises UsageError for none."""
    return read_start(find_round(name, number, repository.home), repository.home)


def screen_heads(
    start: RoundStart, screen: RoundScreen, excluded: Sequence[str], repository: Repository, *, runs: bool
) -> ScreenedRound:
    """Screen the heads of a round. ``runs``: whether the evaluation runs on what it has not seen.

    Raises UsageError for an evaluation that nobody defined, or that is to run and may not.
    """
    progress = Meter()
    with open_session(repository, EvaluationSettings(revision=start.commit), progress) as (session, context):
        scorer = None
        if screen.evaluation:
            scorer = HeadScorer(screen.evaluation, start, session, context, repository, runs=runs)
            if runs:
                require_permission(scorer.choice)
        score = scorer.score_head if scorer else None
        return screen_round(start, screen, excluded, repository.home, context, progress, score)
