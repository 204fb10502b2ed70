"""Checkpoints to measure with: a decoder's shapes, normally distributed weights, several versions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

DtypeName = Literal["F32", "BF16"]
ModelVersion = Literal["base", "one", "all", "a", "b", "c", "left", "right"]
Float32Array = npt.NDArray[np.float32]

WIDTH: Mapping[DtypeName, int] = {"F32": 4, "BF16": 2}
"""Bytes per number."""

_VOCABULARY = 32_000
_LAYERS, _SHARDED_LAYERS = 16, 32
_SPREAD = 0.02  # standard deviation that transformers are initialised with
_STEP = 0.001  # of a fine-tune, as a share of the spread: bf16 then moves some elements and leaves others
_EXPERTS = 256
_MATRICES = [f"{matrix}_proj.{part}" for matrix in ("gate", "up", "down") for part in ("weight", "weight_scale_inv")]
TUNED = f"model.layers.{_LAYERS // 2}.mlp.up_proj.weight"
"""The tensor that differs in ``one``."""

HISTORY: tuple[ModelVersion, ...] = ("base", "one", "all")
FORK: tuple[ModelVersion, ...] = ("base", "a", "b", "c")
SHARDED: tuple[ModelVersion, ...] = ("base", "a", "b")
SHARDS = 7
"""As many as people have of a model with 7 billion parameters in bf16."""
DISJOINT: tuple[ModelVersion, ...] = ("base", "left", "right")


@dataclass(frozen=True)
class Model:
    """A checkpoint on disk in several versions.

    Attributes:
        files: by version, the file, or the folder of its shards and their index. ``base``; ``one``, in which a single
            tensor differs; ``all``, in which every tensor does. Three
            fine-tunes of ``base``, ``a``, ``b`` and ``c``, which all changed every tensor; ``left`` and ``right``,
            of which each changed those that the other left alone.
        bytes: size of each version.
        tuned_bytes: size of the tensor that differs in ``one``.
    """

    files: Mapping[ModelVersion, Path]
    bytes: int
    tuned_bytes: int

    def sources(self, version: ModelVersion) -> list[Path]:
        """The files of a version."""
        path = self.files[version]
        return sorted(path.iterdir()) if path.is_dir() else [path]


class _RandomTensor(NamedTuple):
    number: int
    name: str
    values: Float32Array

    def fine_tune(self, run: int, sign: int = 1) -> Float32Array:
        """What a fine-tune makes of it; each run, counted from 1, something else."""
        noise = np.random.default_rng((self.number, run)).standard_normal(len(self.values), np.float32)
        return self.values + noise * np.float32(sign * _SPREAD * _STEP)


_VERSIONS: Mapping[ModelVersion, Callable[[_RandomTensor], Float32Array]] = {
    "base": lambda tensor: tensor.values,
    # Not the value that it has in ``all``: every tensor changes on the way there, this one too.
    "one": lambda tensor: tensor.fine_tune(1, -1) if tensor.name == TUNED else tensor.values,
    "all": lambda tensor: tensor.fine_tune(1),
    "a": lambda tensor: tensor.fine_tune(1),
    "b": lambda tensor: tensor.fine_tune(2),
    "c": lambda tensor: tensor.fine_tune(3),
    "left": lambda tensor: tensor.fine_tune(1) if tensor.number % 2 else tensor.values,
    "right": lambda tensor: tensor.values if tensor.number % 2 else tensor.fine_tune(2),
}


def build_model(
    folder: Path, dtype: DtypeName, size: int, versions: Sequence[ModelVersion] = HISTORY, layers: int = _LAYERS
) -> Model:
    """Write versions of a model, ``base`` among them, of about ``size`` bytes each, into ``folder`` (made here)."""
    return write_versions(folder, dtype, decoder_shapes(size // WIDTH[dtype], layers), versions)


def write_versions(
    folder: Path, dtype: DtypeName, layout: Mapping[str, tuple[int, ...]], versions: Sequence[ModelVersion]
) -> Model:
    """Write versions of a model of these parameters (name -> shape), TUNED among them, into ``folder`` (made here)."""
    folder.mkdir(parents=True)
    files = {version: folder / f"{version}.safetensors" for version in versions}
    with ExitStack() as opened:
        outputs = {version: opened.enter_context(file.open("wb")) for version, file in files.items()}
        _write_part(outputs, layout, list(layout), dtype)
    return Model(files, files["base"].stat().st_size, math.prod(layout[TUNED]) * WIDTH[dtype])


def build_shards(folder: Path, dtype: DtypeName, size: int, versions: Sequence[ModelVersion], shards: int) -> Model:
    """Write versions of a model of about ``size`` bytes, each a folder of shards and their index, into ``folder``."""
    layout = decoder_shapes(size // WIDTH[dtype], _SHARDED_LAYERS)
    names = [f"model-{number + 1:05}-of-{shards:05}.safetensors" for number in range(shards)]
    folder.mkdir(parents=True)
    files = {version: folder / version for version in versions}
    for version_folder in files.values():
        version_folder.mkdir()
        _write_index(version_folder, layout, _share_out(layout, shards), names, WIDTH[dtype])
    for name, part in zip(names, _share_out(layout, shards), strict=True):
        with ExitStack() as opened:
            outputs = {version: opened.enter_context((path / name).open("wb")) for version, path in files.items()}
            _write_part(outputs, {tensor: layout[tensor] for tensor in part}, list(layout), dtype)
    total = sum(file.stat().st_size for file in files["base"].iterdir())
    return Model(files, total, math.prod(layout[TUNED]) * WIDTH[dtype])


def _share_out(layout: Mapping[str, tuple[int, ...]], shards: int) -> list[list[str]]:
    """The parameters in their order, in as many runs of about the same size."""
    total, before = sum(map(math.prod, layout.values())), 0
    parts: list[list[str]] = [[] for _ in range(shards)]
    for name, shape in layout.items():
        parts[min(shards - 1, before * shards // total)].append(name)
        before += math.prod(shape)
    return parts


def _write_index(
    folder: Path, layout: Mapping[str, tuple[int, ...]], parts: list[list[str]], names: list[str], width: int
) -> None:
    index = {
        "metadata": {"total_size": sum(map(math.prod, layout.values())) * width},
        "weight_map": {tensor: name for name, part in zip(names, parts, strict=True) for tensor in part},
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def decoder_shapes(elements: int, layers: int = _LAYERS) -> dict[str, tuple[int, ...]]:
    """Parameter name -> shape of a decoder with about ``elements`` elements: the width is chosen for it.

    A layer of width d has 4 d^2 elements in its attention and 3 * d * 4d in its gated MLP.
    """
    vocabulary = min(_VOCABULARY, elements // 64)  # or it would be all there is of a toy
    quadratic = 16 * layers
    solution = (math.sqrt(vocabulary**2 + 4 * quadratic * elements) - vocabulary) / (2 * quadratic)
    d = max(8, 8 * round(solution / 8))
    layout: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, d)}
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        layout |= {f"{prefix}.self_attn.{name}_proj.weight": (d, d) for name in "qkvo"}
        layout |= {f"{prefix}.mlp.{name}_proj.weight": (4 * d, d) for name in ("gate", "up")}
        layout[f"{prefix}.mlp.down_proj.weight"] = (d, 4 * d)
        layout |= {f"{prefix}.{name}_layernorm.weight": (d,) for name in ("input", "post_attention")}
    return layout | {"model.norm.weight": (d,)}


def mixture_shapes(parameters: int) -> dict[str, tuple[int, ...]]:
    """Parameter name -> shape of a mixture of experts with just so many parameters, of 4 to 1,024 elements each."""
    layout: dict[str, tuple[int, ...]] = {TUNED: (32, 32)}
    for number in range(parameters - len(layout)):
        expert, matrix = divmod(number, len(_MATRICES))
        layer, expert = divmod(expert, _EXPERTS)
        layout[f"model.layers.{layer}.mlp.experts.{expert}.{_MATRICES[matrix]}"] = (4 ** (1 + number % 5),)
    return layout


def _write_part(
    outputs: Mapping[ModelVersion, BinaryIO],
    part: Mapping[str, tuple[int, ...]],
    order: list[str],
    dtype: DtypeName,
) -> None:
    """One file in each version: some parameters (name -> shape) of those in ``order``; the same ones each time."""
    for output in outputs.values():
        output.write(_encode_header(part, dtype))
    numbers = {name: number for number, name in enumerate(order)}
    for name, shape in part.items():
        generator = np.random.default_rng(numbers[name])
        values = generator.standard_normal(math.prod(shape), np.float32) * np.float32(_SPREAD)
        tensor = _RandomTensor(numbers[name], name, values)
        for version, output in outputs.items():
            _write_values(output, _VERSIONS[version](tensor), dtype)


def _encode_header(layout: Mapping[str, tuple[int, ...]], dtype: DtypeName) -> bytes:
    header, offset = {}, 0
    for name, shape in layout.items():
        end = offset + math.prod(shape) * WIDTH[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": (offset, end)}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _write_values(file: BinaryIO, values: Float32Array, dtype: DtypeName) -> None:
    file.write((values if dtype == "F32" else round_to_bf16(values)).data)


def round_to_bf16(values: Float32Array) -> npt.NDArray[np.uint16]:
    """The bits of the nearest bf16 of each value, ties to even; for finite values."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
