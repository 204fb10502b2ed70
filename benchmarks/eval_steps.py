"""The rows of what is known of evaluations: versions are looked up, and two of them compared, and nothing runs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

from benchmarks.diff_steps import PYTHON
from benchmarks.models import Model
from benchmarks.results import WithinSeconds
from benchmarks.stages import Stage
from benchmarks.steps import Story, TimedStep, Tool, do_nothing
from git_theta.repository.evaluating.result_notes import NOTES_REF

ITEMS = 5_000
_KNOWN_SECONDS, _COMPARED_SECONDS = 0.15, 0.3
_NOTE_BYTES = 20_000
"""Of a note: the results of a version, with the scores of 5,000 items that are right or wrong."""
_RIGHT, _LOSS = "right", "loss"
_EVALUATOR = f"""\
import json, os, random, sys
with open(os.environ["THETA_CHECKPOINT"], "rb") as file:
    drawn = random.Random(file.read())
for number in range({ITEMS}):
    score = int(drawn.random() < 0.7) if sys.argv[1] == {_RIGHT!r} else drawn.gauss(2, 1)
    print(json.dumps({{"id": f"item-{{number:05}}", "score": score, "bucket": f"part {{number % 8}}"}}))
"""
_FLOOR: dict[str, Tool] = {PYTHON: lambda _: [sys.executable, "-I", "-c", "pass"]}


def eval_story(model: Model) -> Story:
    """Two versions of a toy that two evaluations of ITEMS items in eight buckets have seen: ``base`` and ``one``."""
    compared = ("git", "theta", "eval", "--compare", "base", "one")
    steps = (
        _step("a version", _KNOWN_SECONDS, _require_small_note, "git", "theta", "eval", _RIGHT, "one"),
        _step("compare 5,000 items, sign test", _COMPARED_SECONDS, do_nothing, *compared, _RIGHT),
        _step("compare 5,000 items, permutation test", _COMPARED_SECONDS, do_nothing, *compared, _LOSS),
    )
    return Story("toy", model, steps, repeats=4, rivals=(), opening=_evaluate_versions, part="evaluations")


def _step(name: str, seconds: float, prove: Callable[[Stage], None], *command: str) -> TimedStep:
    budgets = (WithinSeconds(seconds),)
    return TimedStep(name, do_nothing, lambda _: command, (), budgets, prove=prove, tools=_FLOOR, beside=(PYTHON,))


def _evaluate_versions(stage: Stage) -> None:
    stage.branch_versions()
    script = stage.folder / "evaluator.py"
    script.write_text(_EVALUATOR)
    for name in (_RIGHT, _LOSS):
        run = shlex.join([sys.executable, str(script), name])
        stage.repository.git("config", f"theta.eval.{name}.command", run)
    stage.repository.theta("eval", "base", "one")


def _require_small_note(stage: Stage) -> None:
    """No note is larger than it may be, but those that are scores themselves: a blob is the note of its own id."""
    listed = [line.split() for line in stage.repository.git("notes", f"--ref={NOTES_REF}", "list").stdout.splitlines()]
    notes = [blob for blob, target in listed if blob != target]
    sizes = [int(stage.repository.git("cat-file", "-s", blob).stdout) for blob in notes]
    if len(sizes) != 2 or max(sizes) > _NOTE_BYTES:
        raise RuntimeError(f"not two notes of at most {_NOTE_BYTES} bytes: {sizes}")
