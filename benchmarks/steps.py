"""Every step that is measured: what prepares it, the command, and what ours must hold (the design's budgets)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.models import Model, ModelVersion
from benchmarks.results import (
    LFS,
    MEMORY,
    OURS,
    Budget,
    PagePart,
    StartsNoFilter,
    WithinBytes,
    WithinExcess,
    WithinRatio,
)
from benchmarks.stages import FILE_NAME, Stage
from benchmarks.timing import Command

_TUNED_SHARE = 1.1
"""Bytes stored for one changed tensor, as a share of its size: it, the manifest, and what we remember of it."""


Tool = Callable[[Stage], Command]
"""Prepares its stage, which is not measured, and says what to run."""


def _copy_command(stage: Stage) -> Command:
    copy = stage.folder / "copy"
    remove_copy(copy)
    return ["cp", "-r", stage.model.files["base"], copy]


def remove_copy(copy: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if copy.is_dir():
        shutil.rmtree(copy)
    copy.unlink(missing_ok=True)


TOOLS: Mapping[str, Tool] = {
    "cp": _copy_command,
    "openssl": lambda stage: ["openssl", "dgst", "-sha256", *stage.model.sources("base")],
}
"""What hardware and kernel allow: to write the bytes, to hash them."""


def do_nothing(_: Stage) -> None:
    """Where there is nothing to prepare: the step starts where the last one ended."""


@dataclass(frozen=True)
class TimedStep:
    """One step of a story; the same for everybody who takes part.

    Attributes:
        name: what it is called.
        prepare: brings a stage to where the step starts; not measured.
        command: what is measured, at the top of the repository.
        bound: tools (or plain ``git``) that do the least that this takes.
        budgets: what ours must hold.
        leaves: a file below the stage's folder, or a folder of shards, and the version that it must hold afterwards.
        prove: looks at our stage after the step, and raises if that did not do its work.
        tools: what takes part without a repository of its own kind.
        beside: tools that are compared with, and bound nothing.
        memory: bytes that a process of ours may have resident at most.
        once: tools that are so slow that they take part in the first round alone.
    """

    name: str
    prepare: Callable[[Stage], None]
    command: Callable[[Stage], Command]
    bound: tuple[str, ...]
    budgets: tuple[Budget, ...] = ()
    leaves: tuple[str, ModelVersion] | None = None
    prove: Callable[[Stage], None] = do_nothing
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
        steps: in order.
        repeats: rounds for each one asked for; more where a step takes milliseconds.
        rivals: filters that take the same steps as ours.
        opening: brings a filter's stage to where the story starts; not measured.
        part: of the page of results that it is told in.
        git_memory: bytes that a process of Git may have resident at most, where it runs ours.
    """

    title: str
    model: Model
    steps: tuple[TimedStep, ...]
    repeats: int = 1
    rivals: tuple[str, ...] = (LFS,)
    opening: Callable[[Stage], None] = do_nothing
    part: PagePart = "benchmarks"
    git_memory: int = MEMORY["git"]

    def contenders(self, row: TimedStep) -> list[str]:
        """Who takes part in a step."""
        return [OURS, *self.rivals, *row.bound, *row.beside]


def checkpoint_story(title: str, model: Model) -> Story:
    """A large checkpoint through everything that people do with it."""
    both = ("cp", "openssl")
    tensor = WithinBytes(int(_TUNED_SHARE * model.tuned_bytes))
    half = WithinRatio(0.6, (LFS,))
    return Story(
        title,
        model,
        (
            TimedStep("add, new", _place_version("base"), _add_command, both, (half, WithinRatio(2.5, both))),
            TimedStep(
                "add, one tensor changed",
                _place_version("one"),
                _add_command,
                ("openssl",),
                (WithinRatio(0.25, (LFS,)), tensor),
            ),
            TimedStep(
                "add, all tensors changed", _place_version("all"), _add_command, both, (half, WithinRatio(2.5, both))
            ),
            TimedStep("status, untouched", Stage.commit, _status_command, (), (StartsNoFilter(),)),
            TimedStep("status, touched", Stage.touch, _status_command, ("openssl",)),
            TimedStep(
                "checkout, an older version",
                do_nothing,
                _checkout_older,
                both,
                (half,),
                (f"repository/{FILE_NAME}", "base"),
            ),
            TimedStep("checkout, back", do_nothing, _checkout_newer, both, (half,), (f"repository/{FILE_NAME}", "all")),
            TimedStep("clone from a directory", do_nothing, _clone_command, both, (), (f"clone/{FILE_NAME}", "all")),
        ),
    )


def sharded_story(model: Model) -> Story:
    """A checkpoint in shards, ``base`` and ``a``, in and out of a repository."""
    both = ("cp", "openssl")
    half = WithinRatio(0.6, (LFS,))
    return Story(
        "7 shards",
        model,
        (
            TimedStep("add, new", _place_version("base"), _add_command, both, (half, WithinRatio(2.5, both))),
            TimedStep(
                "add, all tensors changed", _place_version("a"), _add_command, both, (half, WithinRatio(2.5, both))
            ),
            TimedStep(
                "checkout, an older version",
                Stage.commit,
                lambda _: ["git", "checkout", "--quiet", "main~1"],
                both,
                (half,),
                ("repository", "base"),
            ),
            TimedStep("status, untouched", do_nothing, _status_command, (), (StartsNoFilter(),)),
            TimedStep("clone from a directory", _checkout_main, _clone_command, both, (), ("clone", "a")),
        ),
    )


def toy_story(model: Model) -> Story:
    """A model so small that only what it costs to ask is left."""
    return Story(
        "toy",
        model,
        (
            TimedStep("status, untouched", _add_base, _status_command, ("git",), (StartsNoFilter(),)),
            TimedStep("status, touched", Stage.touch, _status_command, ("git",), (WithinExcess(0.060, "git"),)),
        ),
        repeats=4,
    )


def _place_version(version: ModelVersion) -> Callable[[Stage], None]:
    def prepare(stage: Stage) -> None:
        stage.commit()
        stage.place_version(version)

    return prepare


def _add_base(stage: Stage) -> None:
    stage.place_version("base")
    stage.repository.git("add", "--all")
    stage.commit()


def _add_command(_: Stage) -> Command:
    return ["git", "add", "--all"]


def _status_command(_: Stage) -> Command:
    return ["git", "status", "--porcelain"]


def _checkout_older(_: Stage) -> Command:
    return ["git", "checkout", "--quiet", "main~2"]


def _checkout_newer(_: Stage) -> Command:
    return ["git", "checkout", "--quiet", "main"]


def _checkout_main(stage: Stage) -> None:
    stage.repository.git("checkout", "--quiet", "main")


def _clone_command(stage: Stage) -> Command:
    return ["git", "clone", "--quiet", stage.root.as_uri(), Path("..") / "clone"]
