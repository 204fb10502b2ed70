"""The rows of comparing: names alone beside what Git and Python cost by themselves, values beside reading them."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks.models import TUNED, Model, Version
from benchmarks.reading import READ, read, read_tuned
from benchmarks.results import OURS, AtMost, Takes, Within
from benchmarks.stages import NAME, Stage
from benchmarks.steps import Row, Story, Tool, nothing
from benchmarks.timing import Command
from git_theta.manifest.text import loads

GIT, PYTHON, NAMES = "git diff", "python", "names"
OFTEN, ONCE = "read 21 times", "read once"

LAYERS = 111
"""Of a model with 1,001 parameters."""
_AT_ONCE = 0.150
"""Seconds that the names of a thousand parameters may take."""
_TEXT = "manifest.txt"


def names_story(model: Model) -> Story:
    """What differs between two versions of a thousand parameters, by their ids: ``model`` has LAYERS layers."""
    rows = (_names("names, one parameter changed", "one"), _names("names, all parameters changed", "all"))
    return Story("toy", model, rows, repeats=4, rivals=(), opening=Stage.branch, part="diffs")


def values_story(title: str, model: Model) -> Story:
    """What differs between two versions of a large checkpoint of LAYERS layers, and by how much."""
    beside: dict[str, Tool] = {
        NAMES: _names_of_ours,
        OFTEN: read_tuned(*("base", "one") * 10, "base"),
        ONCE: read_tuned("base"),
    }
    rows = (
        Row(
            "git diff, one parameter changed",
            nothing,
            lambda _: ["git", "diff", "base", "one"],
            (),
            (AtMost(((2, NAMES), (0.1, OFTEN), (-0.1, ONCE))),),
            prove=_measures_the_tuned,
            tools=beside,
            beside=tuple(beside),
        ),
        Row(
            "values, all parameters changed",
            nothing,
            lambda _: ["git", "theta", "diff", "base", "all"],
            (READ,),
            (Within(2, (READ,)),),
            prove=_differs_in("all"),
            tools={READ: read("base", "all")},
        ),
    )
    return Story(title, model, rows, rivals=(), opening=Stage.branch, part="diffs")


def _names(step: str, version: Version) -> Row:
    floor: dict[str, Tool] = {GIT: _texts(version), PYTHON: lambda _: [sys.executable, "-I", "-c", "pass"]}
    return Row(
        step,
        nothing,
        lambda _: ["git", "theta", "diff", "base", version, "--stat"],
        (),
        (Takes(_AT_ONCE),),
        prove=_differs_in(version),
        tools=floor,
        beside=tuple(floor),
    )


def _names_of_ours(stage: Stage) -> Command:
    """The names of what differs in ``one``, in our stage's repository."""
    return ["git", "-C", stage.beside(OURS).root, "theta", "diff", "base", "one", "--stat"]


def _texts(version: Version) -> Tool:
    """Git alone, on two text files that hold what it holds of our checkpoints: their manifests."""

    def prepare(stage: Stage) -> Command:
        for each in ("base", version):
            text = _manifest(stage.beside(OURS), each)
            stage.repository.write(_TEXT, text)
            stage.repository.git("add", _TEXT)
            stage.commit()
        return ["git", "diff", "--stat", "HEAD~1", "HEAD"]

    return prepare


def _manifest(stage: Stage, version: Version) -> bytes:
    return stage.repository.git("cat-file", "blob", f"{version}:{NAME}").stdout.encode()


def _differs_in(version: Version) -> Callable[[Stage], None]:
    """Every parameter differs in ``all``, one in ``one``."""

    def prove(stage: Stage) -> None:
        names = [entry.name for entry in loads(_manifest(stage, version)).parameters()]
        expected = names if version == "all" else [TUNED]
        said = stage.repository.theta("diff", "base", version, "--name-only").stdout.splitlines()
        if said != [f"{NAME}\t{name}" for name in expected]:
            raise RuntimeError(f"not what differs in {version}: {said}")

    return prove


def _measures_the_tuned(stage: Stage) -> None:
    head, *lines = stage.repository.git("diff", "base", "one").stdout.splitlines()
    rows = [line.split()[1] for line in lines if line.startswith("~ ")]
    if not head.startswith("diff --theta") or rows != [TUNED]:
        raise RuntimeError(f"not our report on {TUNED}: {head} {rows}")
