"""``.theta/evals.toml``: the tracked file in which a project says how its checkpoints are evaluated.

::

    [eval.classes]
    checkpoint = "*.safetensors"     # a glob or several; without it every checkpoint
    direction = "up"                 # whether a higher score is better ("up") or a lower one ("down")
    buckets = ["arabic", "german"]   # the only names that buckets may have; without it any
    gate = ["mean >= before - 0.005", "no bucket worse"]
    required = false                 # whether a merge waits where the evaluator may not run
    items = "evals/items.txt"        # the ids that are scored; without it what the evaluator has
    version = "2"                    # changed by hand where the evaluator changes: results of another one do not count
    timeout = 600                    # seconds that one checkpoint may take
    command = "python evals/classes.py"   # run once somebody has allowed it, by its digest
    server = false                   # whether it is told checkpoints on its standard input, one after another
    evaluator = "command"            # that of another package, in place of command and server

Whoever can push to a repository writes this file. What it would have run is run once the person allowed that very
thing on this machine (L10), and never by checkout, status, diff or log.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Literal, NamedTuple, cast

from git_theta.errors import UsageError
from git_theta.evaluation.gates import Gate, parse_gate
from git_theta.globs import path_matcher
from git_theta.tracked_toml import check_keys, parse_named_tables

DEFINITIONS_FILE = ".theta/evals.toml"
"""Its place, from the top of the worktree."""
Direction = Literal["up", "down"]
COMMAND, SERVER = "command", "server"
"""The evaluators that ship with us."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_KEYS = (
    "checkpoint", "direction", "buckets", "gate", "required", "items", "version", "timeout", "command", "server",
    "evaluator",
)  # fmt: skip


class EvaluationDefinition(NamedTuple):
    """One evaluation, as a project or a person defines it.

    Attributes:
        name: what it is called.
        checkpoints: globs of the checkpoints that it is for; none for all.
        direction: whether a higher score is better, or a lower one.
        buckets: the only names that buckets may have; none for any.
        gates: what a version has to hold against the one before.
        required: whether a merge waits where the evaluator may not run.
        items: a file of ids, from the top of the worktree and in it; "" for what the evaluator has.
        version: changed by hand, where the evaluator changes.
        timeout: seconds that one checkpoint may take; 0 for any.
        command: a line of sh; "" where the file has none.
        evaluator: the one of the family that runs it.
    """

    name: str
    checkpoints: tuple[str, ...] = ()
    direction: Direction = "up"
    buckets: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    required: bool = False
    items: str = ""
    version: str = ""
    timeout: float = 0
    command: str = ""
    evaluator: str = COMMAND

    @property
    def runs_something(self) -> bool:
        """Whether the definition says what to run."""
        return bool(self.command) or self.evaluator not in (COMMAND, SERVER)

    def digest_program(self) -> str:
        """What a person allows: the SHA-256, in hex, of the evaluator and the command."""
        return digest_program(self.evaluator, self.command)


def digest_program(evaluator: str, command: str) -> str:
    """The SHA-256, in hex, of what would run (docs/spec/eval.md)."""
    return hashlib.sha256(json.dumps([evaluator, command]).encode()).hexdigest()


def is_evaluation_name(text: str) -> bool:
    """Whether an evaluation may be called so: letters, digits, - and _."""
    return _NAME.fullmatch(text) is not None


def parse_definitions(content: bytes) -> dict[str, EvaluationDefinition]:
    """The evaluations that a file defines, by name, in its order.

    Raises UsageError, with the path and the name, for anything that is none.
    """
    return parse_named_tables(content, DEFINITIONS_FILE, "eval", "evaluations", _parse_definition)


def _parse_definition(name: str, data: dict[str, Any]) -> EvaluationDefinition:
    try:
        if not is_evaluation_name(name):
            raise UsageError("is no name of an evaluation", hint="Letters, digits, - and _.")
        check_keys(data, _KEYS)
        globs, gates = _read_texts(data, "checkpoint"), _read_texts(data, "gate")
        path_matcher(globs)
        return EvaluationDefinition(
            name,
            globs,
            _read_direction(data),
            _read_texts(data, "buckets"),
            tuple([parse_gate(gate) for gate in gates]),
            _read_flag(data, "required"),
            _read_text(data, "items"),
            _read_text(data, "version"),
            parse_seconds(data.get("timeout", 0), "timeout"),
            _read_text(data, "command"),
            _read_text(data, "evaluator") or (SERVER if _read_flag(data, "server") else COMMAND),
        )
    except UsageError as error:
        raise UsageError(f"eval.{name}: {error.message}", hint=error.hint) from None


def _read_direction(data: dict[str, Any]) -> Direction:
    direction = data.get("direction", "up")
    if direction not in ("up", "down"):
        raise UsageError("direction is neither up nor down", hint='A higher score is better: "up"; a lower: "down".')
    return cast(Direction, direction)


def _read_texts(data: dict[str, Any], key: str) -> tuple[str, ...]:
    given = data.get(key, [])
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise UsageError(f"{key} is neither a text nor a list of texts")
    return tuple(texts)


def _read_text(data: dict[str, Any], key: str) -> str:
    text = data.get(key, "")
    if not isinstance(text, str) or "\0" in text:
        raise UsageError(f"{key} is no text", hint=f'Write {key} = "..."')
    return text


def _read_flag(data: dict[str, Any], key: str) -> bool:
    flag = data.get(key, False)
    if not isinstance(flag, bool):
        raise UsageError(f"{key} is neither true nor false")
    return flag


def parse_seconds(given: Any, key: str) -> float:
    """Seconds as a file or Git's configuration gives them. Raises UsageError for what are none."""
    try:
        seconds = float(given) if not isinstance(given, bool) else -1.0
    except (TypeError, ValueError, OverflowError):
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"{key} is no number of seconds: {given!r}", hint="0 is any time.")
    return seconds
