"""The gates of a merge, asked between the merge and its commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from git_theta.cli import boundary, eval_output
from git_theta.cli.eval_session import open_session
from git_theta.cli.listing import echo_line
from git_theta.cli.progress import Meter
from git_theta.errors import EvaluationError, UsageError
from git_theta.repository.evaluating.evaluations import EvaluationSession, EvaluationSettings
from git_theta.repository.evaluating.evaluator_choice import EvaluationChoice, keep_runnable
from git_theta.repository.evaluating.merge_gates import judge_merge, judge_tree, list_merge_gates
from git_theta.repository.evaluating.version_comparison import VersionComparison
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import HEAD, Head, resolve_head
from git_theta.vcs.merges import git_merge

_TRAILER = "Theta-Gate"
_REFUSED = """\
The merge is not committed. Commit it all the same: git commit. Or give it up: git merge --abort
Without its gates: git theta merge --no-gate, git merge --no-verify"""
_ROUND_REFUSED = """\
Nothing was created. Leave heads out: --exclude WHO. Hold it against another version: --against REV
Without its gates: git theta round close --no-gate"""
_Judge = Callable[[EvaluationSession, Sequence[EvaluationChoice], Sequence[Head]], Iterator[VersionComparison]]


class GateOptions(NamedTuple):
    """Whether gates are asked, and the version to hold the merge against in place of the best head."""

    ask: bool = True
    against: Head | None = None


class GateAnswer(NamedTuple):
    """Whether the merge may be committed, what was compared for that, and trailers of its message about it."""

    passed: bool
    compared: tuple[VersionComparison, ...] = ()
    trailers: tuple[str, ...] = ()


def read_gates(against: str | None, *, ask: bool) -> GateOptions:
    """What becomes of gates; the version to hold the merge against is looked up before anything is merged."""
    if against and not ask:
        raise UsageError("--no-gate and --against exclude each other", hint="Leave one of them out.")
    return GateOptions(ask, resolve_head(against) if against else None)


class _Merge(NamedTuple):
    """What is held to gates.

    Attributes:
        first: its first parent, whose gates are asked.
        heads: what is merged.
        judge: compares it with them.
        refused: what to do where a gate fails.
    """

    first: Head
    heads: Sequence[Head]
    judge: _Judge
    refused: str


def ask_gates(heads: Sequence[Head], options: GateOptions, repository: Repository, *, quiet: bool) -> GateAnswer:
    """Hold the merge that is under way to its gates, and say what came of that.

    ``quiet``: the tables are not printed. An evaluator that fails is a gate that does.
    """
    merge = _Merge(Head(HEAD, HEAD), heads, partial(judge_merge, repository=repository), _REFUSED)
    answer = _hold_to_gates(merge, options, repository, quiet=quiet)
    if answer.trailers:
        git_merge.add_trailers(repository, answer.trailers)
    return answer


def ask_round_gates(
    start: Head, heads: Sequence[Head], tree: str, options: GateOptions, repository: Repository, *, quiet: bool
) -> GateAnswer:
    """Hold what a round comes to, before it has a commit, to the gates of its start, as ``ask_gates`` does."""
    merge = _Merge(start, heads, partial(judge_tree, tree=tree), _ROUND_REFUSED)
    return _hold_to_gates(merge, options, repository, quiet=quiet)


def _hold_to_gates(merge: _Merge, options: GateOptions, repository: Repository, *, quiet: bool) -> GateAnswer:
    choices = list_merge_gates(repository, merge.first.commit)
    if not choices and options.against:
        boundary.warn(
            f"no evaluation of {merge.first.name} has a gate: nothing is held against {options.against.name}",
            hint='Gates stand in .theta/evals.toml, once it is committed: gate = ["mean >= before"]',
        )
    if not choices or not options.ask:
        return GateAnswer(True, trailers=tuple([f"{_TRAILER}: skipped {one.name}" for one in choices]))
    found: list[VersionComparison] = []
    failed = False
    try:
        runnable = keep_runnable(choices, boundary.warn)
        sides = [options.against] if options.against else merge.heads
        with open_session(repository, EvaluationSettings(revision=merge.first.commit), Meter()) as (session, _):
            for one in merge.judge(session, runnable, sides):
                found.append(one)
                if not quiet:
                    for line in eval_output.render_comparison(one):
                        echo_line(line)
    except (EvaluationError, UsageError) as error:
        boundary.warn_of(error)
        failed = True
    passed = not failed and all(one.passed for one in found)
    if not passed:
        boundary.say("the gates could not be asked" if failed else "a gate failed")
        boundary.say_hint(merge.refused)
    return GateAnswer(passed, tuple(found))
