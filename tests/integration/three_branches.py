"""Three branches that change one checkpoint and a text: what the stories of `git theta merge` begin with."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from tests.sandbox import Sandbox, changed, model
from tests.templates import built_once

MODEL = "model.safetensors"
NEW: dict[str, int | tuple[int, ...]] = {"c.weight": (4, 4)}
"""Of a checkpoint that Git does not take for a renamed one."""
SHAPES: dict[str, int | tuple[int, ...]] = {"a.weight": (8, 8), "a.bias": 8, "b.weight": 16}
BASE = model(0, **SHAPES)


def values(checkpoint: bytes, name: str) -> np.ndarray:
    """A tensor of a checkpoint, fp32, flat."""
    length = int.from_bytes(checkpoint[:8], "little")
    begin, end = json.loads(checkpoint[8 : 8 + length])[name]["data_offsets"]
    return np.frombuffer(checkpoint[8 + length + begin : 8 + length + end], "<f4")


def added(checkpoint: bytes, **deltas: float) -> bytes:
    """The checkpoint with a number added to all elements of some parameters (``__`` for a dot)."""
    for spelled, delta in deltas.items():
        name = spelled.replace("__", ".")
        checkpoint = changed(checkpoint, name, (values(checkpoint, name) + np.float32(delta)).astype("<f4").tobytes())
    return checkpoint


def started(repository: Sandbox) -> Sandbox:
    """``main`` with a checkpoint and a note; ``fork`` is the commit that branches start at."""
    _start(repository)
    return repository


@built_once
def _start(repository: Sandbox) -> None:
    repository.theta("track", "*.safetensors")
    repository.write(MODEL, BASE)
    repository.write("note.txt", b"one\n\n\n\n\ntwo\n")
    repository.commit("a start")
    repository.git("tag", "fork")


def branch(repository: Sandbox, name: str, checkpoint: bytes | None = None, **files: bytes) -> str:
    """A branch from ``fork`` with one commit; back on main. Files: ``note`` is note.txt."""
    _branch(repository, name, checkpoint, files)
    return repository.git("rev-parse", name).stdout.strip()


@built_once
def _branch(repository: Sandbox, name: str, checkpoint: bytes | None, files: Mapping[str, bytes]) -> None:
    repository.git("checkout", "--quiet", "-b", name, "fork")
    if checkpoint is not None:
        repository.write(MODEL, checkpoint)
    for stem, content in files.items():
        repository.write(f"{stem}.txt", content)
    repository.commit(name)
    repository.git("checkout", "--quiet", "main")


@built_once
def on_main(repository: Sandbox, checkpoint: bytes) -> None:
    repository.write(MODEL, checkpoint)
    repository.commit("ours")


def parents(repository: Sandbox) -> list[str]:
    return repository.git("log", "-1", "--format=%P").stdout.split()


def message(repository: Sandbox) -> list[str]:
    return repository.git("log", "-1", "--format=%B").stdout.rstrip("\n").split("\n")


def everything(repository: Sandbox) -> tuple[str, ...]:
    """Refs, index, worktree and unfinished business: what must be as it was after an error."""
    state = [str((repository.root / ".git" / name).exists()) for name in ("MERGE_HEAD", "MERGE_MSG", "MERGE_MODE")]
    return (
        repository.git("for-each-ref").stdout,
        repository.git("ls-files", "--stage").stdout,
        repository.git("status", "--porcelain").stdout,
        repository.sha(MODEL),
        *state,
    )


def assert_clean(repository: Sandbox) -> None:
    assert repository.git("status", "--porcelain").stdout == ""
    assert not (repository.root / ".git/MERGE_HEAD").exists()
