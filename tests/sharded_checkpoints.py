"""Checkpoints of several files as ``save_pretrained`` writes them: shards, and an index that says where tensors are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tests.integration.three_branches import values
from tests.sandbox import Sandbox, safetensors_bytes

INDEX = "model.safetensors.index.json"
ELEMENTS = 1024
"""Of each tensor."""


def shard_name(number: int, total: int) -> str:
    """What Hugging Face calls a shard, the first of which is number 1."""
    return f"model-{number:05d}-of-{total:05d}.safetensors"


def tensor_of(name: str, delta: float = 0.0) -> np.ndarray:
    """The values of a parameter, always the same ones, plus a number."""
    generator = np.random.default_rng(sum(map(ord, name)))
    return generator.standard_normal(ELEMENTS, dtype=np.float32) + np.float32(delta)


def sharded(
    *shards: str, folder: str = "", metadata: Mapping[str, str] | None = None, **deltas: float
) -> dict[str, bytes | None]:
    """The files of a checkpoint: each shard is spelled by the one-letter names of its parameters.

    One shard alone is a single file without an index. ``deltas``: what was added to all elements of a parameter.
    """
    said = metadata or {"format": "pt"}
    if len(shards) == 1:
        return {f"{folder}model.safetensors": _file_of(shards[0], said, deltas)}
    names = {shard_name(number, len(shards)): names for number, names in enumerate(shards, 1)}
    files: dict[str, bytes | None] = {folder + file: _file_of(held, said, deltas) for file, held in names.items()}
    places = {name: file for file, held in names.items() for name in held}
    index = {"metadata": {"total_size": 4 * ELEMENTS * len(places)}, "weight_map": places}
    files[folder + INDEX] = f"{json.dumps(index, indent=2, sort_keys=True)}\n".encode()
    return files


def replace_files(sandbox: Sandbox, files: Mapping[str, bytes | None], message: str) -> None:
    """Commit a checkpoint in the place of the one that is there."""
    for old in [*sandbox.root.glob("model*.safetensors"), *sandbox.root.glob("*.index.json")]:
        old.unlink()
    for path, content in files.items():
        assert content is not None
        sandbox.write(path, content)
    sandbox.git("add", "--all")
    sandbox.git("commit", "--quiet", "--allow-empty", "-m", message)


def read_checkpoint(folder: Path) -> dict[str, np.ndarray]:
    """Every parameter, as a loader gets it: where the index says. Fails where anything stands elsewhere, or twice."""
    index = folder / INDEX
    if not index.exists():
        [file] = folder.glob("model*.safetensors")
        return {name: values(file.read_bytes(), name) for name in names_in(file.read_bytes())}
    content = json.loads(index.read_bytes())
    places = content["weight_map"]
    files = {file.name: file.read_bytes() for file in folder.glob("model*.safetensors")}
    assert {name: file for file, held in files.items() for name in names_in(held)} == places
    assert sum(len(names_in(held)) for held in files.values()) == len(places)
    assert content["metadata"]["total_size"] == 4 * ELEMENTS * len(places)
    return {name: values(files[file], name) for name, file in places.items()}


def names_in(checkpoint: bytes) -> list[str]:
    """The parameters of a safetensors file, in its header's order."""
    length = int.from_bytes(checkpoint[:8], "little")
    return [name for name in json.loads(checkpoint[8 : 8 + length]) if name != "__metadata__"]


def _file_of(names: str, metadata: Mapping[str, str], deltas: Mapping[str, float]) -> bytes:
    tensors = {name: ("F32", (ELEMENTS,), tensor_of(name, deltas.get(name, 0.0)).tobytes()) for name in names}
    return safetensors_bytes(tensors, metadata)
