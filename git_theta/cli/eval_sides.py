"""``git theta eval --compare`` and ``--gate``: two versions, item by item."""

from __future__ import annotations

from collections.abc import Sequence

from git_theta.cli import boundary, eval_json, eval_output
from git_theta.cli.eval_session import open_session
from git_theta.cli.eval_words import EvalOptions, split_names, warn_unmatched_buckets
from git_theta.cli.listing import echo_json, echo_line
from git_theta.cli.progress import Meter
from git_theta.cli.revision_arguments import explicit_paths, split_arguments
from git_theta.errors import UsageError
from git_theta.evaluation.comparison import ComparisonSettings
from git_theta.operations.context import Context
from git_theta.repository.evaluating.evaluated_versions import EvaluatedVersion, list_versions
from git_theta.repository.evaluating.evaluator_choice import (
    EvaluationChoice,
    choose_evaluations,
    keep_runnable,
    list_evaluations,
    require_known,
)
from git_theta.repository.evaluating.version_comparison import VersionComparison, compare_versions
from git_theta.vcs.discovery import Repository
from git_theta.vcs.revisions import is_inside_worktree

_GATE_FAILED = 1


def compare_sides(
    repository: Repository, sides: Sequence[str], words: Sequence[str], options: EvalOptions, *, is_gate: bool
) -> int:
    """Compare two versions by the evaluations that the words name; the exit code: 1 where a gate fails."""
    names, rest = split_names(repository, words)
    if rest:
        raise UsageError(f"{rest[0]!r} is no evaluation", hint="Paths come behind --; which there are: --list")
    paths = explicit_paths() or []
    choices = _choose_for_gate(repository, names) if is_gate else choose_evaluations(repository, names)
    if not choices:
        return 0
    found: list[VersionComparison] = []
    with open_session(repository, options.settings, Meter()) as (session, context):
        before, after = (_read_side(side, paths, context) for side in sides)
        settings = ComparisonSettings(alpha=options.alpha, seed=options.seed)
        for one in compare_versions(session, before, after, choices, settings):
            found.append(one)
            if not options.as_json:
                for line in eval_output.render_comparison(one, options.by):
                    echo_line(line)
    if options.html:
        eval_output.write_page(options.html, found, options.by)
    if options.as_json:
        echo_json(eval_json.comparisons_json(found, options.by))
    warn_unmatched_buckets(options.by, (row.bucket for one in found for row in one.compared.buckets))
    return 0 if all(one.passed for one in found) else _GATE_FAILED


def _read_side(side: str, paths: Sequence[str], context: Context) -> list[EvaluatedVersion]:
    """The checkpoints of one side of a comparison: of a revision, or a file found anywhere."""
    revisions, files = split_arguments([side]) if not paths and is_inside_worktree() else ([side], [])
    return list_versions(revisions, files or paths, context)


def split_range(word: str) -> tuple[str, str]:
    """The two ends of a range, HEAD where the second is left out. Raises UsageError for what is none."""
    before, dots, after = word.partition("..")
    if not dots or not before or after.startswith("."):
        raise UsageError(f"{word!r} is no BASE..HEAD", hint="For example: --gate main..HEAD")
    return before, after or "HEAD"


def _choose_for_gate(repository: Repository, names: Sequence[str]) -> list[EvaluationChoice]:
    """The evaluations whose gates are asked. One that may not run here is told of, and fails where it is required."""
    known = list_evaluations(repository)
    chosen = [require_known(name, known) for name in names] or [one for one in known.values() if one.definition.gates]
    if not chosen:
        raise UsageError("no evaluation here has a gate", hint='Write gate = ["mean >= before"] in .theta/evals.toml.')
    return keep_runnable(chosen, boundary.warn)
