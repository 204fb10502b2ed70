"""LoRA adapters that are trained on the model, saved as PEFT saves them, and merged into it by PEFT itself."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.storage.fine_tunes import Learning, draw_batches
from demo.encoder import StateDict
from demo.training import contrastive_loss, read_checkpoint

RANKS = (4, 16, 64)
_STEPS, _RATE, _SCALE = 60, 1e-3, 2
_LAYER, _FACTORS = "encoder.layer.", "adapter_model.safetensors"
_SETTINGS = {"steps": _STEPS, "rate": _RATE, "scale": _SCALE, "version": 1}


def train_adapter(folder: Path, rank: int, learning: Learning) -> Path:
    """A folder as PEFT saves one, of factors of every matrix in the layers; trained unless the last time left it."""
    target = folder / f"adapter-{rank}"
    done = target / "settings.json"
    if not done.exists() or json.loads(done.read_text()) != _SETTINGS:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        _save_adapter(target, rank, _train_factors(rank, learning))
        done.write_text(json.dumps(_SETTINGS))
    return target


def round_adapter(adapter: Path, target: Path) -> Path:
    """The same adapter with factors in bf16, at ``target``."""
    shutil.copytree(adapter, target, dirs_exist_ok=True)
    factors = read_checkpoint(adapter / _FACTORS)
    save_file({name: value.bfloat16() for name, value in factors.items()}, target / _FACTORS)
    return target


def can_merge() -> bool:
    """Whether PEFT is installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import peft  # noqa: F401  # it needs packages that --no-deps leaves out: only importing tells
        except ImportError as error:
            print(f"adapters are left out: PEFT cannot be imported ({error})", file=sys.stderr)
            return False
    return True


def merge_adapter(base: Path, adapter: Path, target: Path) -> None:
    """What PEFT's ``merge_and_unload`` makes of a checkpoint, written to ``target``."""
    import peft

    state = read_checkpoint(base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.PeftModel.from_pretrained(_build_model(state), str(adapter))
        merged = model.merge_and_unload().state_dict()
    save_file(state | {name: value.contiguous() for name, value in merged.items()}, target)


def _train_factors(rank: int, learning: Learning) -> Mapping[str, tuple[Tensor, Tensor]]:
    """(A, B) by the name of a matrix: its change is the scale times B A."""
    state = read_checkpoint(learning.base)
    random = torch.Generator().manual_seed(rank)
    factors = {}
    for name in _matrix_names(state):
        rows, columns = state[name].shape
        right = torch.randn(rank, columns, generator=random) / columns**0.5
        factors[name] = right.requires_grad_(), torch.zeros(rows, rank, requires_grad=True)
    optimizer = torch.optim.AdamW([side for pair in factors.values() for side in pair], lr=_RATE)
    for _, pairs in zip(range(_STEPS), draw_batches(learning.pairs, rank), strict=False):
        optimizer.zero_grad()
        adapted = {name: state[name] + _SCALE * left @ right for name, (right, left) in factors.items()}
        torch.autograd.backward(contrastive_loss(state | adapted, pairs, learning.tokenizer))
        optimizer.step()
    return factors


def _matrix_names(state: StateDict) -> list[str]:
    return [name for name, value in state.items() if name.startswith(_LAYER) and value.dim() == 2]


def _save_adapter(target: Path, rank: int, factors: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    tensors: dict[str, Tensor] = {}
    for name, (right, left) in factors.items():
        prefix = f"base_model.model.{name.removesuffix('.weight')}"
        tensors |= {f"{prefix}.lora_A.weight": right.detach(), f"{prefix}.lora_B.weight": left.detach()}
    save_file(tensors, target / _FACTORS)
    modules = sorted({name.removesuffix(".weight") for name in factors})
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": _SCALE * rank, "target_modules": modules, "bias": "none"}
    (target / "adapter_config.json").write_text(json.dumps(config))


def _build_model(state: StateDict) -> nn.Module:
    """Nothing but the linear layers, at their names."""
    model = nn.Module()
    for name in _matrix_names(state):
        *path, last = name.removesuffix(".weight").split(".")
        node = model
        for part in path:
            if not hasattr(node, part):
                node.add_module(part, nn.Module())
            node = node.get_submodule(part)
        rows, columns = state[name].shape
        layer = nn.Linear(columns, rows, bias=False, dtype=state[name].dtype)
        layer.weight.data = state[name]
        node.add_module(last, layer)
    return model
