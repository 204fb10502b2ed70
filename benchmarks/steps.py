"""Every step that is measured: what prepares it, the command, and what ours must hold (the design's budgets)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.models import Model, Version
from benchmarks.results import LFS, MEMORY, OURS, Budget, Over, Part, StartsNoFilter, Stores, Within
from benchmarks.stages import NAME, Stage
from benchmarks.timing import Command

_TUNED = 1.1
"""Bytes stored for one changed tensor, as a share of its size: it, the manifest, and what we remember of it."""


Tool = Callable[[Stage], Command]
"""Prepares its stage, which is not measured, and says what to run."""


def _cp(stage: Stage) -> Command:
    copy = stage.folder / "copy"
    copy.unlink(missing_ok=True)
    return ["cp", stage.model.files["base"], copy]


TOOLS: Mapping[str, Tool] = {
    "cp": _cp,
    "openssl": lambda stage: ["openssl", "dgst", "-sha256", stage.model.files["base"]],
}
"""What hardware and kernel allow: to write the bytes, to hash them."""


def nothing(_: Stage) -> None:
    """Where there is nothing to prepare: the step starts where the last one ended."""


@dataclass(frozen=True)
class Row:
    """One step of a story; the same for everybody who takes part.

    Attributes:
        step: what it is called.
        prepare: brings a stage to where the step starts; not measured.
        command: what is measured, at the top of the repository.
        bound: tools (or plain ``git``) that do the least that this takes.
        budgets: what ours must hold.
        leaves: a file below the stage's folder, and the version that it must hold afterwards.
        prove: looks at our stage after the step, and raises if that did not do its work.
        tools: what takes part without a repository of its own kind.
        beside: tools that are compared with, and bound nothing.
        memory: bytes that a process of ours may have resident at most.
        once: tools that are so slow that they take part in the first round alone.
    """

    step: str
    prepare: Callable[[Stage], None]
    command: Callable[[Stage], Command]
    bound: tuple[str, ...]
    budgets: tuple[Budget, ...] = ()
    leaves: tuple[str, Version] | None = None
    prove: Callable[[Stage], None] = nothing
    tools: Mapping[str, Tool] = field(default_factory=lambda: TOOLS)
    beside: tuple[str, ...] = ()
    memory: int = MEMORY[OURS]
    once: tuple[str, ...] = ()


@dataclass(frozen=True)
class Story:
    """Steps that follow from each other, taken anew in each round.

    Attributes:
        title: what they are taken with.
        model: the checkpoint.
        rows: the steps.
        repeats: rounds for each one asked for; more where a step takes milliseconds.
        rivals: filters that take the same steps as ours.
        opening: brings a filter's stage to where the story starts; not measured.
        part: of the page of results that it is told in.
    """

    title: str
    model: Model
    rows: tuple[Row, ...]
    repeats: int = 1
    rivals: tuple[str, ...] = (LFS,)
    opening: Callable[[Stage], None] = nothing
    part: Part = "benchmarks"

    def contenders(self, row: Row) -> list[str]:
        """Who takes part in a step."""
        return [OURS, *self.rivals, *row.bound, *row.beside]


def checkpoint_story(title: str, model: Model) -> Story:
    """A large checkpoint through everything that people do with it."""
    both = ("cp", "openssl")
    tensor = Stores(int(_TUNED * model.tuned_bytes))
    half = Within(0.6, (LFS,))
    return Story(
        title,
        model,
        (
            Row("add, new", _placed("base"), _add, both, (half, Within(2.5, both))),
            Row("add, one tensor changed", _placed("one"), _add, ("openssl",), (Within(0.25, (LFS,)), tensor)),
            Row("add, all tensors changed", _placed("all"), _add, both, (half, Within(2.5, both))),
            Row("status, untouched", Stage.commit, _status, (), (StartsNoFilter(),)),
            Row("status, touched", Stage.touch, _status, ("openssl",)),
            Row("checkout, an older version", nothing, _older, both, (half,), (f"repository/{NAME}", "base")),
            Row("checkout, back", nothing, _newer, both, (half,), (f"repository/{NAME}", "all")),
            Row("clone from a directory", nothing, _clone, both, (), (f"clone/{NAME}", "all")),
        ),
    )


def toy_story(model: Model) -> Story:
    """A model so small that only what it costs to ask is left."""
    return Story(
        "toy",
        model,
        (
            Row("status, untouched", _added, _status, ("git",), (StartsNoFilter(),)),
            Row("status, touched", Stage.touch, _status, ("git",), (Over(0.060, "git"),)),
        ),
        repeats=4,
    )


def _placed(version: Version) -> Callable[[Stage], None]:
    def prepare(stage: Stage) -> None:
        stage.commit()
        stage.place(version)

    return prepare


def _added(stage: Stage) -> None:
    stage.place("base")
    stage.repository.git("add", NAME)
    stage.commit()


def _add(_: Stage) -> Command:
    return ["git", "add", NAME]


def _status(_: Stage) -> Command:
    return ["git", "status", "--porcelain"]


def _older(_: Stage) -> Command:
    return ["git", "checkout", "--quiet", "main~2"]


def _newer(_: Stage) -> Command:
    return ["git", "checkout", "--quiet", "main"]


def _clone(stage: Stage) -> Command:
    return ["git", "clone", "--quiet", stage.root.as_uri(), Path("..") / "clone"]
