"""Checkpoints to measure with: a decoder's shapes, normally distributed weights, three versions."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import numpy.typing as npt

Dtype = Literal["F32", "BF16"]
Version = Literal["base", "one", "all"]
Values = npt.NDArray[np.float32]

WIDTH: Mapping[Dtype, int] = {"F32": 4, "BF16": 2}
"""Bytes per number."""

_VOCABULARY = 32_000
_LAYERS = 16
_SPREAD = 0.02  # standard deviation that transformers are initialised with
_STEP = 0.001  # of a fine-tune, as a share of the spread: bf16 then moves some elements and leaves others
_TUNED = f"model.layers.{_LAYERS // 2}.mlp.up_proj.weight"


@dataclass(frozen=True)
class Model:
    """A checkpoint on disk in three versions.

    Attributes:
        files: ``base``; ``one``, in which a single tensor differs; ``all``, in which every tensor does.
        bytes: size of each file.
        tuned_bytes: size of the tensor that differs in ``one``.
    """

    files: Mapping[Version, Path]
    bytes: int
    tuned_bytes: int


def build(folder: Path, dtype: Dtype, size: int) -> Model:
    """Write a model's three versions, of about ``size`` bytes each, into ``folder`` (made here)."""
    folder.mkdir(parents=True)
    layout = shapes(size // WIDTH[dtype])
    files: dict[Version, Path] = {name: folder / f"{name}.safetensors" for name in ("base", "one", "all")}
    with files["base"].open("wb") as base, files["one"].open("wb") as one, files["all"].open("wb") as every:
        for file in (base, one, every):
            file.write(_header(layout, dtype))
        for name, values, noise in _tensors(layout):
            _write(base, values, dtype)
            # Not the value that it has in ``all``: every tensor changes on the way there, this one too.
            _write(one, values - noise if name == _TUNED else values, dtype)
            _write(every, values + noise, dtype)
    return Model(files, files["base"].stat().st_size, math.prod(layout[_TUNED]) * WIDTH[dtype])


def shapes(elements: int) -> dict[str, tuple[int, ...]]:
    """Parameter name -> shape of a decoder with about ``elements`` elements: the width is chosen for it.

    A layer of width d has 4 d^2 elements in its attention and 3 * d * 4d in its gated MLP.
    """
    vocabulary = min(_VOCABULARY, elements // 64)  # or it would be all there is of a toy
    quadratic = 16 * _LAYERS
    solution = (math.sqrt(vocabulary**2 + 4 * quadratic * elements) - vocabulary) / (2 * quadratic)
    d = max(8, 8 * round(solution / 8))
    layout: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, d)}
    for layer in range(_LAYERS):
        prefix = f"model.layers.{layer}"
        layout |= {f"{prefix}.self_attn.{name}_proj.weight": (d, d) for name in "qkvo"}
        layout |= {f"{prefix}.mlp.{name}_proj.weight": (4 * d, d) for name in ("gate", "up")}
        layout[f"{prefix}.mlp.down_proj.weight"] = (d, 4 * d)
        layout |= {f"{prefix}.{name}_layernorm.weight": (d,) for name in ("input", "post_attention")}
    return layout | {"model.norm.weight": (d,)}


def _tensors(layout: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, Values, Values]]:
    """(name, values, what a fine-tune adds), the same ones each time."""
    for seed, (name, shape) in enumerate(layout.items()):
        generator = np.random.default_rng(seed)
        values = generator.standard_normal(math.prod(shape), np.float32) * np.float32(_SPREAD)
        noise = generator.standard_normal(math.prod(shape), np.float32) * np.float32(_SPREAD * _STEP)
        yield name, values, noise


def _header(layout: Mapping[str, tuple[int, ...]], dtype: Dtype) -> bytes:
    header, offset = {}, 0
    for name, shape in layout.items():
        end = offset + math.prod(shape) * WIDTH[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": (offset, end)}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _write(file: BinaryIO, values: Values, dtype: Dtype) -> None:
    file.write((values if dtype == "F32" else rounded_to_bf16(values)).data)


def rounded_to_bf16(values: Values) -> npt.NDArray[np.uint16]:
    """The bits of the nearest bf16 of each value, ties to even; for finite values."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
