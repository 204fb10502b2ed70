"""Which evaluations there are here, and whether they may run: the project's file, and the person's configuration.

Nothing in a repository chooses a program (L10). What a person configures runs; what the tracked file says runs once the
person has allowed that very command, on this machine, by its digest; and again each time it changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from git_theta.errors import GitError, UsageError
from git_theta.evaluation.base import EVALUATORS
from git_theta.evaluation.definitions import (
    COMMAND,
    DEFINITIONS_FILE,
    SERVER,
    EvaluationDefinition,
    parse_seconds,
)
from git_theta.repository.evaluating.evaluation_sources import SETTINGS_PREFIX, read_definitions, read_settings
from git_theta.vcs.config import write_setting
from git_theta.vcs.discovery import Repository
from git_theta.vcs.remembered_settings import is_true
from git_theta.words import escape_unprintable, suggest_names

_ALLOWED = "allowed"


class Permission(Enum):
    """Whether an evaluation may run here."""

    CONFIGURED = "configured"
    ALLOWED = "allowed"
    CHANGED = "changed since it was allowed"
    ASKED = "not allowed"
    NOTHING = "without a command"

    @property
    def may_run(self) -> bool:
        """Whether somebody on this machine said so."""
        return self in (Permission.CONFIGURED, Permission.ALLOWED)


class EvaluationChoice(NamedTuple):
    """An evaluation as it would run here.

    Attributes:
        definition: what the project's file says, with the command, evaluator and timeout of the configuration where
            that has them.
        permission: whether it may run.
        tracked: whether the project's file has it.
    """

    definition: EvaluationDefinition
    permission: Permission
    tracked: bool

    @property
    def name(self) -> str:
        """What it is called."""
        return self.definition.name


def list_evaluations(repository: Repository, revision: str = "") -> dict[str, EvaluationChoice]:
    """The evaluations of the project and of the person, by name, sorted.

    Args:
        repository: the one to look in.
        revision: whose file counts; "" for that of the worktree, and HEAD's where there is no worktree.

    Raises UsageError for a file or a configuration that says what cannot be.
    """
    defined = read_definitions(repository, revision)
    settings = read_settings(repository)
    names = sorted(defined.keys() | {name for name, found in settings.items() if found.keys() != {_ALLOWED}})
    return {name: _choose(name, defined.get(name), settings.get(name, {})) for name in names}


def choose_evaluations(repository: Repository, names: Sequence[str]) -> list[EvaluationChoice]:
    """Those of these names; all of them for none.

    Raises UsageError for a name that is none, where there is no evaluation, and for one that may not run here.
    """
    known = list_evaluations(repository)
    if not known:
        raise UsageError("no evaluation is defined here", hint=f"Write [eval.NAME] into {DEFINITIONS_FILE}.")
    for name in names:
        require_known(name, known)
    chosen = [known[name] for name in (names or known)]
    for one in chosen:
        require_permission(one)
    return chosen


def require_known(name: str, known: dict[str, EvaluationChoice]) -> EvaluationChoice:
    """The evaluation of a name. Raises UsageError where there is none."""
    if name not in known:
        raise UsageError(f"no evaluation is called {name!r}", hint=suggest_names(name, known) if known else "")
    return known[name]


def require_permission(choice: EvaluationChoice) -> None:
    """Raise UsageError for an evaluation that nobody on this machine let run."""
    if not choice.permission.may_run:
        raise UsageError(describe_refusal(choice), hint=describe_permission_way(choice))


def keep_runnable(choices: Sequence[EvaluationChoice], warn: Callable[..., object]) -> list[EvaluationChoice]:
    """The evaluations that may run here; that gates of the others were not asked is told.

    Raises UsageError for one that is required.
    """
    for one in choices:
        if not one.permission.may_run:
            if one.definition.required:
                raise UsageError(f"{describe_refusal(one)}, and it is required", hint=describe_permission_way(one))
            warn(f"{describe_refusal(one)}: its gates were not asked", hint=describe_permission_way(one))
    return [one for one in choices if one.permission.may_run]


def describe_refusal(choice: EvaluationChoice) -> str:
    """Why an evaluation does not run here, as a sentence."""
    return f"the evaluation {choice.name} is {choice.permission.value}"


def describe_permission_way(choice: EvaluationChoice) -> str:
    """What lets an evaluation run."""
    if choice.permission is Permission.NOTHING:
        return f"Say what runs: git config {SETTINGS_PREFIX}{choice.name}.command 'python evaluate.py'"
    return f"It would run: {describe_program(choice.definition)}\nAllow that: git theta eval --allow {choice.name}"


def describe_program(definition: EvaluationDefinition) -> str:
    """What an evaluation runs, in words."""
    kind = "" if definition.evaluator == COMMAND else f"({definition.evaluator}) "
    return escape_unprintable(f"{kind}{definition.command or definition.evaluator}")


def allow_evaluation(repository: Repository, name: str) -> EvaluationChoice:
    """Let what the project's file has under a name run here. Raises UsageError where it has nothing."""
    found = require_known(name, list_evaluations(repository))
    defined = read_definitions(repository, "").get(name)
    if defined is None or not defined.runs_something:
        raise UsageError(
            f"{DEFINITIONS_FILE} says no command for {name}: there is nothing to allow",
            hint=describe_permission_way(found._replace(permission=Permission.NOTHING)),
        )
    write_setting("local", [f"{SETTINGS_PREFIX}{name}.{_ALLOWED}", defined.digest_program()], repository.home)
    return list_evaluations(repository)[name]


def revoke_permission(repository: Repository, name: str) -> bool:
    """Take back that an evaluation may run; whether it was allowed."""
    try:
        write_setting("local", ["--unset-all", f"{SETTINGS_PREFIX}{name}.{_ALLOWED}"], repository.home)
    except GitError:  # it was not set
        return False
    return True


def _choose(name: str, defined: EvaluationDefinition | None, settings: dict[str, str]) -> EvaluationChoice:
    definition = defined or EvaluationDefinition(name)
    if "timeout" in settings:
        timeout = parse_seconds(settings["timeout"], f"{SETTINGS_PREFIX}{name}.timeout")
        definition = definition._replace(timeout=timeout)
    if settings.keys() & {"command", "evaluator"}:
        serves = is_true(settings.get("server", "false"))
        kind = settings.get("evaluator") or (SERVER if serves else COMMAND)
        definition = definition._replace(command=settings.get("command", ""), evaluator=kind)
        permission = Permission.CONFIGURED if _says_what_runs(definition) else Permission.NOTHING
        return EvaluationChoice(definition, permission, defined is not None)
    return EvaluationChoice(definition, _find_permission(definition, settings.get(_ALLOWED)), defined is not None)


def _find_permission(definition: EvaluationDefinition, allowed: str | None) -> Permission:
    if not definition.runs_something:
        return Permission.NOTHING
    if allowed is None:
        return Permission.ASKED
    return Permission.ALLOWED if allowed == definition.digest_program() else Permission.CHANGED


def _says_what_runs(definition: EvaluationDefinition) -> bool:
    """Whether an evaluation that a person configured can run: a plug-in may do without a command."""
    return bool(definition.command) or not EVALUATORS.load_plugin(definition.evaluator).takes_command
