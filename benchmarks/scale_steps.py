"""The rows of very many parameters: what every command costs for a mixture of experts with a tensor per expert."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.models import Model, mixture_shapes, write_versions
from benchmarks.results import MB, WithinSeconds
from benchmarks.stages import FILE_NAME, Stage
from benchmarks.steps import Story, TimedStep, do_nothing

PARAMETERS = 100_000
_SECONDS = 10
_MEMORY = 300 * MB
"""Bytes that a process of ours, or of Git, may have resident: Git holds manifests of 34 MB, and three in a merge."""


def build_mixture(folder: Path, parameters: int = PARAMETERS) -> Model:
    """The checkpoints, in ``folder`` (made here): heads that changed all parameters, one, and every other one."""
    shapes = mixture_shapes(parameters)
    return write_versions(folder, "F32", shapes, ("base", "one", "a", "b", "left", "right"))


def scale_story(title: str, model: Model) -> Story:
    """Each command once; ``model`` is from ``build_mixture``."""
    steps = (
        _step("add, new", lambda stage: stage.place_version("base"), "git", "add", FILE_NAME),
        _step("status, touched", _commit_and_touch, "git", "status", "--porcelain"),
        _step("diff, names of all", Stage.branch_versions, "git", "theta", "diff", "--stat", "base", "a"),
        _step("diff, one parameter changed", do_nothing, "git", "diff", "base", "one"),
        _step("merge of other parameters", _check_out("left"), "git", "merge", "--quiet", "right"),
        _step("merge, all contested", _check_out("a"), "sh", "-c", "git merge --quiet b; test $? -eq 1"),
        _step("fsck", _check_out("base"), "git", "theta", "fsck"),
    )
    return Story(title, model, steps, rivals=(), part="scale", git_memory=_MEMORY)


def _step(name: str, prepare: Callable[[Stage], None], *command: str) -> TimedStep:
    return TimedStep(name, prepare, lambda _: command, (), (WithinSeconds(_SECONDS),), memory=_MEMORY)


def _commit_and_touch(stage: Stage) -> None:
    stage.commit()
    stage.touch()


def _check_out(version: str) -> Callable[[Stage], None]:
    def prepare(stage: Stage) -> None:
        stage.repository.git("checkout", "--quiet", "--force", "-B", "work", version)

    return prepare
