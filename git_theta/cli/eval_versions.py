"""``git theta eval`` of versions: each one's scores, some of them at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from git_theta.cli import boundary, eval_json, eval_output
from git_theta.cli.eval_session import open_session
from git_theta.cli.eval_words import EvalOptions, require_known_revisions, split_names, warn_unmatched_buckets
from git_theta.cli.listing import echo_json, echo_line
from git_theta.cli.progress import Meter
from git_theta.cli.revision_arguments import explicit_paths, split_arguments
from git_theta.errors import UsageError
from git_theta.evaluation.base import EVALUATORS
from git_theta.operations.context import Context
from git_theta.repository.evaluating.evaluated_versions import EvaluatedVersion, list_versions
from git_theta.repository.evaluating.evaluations import EvaluatedCheckpoint, EvaluationSession
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice, choose_evaluations, list_evaluations
from git_theta.repository.evaluating.meant_checkpoints import match_evaluations
from git_theta.vcs.discovery import Repository
from git_theta.vcs.revisions import is_inside_worktree
from git_theta.words import join_some


def evaluate_words(repository: Repository, words: Sequence[str], options: EvalOptions) -> int:
    """Evaluate the versions that the words name, and say what came of each; the exit code."""
    names, rest = split_names(repository, words)
    revisions, paths = split_arguments(rest) if is_inside_worktree() else (list(rest), explicit_paths() or [])
    choices = choose_evaluations(repository, names)
    with open_session(repository, options.settings, Meter()) as (session, context):
        pairs = match_evaluations(_list_named(revisions, paths, repository, context), choices)
        found = []
        for one in _evaluate_pairs(session, pairs, _limit_jobs(options.jobs, choices)):
            found.append(one)
            if not options.as_json:
                for line in eval_output.render_evaluated(found[-1], options.by, with_buckets=len(pairs) == 1):
                    echo_line(line)
    if options.as_json:
        echo_json(eval_json.evaluations_json(found))
    warn_unmatched_buckets(options.by, (name for one in found for name in one.result.buckets))
    return 0


def _list_named(
    revisions: Sequence[str], paths: Sequence[str], repository: Repository, context: Context
) -> list[EvaluatedVersion]:
    """As ``list_versions``; a word that is no revision may be meant for an evaluation, which is told."""
    try:
        return list_versions(revisions, paths, context)
    except UsageError:
        require_known_revisions(revisions, list_evaluations(repository))
        raise


def _evaluate_pairs(
    session: EvaluationSession, pairs: Sequence[tuple[EvaluatedVersion, EvaluationChoice]], jobs: int
) -> Iterator[EvaluatedCheckpoint]:
    if jobs == 1:
        return (session.evaluate(*pair) for pair in pairs)
    from git_theta.repository.evaluating.side_by_side import evaluate_side_by_side  # with what it imports, 10 ms

    return evaluate_side_by_side(session, pairs, jobs)


def _limit_jobs(jobs: int, choices: Sequence[EvaluationChoice]) -> int:
    """How many versions are evaluated at a time: one, which is told, where an evaluator takes no more."""
    lone = [one.name for one in choices if not EVALUATORS.load_plugin(one.definition.evaluator).side_by_side]
    if jobs > 1 and lone:
        boundary.warn(f"{join_some(lone)}: the evaluator takes one version at a time, and so do all that run with it")
        return 1
    return jobs
