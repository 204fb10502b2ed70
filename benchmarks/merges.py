"""The rows of merging: beside what reading and writing alone cost, and beside mergekit."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import Command
from benchmarks.models import Model, Version
from benchmarks.reading import READ, read
from benchmarks.results import MB, MEMORY, MERGEKIT, OURS, Takes, Within
from benchmarks.rows import Row, Story, Tool
from benchmarks.stages import NAME, Stage
from git_theta.manifest.text import loads
from git_theta.operations.workers import Workers
from git_theta.tensors.arrays import BLOCK

WRITE, PLAIN = "write", "cat + cp"

_MEMORY = MEMORY[OURS] + 4 * Workers().count * BLOCK
_WITHOUT_ARRAYS = 64 * MB
"""Bytes that a merge may need that computes nothing: it does not even import numpy."""
_AT_ONCE = 1.0
"""Seconds for a merge of ids: the same for any size."""
_DENSITY = 0.2


class Strategy(NamedTuple):
    """One way to merge, as we and as mergekit spell it.

    Attributes:
        title: what the row is called.
        ours: the options of ``git theta merge``.
        method, parameters: of a recipe; no method where mergekit has none.
        limit: the budget, in times of reading the inputs and writing the output.
        needs_base: whether the merge base is one of the inputs.
    """

    title: str
    ours: tuple[str, ...]
    method: str
    parameters: Mapping[str, float]
    limit: float
    needs_base: bool


_TIES = ("-s", "ties", "-o", f"density={_DENSITY}", "-o")
STRATEGIES = (
    Strategy("average", ("-s", "average"), "linear", {}, 1.5, False),
    Strategy("TIES by tensor", (*_TIES, "scope=tensor"), "ties", {"density": _DENSITY}, 3, True),
    Strategy("TIES by checkpoint", (*_TIES, "scope=checkpoint"), "", {}, 3, True),
)


_TEAMS: tuple[tuple[Version, ...], ...] = (("a", "b"), ("a", "b", "c"))


def merge_story(title: str, model: Model, mergekit: Path | None) -> Story:
    """Two heads, then three, that changed every parameter.

    Args:
        title: what the checkpoints are called.
        model: in the versions ``FORK``.
        mergekit: the program ``mergekit-yaml``, where it is installed.
    """
    rows = tuple([_row(strategy, heads, mergekit) for heads in _TEAMS for strategy in STRATEGIES])
    return Story(title, model, rows, rivals=(), opening=Stage.branch, part="merges")


def start_story(model: Model, mergekit: Path | None) -> Story:
    """What a merge costs before it has anything to do: a model so small that only this is left."""
    row = replace(_row(STRATEGIES[0], _TEAMS[0], mergekit), budgets=())
    return Story("toy", model, (row,), rivals=(), opening=Stage.branch, part="merges")


def apart_story(title: str, model: Model) -> Story:
    """Heads that changed other parameters, so that nothing is computed; ``model`` in the versions ``APART``."""
    rows = (
        Row(
            "merge of other parameters",
            _merging_into("left"),
            lambda _: _merge("right"),
            (),
            prove=_none_contested,
            tools={PLAIN: _plain("base")},
            beside=(PLAIN,),
        ),
        Row(
            "the same with no tensor there",
            _without_tensors,
            # Into a tree: a worktree needs the tensors in the end, whoever merged.
            lambda _: ["git", "merge-tree", "--write-tree", "left", "right"],
            (),
            (Takes(_AT_ONCE),),
            memory=_WITHOUT_ARRAYS,
        ),
    )
    return Story(title, model, rows, rivals=(), opening=Stage.branch, part="merges")


def _row(strategy: Strategy, heads: tuple[Version, ...], mergekit: Path | None) -> Row:
    inputs: tuple[Version, ...] = ("base", *heads) if strategy.needs_base else heads
    tools: dict[str, Tool] = {READ: read(*inputs), WRITE: _write, PLAIN: _plain(*inputs)}
    if mergekit and strategy.method:
        tools[MERGEKIT] = _mergekit(mergekit, strategy, heads)
    return Row(
        f"{strategy.title}, {len(heads)} heads",
        _merging_into(heads[0]),
        lambda _: _merge(*heads[1:], *strategy.ours),
        (READ, WRITE),
        (Within(strategy.limit, (READ, WRITE)),),
        prove=_all_contested,
        tools=tools,
        beside=tuple([name for name in tools if name not in (READ, WRITE)]),
        memory=_MEMORY,
        once=(MERGEKIT,),
    )


def _merge(*arguments: str) -> Command:
    return ["git", "theta", "merge", *arguments]


def _merging_into(head: Version) -> Callable[[Stage], None]:
    def prepare(stage: Stage) -> None:
        stage.repository.git("checkout", "--quiet", "--force", "-B", "merged", head)

    return prepare


def _without_tensors(stage: Stage) -> None:
    """Take all objects away but those that hold frames: whoever reads a tensor fails."""
    texts = [stage.repository.git("cat-file", "blob", f"{version}:{NAME}").stdout for version in stage.model.files]
    frames = {frame.storage.object for text in texts if (frame := loads(text.encode()).frame)}
    for file in (stage.root / ".git" / "theta" / "objects").rglob("*"):
        if file.is_file() and file.name not in frames:
            file.unlink()


def _all_contested(stage: Stage) -> None:
    if not re.fullmatch(r".* (\d+) contested of \1", said := _trailers(stage)):
        raise RuntimeError(f"not every parameter was contested: {said}")


def _none_contested(stage: Stage) -> None:
    if said := _trailers(stage):
        raise RuntimeError(f"something was contested: {said}")


def _trailers(stage: Stage) -> str:
    """What the merge that is checked out computed. Raises CalledProcessError where no merge is checked out."""
    shown = "--format=%(trailers:key=Theta-Merge,valueonly,separator=%x20)"
    return stage.repository.git("log", "-1", shown, "HEAD^2..HEAD").stdout.strip()


def _write(stage: Stage) -> Command:
    """Adds a checkpoint to a repository that has nothing like it: the output is new as well."""
    shutil.rmtree(stage.folder)
    Stage.create(stage.folder, OURS, stage.model).place("a")
    return ["git", "add", NAME]


def _plain(*versions: Version) -> Tool:
    """Reads the files, writes one, and waits until it is on the disk."""

    def prepare(stage: Stage) -> Command:
        copy = stage.folder / "copy"
        copy.unlink(missing_ok=True)
        files = [stage.model.files[version] for version in versions]
        return ["sh", "-c", 'cat "$@" > /dev/null && cp "$1" "$0" && sync "$0"', copy, *files]

    return prepare


def _mergekit(program: Path, strategy: Strategy, heads: Sequence[Version]) -> Tool:
    """Merges the files, which it takes for those of a language model, into a folder."""

    def prepare(stage: Stage) -> Command:
        out = stage.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        for version, file in stage.model.files.items():
            _model_folder(stage.folder / version, file)
        recipe = stage.folder / "recipe.yml"
        recipe.write_text(json.dumps(_recipe(strategy, heads, stage.folder)))  # JSON is YAML
        return [program, recipe, out, "--quiet", "--no-copy-tokenizer", "--no-write-model-card"]

    return prepare


def _model_folder(folder: Path, file: Path) -> None:
    with file.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_hidden_layers": sum(name.endswith("q_proj.weight") for name in header),
        "tie_word_embeddings": True,
    }
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").unlink(missing_ok=True)
    (folder / "model.safetensors").symlink_to(file)


def _recipe(strategy: Strategy, heads: Sequence[Version], folder: Path) -> dict[str, object]:
    base = {"base_model": str(folder / "base")} if strategy.needs_base else {}
    return {
        "merge_method": strategy.method,
        "models": [{"model": str(folder / head)} for head in heads],
        "parameters": {"weight": 1.0, **strategy.parameters},
        **base,
    }
