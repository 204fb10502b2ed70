"""The rows of comparing: names alone beside what Git and Python cost by themselves, values beside reading them."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks.models import TUNED, Model, ModelVersion
from benchmarks.reading import READ, read_tuned, read_versions
from benchmarks.results import OURS, WithinRatio, WithinSeconds, WithinTerms
from benchmarks.stages import FILE_NAME, Stage
from benchmarks.steps import Story, TimedStep, Tool, do_nothing
from benchmarks.timing import Command
from git_theta.manifest.text import decode_manifest

GIT, PYTHON, NAMES = "git diff", "python", "names"
READ_OFTEN, READ_ONCE = "read 21 times", "read once"

LAYERS = 111
"""Of a model with 1,001 parameters."""
_NAMES_SECONDS = 0.150
"""Seconds that the names of a thousand parameters may take."""
_TEXT = "manifest.txt"


def names_story(model: Model) -> Story:
    """What differs between two versions of a thousand parameters, by their ids: ``model`` has LAYERS layers."""
    rows = (_names_step("names, one parameter changed", "one"), _names_step("names, all parameters changed", "all"))
    return Story("toy", model, rows, repeats=4, rivals=(), opening=Stage.branch_versions, part="diffs")


def values_story(title: str, model: Model) -> Story:
    """What differs between two versions of a large checkpoint of LAYERS layers, and by how much."""
    beside: dict[str, Tool] = {
        NAMES: _our_names_command,
        READ_OFTEN: read_tuned(*("base", "one") * 10, "base"),
        READ_ONCE: read_tuned("base"),
    }
    rows = (
        TimedStep(
            "git diff, one parameter changed",
            do_nothing,
            lambda _: ["git", "diff", "base", "one"],
            (),
            (WithinTerms(((2, NAMES), (0.1, READ_OFTEN), (-0.1, READ_ONCE))),),
            prove=_require_tuned_measured,
            tools=beside,
            beside=tuple(beside),
        ),
        TimedStep(
            "values, all parameters changed",
            do_nothing,
            lambda _: ["git", "theta", "diff", "base", "all"],
            (READ,),
            (WithinRatio(2, (READ,)),),
            prove=_require_changes("all"),
            tools={READ: read_versions("base", "all")},
        ),
    )
    return Story(title, model, rows, rivals=(), opening=Stage.branch_versions, part="diffs")


def _names_step(step: str, version: ModelVersion) -> TimedStep:
    floor: dict[str, Tool] = {
        GIT: _diff_manifest_texts(version),
        PYTHON: lambda _: [sys.executable, "-I", "-c", "pass"],
    }
    return TimedStep(
        step,
        do_nothing,
        lambda _: ["git", "theta", "diff", "base", version, "--stat"],
        (),
        (WithinSeconds(_NAMES_SECONDS),),
        prove=_require_changes(version),
        tools=floor,
        beside=tuple(floor),
    )


def _our_names_command(stage: Stage) -> Command:
    """The names of what differs in ``one``, in our stage's repository."""
    return ["git", "-C", stage.stage_of(OURS).root, "theta", "diff", "base", "one", "--stat"]


def _diff_manifest_texts(version: ModelVersion) -> Tool:
    """Git alone, on two text files that hold what it holds of our checkpoints: their manifests."""

    def prepare(stage: Stage) -> Command:
        for each in ("base", version):
            text = _read_manifest(stage.stage_of(OURS), each)
            stage.repository.write(_TEXT, text)
            stage.repository.git("add", _TEXT)
            stage.commit()
        return ["git", "diff", "--stat", "HEAD~1", "HEAD"]

    return prepare


def _read_manifest(stage: Stage, version: ModelVersion) -> bytes:
    return stage.repository.git("cat-file", "blob", f"{version}:{FILE_NAME}").stdout.encode()


def _require_changes(version: ModelVersion) -> Callable[[Stage], None]:
    """Every parameter differs in ``all``, one in ``one``."""

    def prove(stage: Stage) -> None:
        names = [entry.name for entry in decode_manifest(_read_manifest(stage, version)).parameters()]
        expected = names if version == "all" else [TUNED]
        said = stage.repository.theta("diff", "base", version, "--name-only").stdout.splitlines()
        if said != [f"{FILE_NAME}\t{name}" for name in expected]:
            raise RuntimeError(f"not what differs in {version}: {said}")

    return prove


def _require_tuned_measured(stage: Stage) -> None:
    head, *lines = stage.repository.git("diff", "base", "one").stdout.splitlines()
    rows = [line.split()[1] for line in lines if line.startswith("~ ")]
    if not head.startswith("diff --theta") or rows != [TUNED]:
        raise RuntimeError(f"not our report on {TUNED}: {head} {rows}")
