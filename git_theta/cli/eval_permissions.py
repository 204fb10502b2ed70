"""``git theta eval --list``, ``--allow``, ``--forget``, ``--sync``: which evaluations may run, what is kept of them."""

from __future__ import annotations

from git_theta.cli import boundary, eval_json, eval_output
from git_theta.cli.eval_words import EvalOptions
from git_theta.cli.install import install_hook
from git_theta.cli.listing import echo_json, echo_line
from git_theta.repository.evaluating.evaluator_choice import (
    allow_evaluation,
    describe_program,
    list_evaluations,
    require_known,
    require_permission,
    revoke_permission,
)
from git_theta.repository.evaluating.result_notes import ResultNotes
from git_theta.vcs import hooks
from git_theta.vcs.discovery import Repository
from git_theta.words import pluralize

_FORGOTTEN_HERE = "That is here; on a remote, and then in other clones, by git theta eval --sync"


def _list_all(repository: Repository, _: object, options: EvalOptions) -> int:
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


def _allow_name(repository: Repository, name: str, _: EvalOptions) -> int:
    allowed = allow_evaluation(repository, name)
    require_permission(allowed)
    echo_line(f"{name} may run here: {describe_program(allowed.definition)}")
    boundary.say_hint("This holds for the command as it is written, not for the files that it reads.")
    if allowed.definition.gates and repository.worktree:  # no merge waits for its commit where there is none
        install_hook(repository, hooks.MERGE_HOOK_NAME)
    return 0


def _forget_name(repository: Repository, name: str, _: EvalOptions) -> int:
    was_allowed = revoke_permission(repository, name)
    with ResultNotes(repository, boundary.warn) as notes:
        count = notes.forget_results(name)
    if not was_allowed and not count:
        require_known(name, list_evaluations(repository))
    echo_line(f"{name}: {pluralize(count, 'result')} dropped{', and it may not run any more' if was_allowed else ''}")
    if count:
        boundary.say_hint(_FORGOTTEN_HERE)
    return 0


def _sync_remote(repository: Repository, remote: str, _: EvalOptions) -> int:
    with ResultNotes(repository, boundary.warn) as notes:
        there = notes.sync(remote)
        count = notes.count_results()
    said = f"{pluralize(count, 'result')} here and on {remote}"
    echo_line(said if there else f"there are no results, here or on {remote}")
    return 0


ADMINISTER = {"list": _list_all, "allow": _allow_name, "forget": _forget_name, "sync": _sync_remote}
"""What these options of `git theta eval` do, by name; each gives the exit code."""
