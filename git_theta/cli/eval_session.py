"""Evaluators, run by a command: with the person's environment, and a word on stderr for each version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from git_theta.cli import boundary
from git_theta.operations.context import Context, Progress
from git_theta.repository.evaluating.evaluated_versions import EvaluatedVersion
from git_theta.repository.evaluating.evaluations import EvaluationSession, EvaluationSettings
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import scrubbed_environment

_Place = Callable[[Context], AbstractContextManager[Context]]


@contextmanager
def open_session(
    repository: Repository, settings: EvaluationSettings, progress: Progress, place: _Place = nullcontext
) -> Iterator[tuple[EvaluationSession, Context]]:
    """A session, and the context to read versions with, while the block runs.

    Evaluators find the environment without what Git says in it of this repository: their own calls of Git are about the
    folder that they run in. ``place``: where results lie that are computed in the block.
    """
    settings = settings._replace(environment=scrubbed_environment())
    with (
        open_context(repository, boundary.warn, progress) as opened,
        place(opened) as context,
        EvaluationSession(repository, context, settings, _tell_begin) as session,
    ):
        yield session, context


def _tell_begin(version: EvaluatedVersion, choice: EvaluationChoice) -> None:
    boundary.say(f"evaluating {version.title} by {choice.name}")
