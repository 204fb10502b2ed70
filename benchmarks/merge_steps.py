"""The rows of merging: beside what reading and writing alone cost, and beside mergekit."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from benchmarks.models import Model, ModelVersion
from benchmarks.reading import READ, read_versions
from benchmarks.results import MB, MEMORY, MERGEKIT, OURS, WithinRatio, WithinSeconds
from benchmarks.stages import FILE_NAME, Stage
from benchmarks.steps import Story, TimedStep, Tool, remove_copy
from benchmarks.timing import Command
from git_theta.manifest.text import decode_manifest
from git_theta.operations.workers import Workers
from git_theta.tensors.arrays import BLOCK

WRITE, PLAIN = "write", "cat + cp"

_PLAIN_SCRIPT = """\
set -e
find "$@" -type f -exec cat {} + > /dev/null
cp -r "$1" "$0"
find "$0" -type f -exec sync {} +"""
_MEMORY = MEMORY[OURS] + 4 * Workers().count * BLOCK
_WITHOUT_ARRAYS = 64 * MB
"""Bytes that a merge may need that computes nothing: it does not even import numpy."""
_IDS_SECONDS = 1.0
"""Seconds for a merge of ids: the same for any size."""
_DENSITY = 0.2


class RacedStrategy(NamedTuple):
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
    RacedStrategy("average", ("-s", "average"), "linear", {}, 1.5, False),
    RacedStrategy("TIES by tensor", (*_TIES, "scope=tensor"), "ties", {"density": _DENSITY}, 3, True),
    RacedStrategy("TIES by checkpoint", (*_TIES, "scope=checkpoint"), "", {}, 3, True),
)


_HEAD_SETS: tuple[tuple[ModelVersion, ...], ...] = (("a", "b"), ("a", "b", "c"))


def merge_story(title: str, model: Model, mergekit: Path | None) -> Story:
    """Two heads, then three, that changed every parameter.

    Args:
        title: what the checkpoints are called.
        model: in the versions ``FORK``.
        mergekit: the program ``mergekit-yaml``, where it is installed.
    """
    rows = tuple([_merge_step(strategy, heads, mergekit) for heads in _HEAD_SETS for strategy in STRATEGIES])
    return Story(title, model, rows, rivals=(), opening=Stage.branch_versions, part="merges")


def sharded_merge_story(model: Model) -> Story:
    """An average of two heads of a checkpoint in shards; ``model`` in the versions ``SHARDED``."""
    average = _merge_step(STRATEGIES[0], _HEAD_SETS[0], None)
    return Story("7 shards", model, (average,), rivals=(), opening=Stage.branch_versions, part="merges")


def start_story(model: Model, mergekit: Path | None) -> Story:
    """What a merge costs before it has anything to do: a model so small that only this is left."""
    row = replace(_merge_step(STRATEGIES[0], _HEAD_SETS[0], mergekit), budgets=())
    return Story("toy", model, (row,), rivals=(), opening=Stage.branch_versions, part="merges")


def disjoint_story(title: str, model: Model) -> Story:
    """Heads that changed other parameters, so that nothing is computed; ``model`` in the versions ``DISJOINT``."""
    rows = (
        TimedStep(
            "merge of other parameters",
            _checkout_head("left"),
            lambda _: _merge_command("right"),
            (),
            prove=_require_none_contested,
            tools={PLAIN: _plain_copy("base")},
            beside=(PLAIN,),
        ),
        TimedStep(
            "the same with no tensor there",
            _remove_tensors,
            # Into a tree: a worktree needs the tensors in the end, whoever merged.
            lambda _: ["git", "merge-tree", "--write-tree", "left", "right"],
            (),
            (WithinSeconds(_IDS_SECONDS),),
            memory=_WITHOUT_ARRAYS,
        ),
    )
    return Story(title, model, rows, rivals=(), opening=Stage.branch_versions, part="merges")


def _merge_step(strategy: RacedStrategy, heads: tuple[ModelVersion, ...], mergekit: Path | None) -> TimedStep:
    inputs: tuple[ModelVersion, ...] = ("base", *heads) if strategy.needs_base else heads
    tools: dict[str, Tool] = {READ: read_versions(*inputs), WRITE: _write_command, PLAIN: _plain_copy(*inputs)}
    if mergekit and strategy.method:
        tools[MERGEKIT] = _mergekit_tool(mergekit, strategy, heads)
    return TimedStep(
        f"{strategy.title}, {len(heads)} heads",
        _checkout_head(heads[0]),
        lambda _: _merge_command(*heads[1:], *strategy.ours),
        (READ, WRITE),
        (WithinRatio(strategy.limit, (READ, WRITE)),),
        prove=_require_all_contested,
        tools=tools,
        beside=tuple([name for name in tools if name not in (READ, WRITE)]),
        memory=_MEMORY,
        once=(MERGEKIT,),
    )


def _merge_command(*arguments: str) -> Command:
    return ["git", "theta", "merge", *arguments]


def _checkout_head(head: ModelVersion) -> Callable[[Stage], None]:
    def prepare(stage: Stage) -> None:
        stage.repository.git("checkout", "--quiet", "--force", "-B", "merged", head)

    return prepare


def _remove_tensors(stage: Stage) -> None:
    """Take all objects away but those that hold frames: whoever reads a tensor fails."""
    texts = [stage.repository.git("cat-file", "blob", f"{version}:{FILE_NAME}").stdout for version in stage.model.files]
    whole = [frame for text in texts if (frame := decode_manifest(text.encode()).frame)]
    frames = {oid for frame in whole for oid in frame.storage.objects()}
    for file in (stage.root / ".git" / "theta" / "objects").rglob("*"):
        if file.is_file() and file.name not in frames:
            file.unlink()


def _require_all_contested(stage: Stage) -> None:
    said = _read_trailers(stage)
    if not said or not all(re.fullmatch(r".* (\d+) contested of \1", line) for line in said.splitlines()):
        raise RuntimeError(f"not every parameter was contested: {said}")


def _require_none_contested(stage: Stage) -> None:
    if said := _read_trailers(stage):
        raise RuntimeError(f"something was contested: {said}")


def _read_trailers(stage: Stage) -> str:
    """What the merge that is checked out computed. Raises CalledProcessError where no merge is checked out."""
    shown = "--format=%(trailers:key=Theta-Merge,valueonly,separator=%x0a)"
    return stage.repository.git("log", "-1", shown, "HEAD^2..HEAD").stdout.strip()


def _write_command(stage: Stage) -> Command:
    """Adds a checkpoint to a repository that has nothing like it: the output is new as well."""
    shutil.rmtree(stage.folder)
    Stage.create(stage.folder, OURS, stage.model).place_version("a")
    return ["git", "add", "--all"]


def _plain_copy(*versions: ModelVersion) -> Tool:
    """Reads the files, writes one, and waits until it is on the disk."""

    def prepare(stage: Stage) -> Command:
        copy = stage.folder / "copy"
        remove_copy(copy)
        paths = [stage.model.files[version] for version in versions]
        return ["sh", "-c", _PLAIN_SCRIPT, copy, *paths]

    return prepare


def _mergekit_tool(program: Path, strategy: RacedStrategy, heads: Sequence[ModelVersion]) -> Tool:
    """Merges the files, which it takes for those of a language model, into a folder."""

    def prepare(stage: Stage) -> Command:
        out = stage.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        for version, file in stage.model.files.items():
            _write_model_folder(stage.folder / version, file)
        recipe = stage.folder / "recipe.yml"
        recipe.write_text(json.dumps(_recipe(strategy, heads, stage.folder)))  # JSON is YAML
        return [program, recipe, out, "--quiet", "--no-copy-tokenizer", "--no-write-model-card"]

    return prepare


def _write_model_folder(folder: Path, file: Path) -> None:
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


def _recipe(strategy: RacedStrategy, heads: Sequence[ModelVersion], folder: Path) -> dict[str, object]:
    base = {"base_model": str(folder / "base")} if strategy.needs_base else {}
    return {
        "merge_method": strategy.method,
        "models": [{"model": str(folder / head)} for head in heads],
        "parameters": {"weight": 1.0, **strategy.parameters},
        **base,
    }
