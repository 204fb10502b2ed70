"""Checkpoints of ``torch.distributed``, as its own writer writes them.

It takes a second to import, which processes of the suite that run none of these tests do without.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

STATE = {
    "model": {
        "a": torch.arange(32.0).reshape(4, 8),
        "b": torch.ones(3, dtype=torch.bfloat16),
        "t": torch.zeros(2, 3).T,
    },
    "optim": {"state": {"a": {"exp_avg": torch.full((4, 8), 0.5)}}, "param_groups": [{"lr": 0.1}]},
    "step": 3,
}


def saved_folder(state: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a checkpoint."""
    from torch.distributed.checkpoint.state_dict_saver import save

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save(dict(state), checkpoint_id=folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def distcp(state: Mapping[str, Any] | None = None) -> bytes:
    """The file with the tensors."""
    return saved_folder(STATE if state is None else state)["__0_0.distcp"]


def load_folder(files: Mapping[str, bytes], state: dict[str, Any]) -> None:
    """Put what a checkpoint holds into ``state``, as its own loader does."""
    from torch.distributed.checkpoint.state_dict_loader import load

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        load(state, checkpoint_id=folder)
