"""Archives as NeMo makes them: its writer, ``SaveRestoreConnector.save_to``, without NeMo."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

CONFIG = b"target: nemo.collections.asr.models.EncDecCTCModel\nsample_rate: 16000\n"
STATE = {"encoder.weight": torch.arange(12.0).reshape(3, 4), "encoder.bias": torch.ones(3, dtype=torch.float16)}


def packed(files: Mapping[str, bytes], time: float = 1764403200.25, **options: Any) -> bytes:
    """A folder with these files as a tar, as ``tar.add(folder, arcname=".")`` packs it; written at ``time``."""
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for path in [Path(folder), *Path(folder).rglob("*")]:
            os.utime(path, (time, time))
        with tarfile.open(fileobj=buffer, mode="w:", **options) as archive:
            archive.add(folder, arcname=".")
    return buffer.getvalue()


def nemo(state: Mapping[str, Any] | None = None, time: float = 1764403200.25, config: bytes = CONFIG) -> bytes:
    """A ``.nemo`` file with these weights."""
    weights = io.BytesIO()
    torch.save(dict(STATE if state is None else state), weights)
    return packed({"model_config.yaml": config, "model_weights.ckpt": weights.getvalue()}, time)


def restored(content: bytes) -> dict[str, torch.Tensor]:
    """The weights, as NeMo reads them: the folder unpacked, and loaded by torch."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        member = archive.extractfile("./model_weights.ckpt")
        assert member
        return dict(torch.load(io.BytesIO(member.read()), weights_only=True))
