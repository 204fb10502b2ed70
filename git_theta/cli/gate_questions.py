"""The gates of a merge, asked between the merge and its commit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from git_theta.cli import boundary, eval_output
from git_theta.cli.eval_session import open_session
from git_theta.cli.listing import echo_line
from git_theta.cli.progress import Meter
from git_theta.errors import EvaluationError, UsageError
from git_theta.repository.evaluating.evaluations import EvaluationSettings
from git_theta.repository.evaluating.evaluator_choice import keep_runnable
from git_theta.repository.evaluating.merge_gates import judge_merge, list_merge_gates
from git_theta.repository.evaluating.version_comparison import VersionComparison
from git_theta.vcs import git_merge
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import HEAD, Head

_TRAILER = "Theta-Gate"
_REFUSED = """\
The merge is not committed. Commit it all the same: git commit. Or give it up: git merge --abort
Without its gates: git theta merge --no-gate, git merge --no-verify"""


class GateOptions(NamedTuple):
    """Whether gates are asked, and the version to hold the merge against in place of the best head."""

    ask: bool = True
    against: Head | None = None


class GateAnswer(NamedTuple):
    """Whether the merge may be committed, and what was compared for that."""

    passed: bool
    compared: tuple[VersionComparison, ...] = ()


def ask_gates(heads: Sequence[Head], options: GateOptions, repository: Repository, *, quiet: bool) -> GateAnswer:
    """Hold the merge that is under way to its gates, and say what came of that.

    ``quiet``: the tables are not printed. An evaluator that fails is a gate that does.
    """
    choices = list_merge_gates(repository)
    if not choices:
        if options.against:
            boundary.warn(
                f"no evaluation of HEAD has a gate: nothing is held against {options.against.name}",
                hint='Gates stand in .theta/evals.toml, once it is committed: gate = ["mean >= before"]',
            )
        return GateAnswer(True)
    if not options.ask:
        git_merge.add_trailers(repository, [f"{_TRAILER}: skipped {one.name}" for one in choices])
        return GateAnswer(True)
    found: list[VersionComparison] = []
    failed = False
    try:
        runnable = keep_runnable(choices, boundary.warn)
        others = [options.against] if options.against else heads
        with open_session(repository, EvaluationSettings(revision=HEAD), Meter()) as (session, _):
            for one in judge_merge(session, runnable, others, repository):
                found.append(one)
                if not quiet:
                    for line in eval_output.render_comparison(one):
                        echo_line(line)
    except (EvaluationError, UsageError) as error:
        boundary.warn_of(error)
        failed = True
    if failed or not all(one.passed for one in found):
        boundary.say("a gate failed" if not failed else "the gates could not be asked")
        boundary.say_hint(_REFUSED)
        return GateAnswer(False, tuple(found))
    return GateAnswer(True, tuple(found))
