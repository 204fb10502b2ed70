"""What ``git theta eval`` is told: options; names of evaluations, then revisions; and which of it matches nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.cli import boundary
from git_theta.errors import UsageError
from git_theta.globs import name_matcher
from git_theta.repository.evaluating.evaluations import EvaluationSettings
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice, list_evaluations
from git_theta.vcs.discovery import Repository
from git_theta.vcs.revisions import commit_ids
from git_theta.words import join_some, suggest_names


class EvalOptions(NamedTuple):
    """What is run, and how it is shown."""

    items: Path | None
    limit: int
    rerun: bool
    jobs: int
    as_json: bool
    by: tuple[str, ...]
    alpha: float
    seed: int
    html: Path | None

    @property
    def settings(self) -> EvaluationSettings:
        """How evaluators are run."""
        return EvaluationSettings(self.items, limit=self.limit, rerun=self.rerun)


def split_names(repository: Repository, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names of evaluations that begin the line, and the rest. A branch of such a name is refs/heads/NAME."""
    known = list_evaluations(repository)
    count = next((at for at, word in enumerate(words) if word not in known), len(words))
    return list(words[:count]), list(words[count:])


def require_known_revisions(words: Sequence[str], known: Mapping[str, EvaluationChoice]) -> None:
    """Raise UsageError for a word that is no revision; it may be meant for an evaluation, or for a file."""
    for word in words:
        try:
            commit_ids([word])
        except UsageError as error:
            names = f"\nEvaluations come first. {suggest_names(word, known)}" if known else ""
            raise UsageError(f"{error.message}, and no file", hint=f"{error.hint}{names}") from None


def warn_unmatched_buckets(globs: Sequence[str], buckets: Iterable[str]) -> None:
    """Say which globs of ``--by`` match no bucket at all."""
    names = sorted(set(buckets))
    for glob in globs:
        if not any(map(name_matcher([glob]), names)):
            boundary.warn(f"{glob!r} matches no bucket", hint=f"There is: {join_some(names)}." if names else "")
