"""``git theta eval``: what evaluators of the person's say of versions, compared and held to gates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from git_theta.cli import boundary, eval_json, eval_output
from git_theta.cli.eval_session import open_session
from git_theta.cli.install import install_hook
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.cli.output_files import require_writable
from git_theta.cli.progress import Meter
from git_theta.cli.revision_arguments import RevisionCommand, explicit_paths, split_arguments
from git_theta.errors import UsageError
from git_theta.evaluation.base import EVALUATORS
from git_theta.evaluation.comparison import ALPHA, ComparisonSettings
from git_theta.globs import name_matcher
from git_theta.operations.context import Context
from git_theta.repository.evaluating.evaluated_versions import EvaluatedVersion, list_versions
from git_theta.repository.evaluating.evaluations import (
    EvaluatedCheckpoint,
    EvaluationSession,
    EvaluationSettings,
    match_evaluations,
)
from git_theta.repository.evaluating.evaluator_choice import (
    EvaluationChoice,
    allow_evaluation,
    choose_evaluations,
    describe_program,
    keep_runnable,
    list_evaluations,
    require_known,
    require_permission,
    revoke_permission,
)
from git_theta.repository.evaluating.result_notes import ResultNotes
from git_theta.repository.evaluating.version_comparison import VersionComparison, compare_versions
from git_theta.vcs import hooks
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.revisions import commit_ids, is_inside_worktree
from git_theta.words import join_some, pluralize, suggest_names

_GATE_FAILED = 1
_FORGOTTEN_HERE = "That is here; on a remote, and then in other clones, by git theta eval --sync"
_ONE_OF = ("compare", "gate", "list", "allow", "forget", "sync")


class _EvalOptions(NamedTuple):
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


@click.command(cls=RevisionCommand)
@click.argument("words", nargs=-1, metavar="[NAME]... [REVISION]... [--] [PATH]...")
@click.option("--compare", nargs=2, metavar="A B", help="Compare two versions, item by item.")
@click.option("--gate", metavar="BASE..HEAD", help="Compare the two ends of a range; exit 1 where a gate fails.")
@click.option("--by", multiple=True, metavar="GLOB", help="Show these buckets alone; can be repeated.")
@click.option("--alpha", type=float, default=ALPHA, metavar="N", help=f"What counts as chance; {ALPHA} by default.")
@click.option("--seed", type=int, default=0, metavar="SEED", help="Of permutation tests; 0 by default.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write the comparison as a page.")
@click.option("--items", type=click.Path(path_type=Path), metavar="FILE", help="Score these items alone: an id a line.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Score the first N items alone.")
@click.option("--rerun", is_flag=True, help="Evaluate anew what is known.")
@click.option(
    "-j",
    "jobs",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Evaluate N versions at a time; 1 by default.",
)
@json_option
@click.option("--list", "list_", is_flag=True, help="List the evaluations, and which may run here.")
@click.option("--allow", metavar="NAME", help="Let what .theta/evals.toml has under NAME run here.")
@click.option("--forget", metavar="NAME", help="Take that back, and drop the results of NAME.")
@click.option(
    "--sync", is_flag=False, flag_value="origin", metavar="REMOTE", help="Exchange results with a remote (origin)."
)
def command(words: tuple[str, ...], **given: Any) -> int:
    """Evaluate versions of checkpoints by your own evaluators.

    NAME is an evaluation of .theta/evals.toml or of your configuration; without it all of them. REVISION is a branch,
    tag, commit or range (each of its commits); without it HEAD. PATH limits these to checkpoints there; without a
    REVISION it is a file or folder of shards, found anywhere. What is known of the same contents is not run again.

    \b
        git theta eval main..HEAD
        git theta eval --compare main HEAD
    """  # noqa: D301
    actions = {name: given.pop("list_" if name == "list" else name) for name in _ONE_OF}
    named = [name for name, value in actions.items() if value]
    if len(named) > 1:
        raise UsageError(f"--{named[0]} and --{named[1]} exclude each other", hint="Run it once for each.")
    options = _EvalOptions(**given | {"limit": given["limit"] or 0})
    _check_options(options)
    action = named[0] if named else ""
    if action and options.jobs > 1:
        raise UsageError(
            f"--{action} and -j exclude each other", hint="Evaluate the versions first: git theta eval -j N"
        )
    repository = discover_repository()
    if action in ("list", "allow", "forget", "sync"):
        if words:
            raise UsageError(f"--{action} takes no {words[0]!r}", hint="git theta eval -h")
        return _ADMINISTER[action](repository, actions[action], options)
    if action:
        sides = actions["compare"] or _split_range(actions["gate"])
        return _compare_sides(repository, sides, words, options, is_gate=action == "gate")
    return _evaluate_words(repository, words, options)


def _check_options(options: _EvalOptions) -> None:
    require_writable(options.html)
    if not 0 < options.alpha < 1:
        raise UsageError(f"--alpha is a probability, and {options.alpha} is none", hint="Usual: 0.05")


def _evaluate_words(repository: Repository, words: Sequence[str], options: _EvalOptions) -> int:
    names, rest = _split_names(repository, words)
    revisions, paths = split_arguments(rest) if is_inside_worktree() else (list(rest), explicit_paths() or [])
    choices = choose_evaluations(repository, names)
    _require_revisions(revisions, list_evaluations(repository))
    with open_session(repository, options.settings, Meter()) as (session, context):
        pairs = match_evaluations(list_versions(revisions, paths, context), choices)
        found = []
        for one in _evaluate_pairs(session, pairs, _limit_jobs(options.jobs, choices)):
            found.append(one)
            if not options.as_json:
                for line in eval_output.render_evaluated(found[-1], options.by, with_buckets=len(pairs) == 1):
                    echo_line(line)
    if options.as_json:
        echo_json(eval_json.evaluations_json(found))
    _warn_unmatched(options.by, (name for one in found for name in one.result.buckets))
    return 0


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


def _compare_sides(
    repository: Repository, sides: Sequence[str], words: Sequence[str], options: _EvalOptions, *, is_gate: bool
) -> int:
    names, rest = _split_names(repository, words)
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
    _warn_unmatched(options.by, (row.bucket for one in found for row in one.compared.buckets))
    return 0 if all(one.passed for one in found) else _GATE_FAILED


def _read_side(side: str, paths: Sequence[str], context: Context) -> list[EvaluatedVersion]:
    """The checkpoints of one side of a comparison: of a revision, or a file found anywhere."""
    revisions, files = split_arguments([side]) if not paths and is_inside_worktree() else ([side], [])
    return list_versions(revisions, files or paths, context)


def _split_range(word: str) -> tuple[str, str]:
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


def _split_names(repository: Repository, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names of evaluations that begin the line, and the rest. A branch of such a name is refs/heads/NAME."""
    known = list_evaluations(repository)
    count = next((at for at, word in enumerate(words) if word not in known), len(words))
    return list(words[:count]), list(words[count:])


def _require_revisions(words: Sequence[str], known: Mapping[str, EvaluationChoice]) -> None:
    """Raise UsageError for a word that is no revision; it may be meant for an evaluation, or for a file."""
    for word in words:
        try:
            commit_ids([word])
        except UsageError as error:
            names = f"\nEvaluations come first. {suggest_names(word, known)}" if known else ""
            raise UsageError(error.message, hint=f"{error.hint}{names}") from None


def _warn_unmatched(globs: Sequence[str], buckets: Iterable[str]) -> None:
    """Say which globs of ``--by`` match no bucket at all."""
    names = sorted(set(buckets))
    for glob in globs:
        if not any(map(name_matcher([glob]), names)):
            boundary.warn(f"{glob!r} matches no bucket", hint=f"There is: {join_some(names)}." if names else "")


def _list_all(repository: Repository, _: object, options: _EvalOptions) -> int:
    known = list_evaluations(repository)
    if options.as_json:
        echo_json(eval_json.choices_json(known.values()))
        return 0
    for one in known.values():
        for line in eval_output.render_choice(one):
            echo_line(line)
    if not known:
        boundary.say_hint("no evaluation is defined here: write [eval.NAME] into .theta/evals.toml")
    return 0


def _allow_name(repository: Repository, name: str, _: _EvalOptions) -> int:
    allowed = allow_evaluation(repository, name)
    require_permission(allowed)
    echo_line(f"{name} may run here: {describe_program(allowed.definition)}")
    boundary.say_hint("This holds for the command as it is written, not for the files that it reads.")
    if allowed.definition.gates and repository.worktree:  # no merge waits for its commit where there is none
        install_hook(repository, hooks.MERGE_HOOK_NAME)
    return 0


def _forget_name(repository: Repository, name: str, _: _EvalOptions) -> int:
    was_allowed = revoke_permission(repository, name)
    with ResultNotes(repository, boundary.warn) as notes:
        count = notes.forget_results(name)
    if not was_allowed and not count:
        require_known(name, list_evaluations(repository))
    echo_line(f"{name}: {pluralize(count, 'result')} dropped{', and it may not run any more' if was_allowed else ''}")
    if count:
        boundary.say_hint(_FORGOTTEN_HERE)
    return 0


def _sync_remote(repository: Repository, remote: str, _: _EvalOptions) -> int:
    with ResultNotes(repository, boundary.warn) as notes:
        there = notes.sync(remote)
        count = notes.count_results()
    said = f"{pluralize(count, 'result')} here and on {remote}"
    echo_line(said if there else f"there are no results, here or on {remote}")
    return 0


_ADMINISTER = {"list": _list_all, "allow": _allow_name, "forget": _forget_name, "sync": _sync_remote}
