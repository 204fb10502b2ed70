"""A small vision transformer, as plain functions of its checkpoint: 4 blocks, 96 wide, patches of 4 x 4."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.science.tasks import Examples
from benchmarks.science.training import Learner
from demo.encoder import StateDict

_WIDTH, _BLOCKS, _HEADS, _PATCH, _PATCHES = 96, 4, 4, 4, 16
_SIGNS = "signs"


def encode_images(state: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """What images show, fp32 of shape (images, 96).

    Args:
        state: the checkpoint.
        images: fp32 of shape (images, 16, 16), -1 to 1.
    """
    patches = images.unfold(1, _PATCH, _PATCH).unfold(2, _PATCH, _PATCH).flatten(3).flatten(1, 2)
    x = torch.cat([state["class_token"].expand(len(images), 1, -1), _linear(state, "patch", patches)], 1)
    x = x + state["positions"]
    for block in range(_BLOCKS):
        x = _block(state, f"blocks.{block}", x)
    return _norm(state, "norm", x)[:, 0]


def _block(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    parts = _linear(state, f"{name}.attention.in", _norm(state, f"{name}.norm1", x)).chunk(3, -1)
    query, key, value = (part.view(*part.shape[:2], _HEADS, -1).transpose(1, 2) for part in parts)
    seen = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    x = x + _linear(state, f"{name}.attention.out", seen)
    inner = functional.gelu(_linear(state, f"{name}.mlp.in", _norm(state, f"{name}.norm2", x)))
    return x + _linear(state, f"{name}.mlp.out", inner)


def _linear(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def _norm(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"])


def learn_to_see(alphabet: Examples, steps: int) -> StateDict:
    """The base: it has learned to tell the signs of an alphabet apart, and knows none of the tasks."""
    signs = torch.eye(int(alphabet.labels.max()) + 1)
    learner = Learner(_recognize_signs, rate=1.5e-3, batch=96, decay=0.05)
    state = _start_state() | {_SIGNS: torch.randn(len(signs), _WIDTH) / _WIDTH**0.5}
    state = learner.tune(state, [(alphabet, signs)], steps, seed=0)
    return {name: value for name, value in state.items() if name != _SIGNS}


def _recognize_signs(state: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """How much images look like each sign, fp32 of shape (images, signs)."""
    return encode_images(state, images) @ state[_SIGNS].T


def _start_state() -> StateDict:
    torch.manual_seed(0)
    layers: dict[str, nn.Module] = {"patch": nn.Linear(_PATCH * _PATCH, _WIDTH), "norm": nn.LayerNorm(_WIDTH)}
    for block in range(_BLOCKS):
        layers |= {f"blocks.{block}.{name}": layer for name, layer in _block_layers().items()}
    state = {f"{name}.{part}": value for name, layer in layers.items() for part, value in layer.state_dict().items()}
    state["positions"] = 0.02 * torch.randn(_PATCHES + 1, _WIDTH)
    return state | {"class_token": 0.02 * torch.randn(1, 1, _WIDTH)}


def _block_layers() -> dict[str, nn.Module]:
    return {
        "norm1": nn.LayerNorm(_WIDTH),
        "attention.in": nn.Linear(_WIDTH, 3 * _WIDTH),
        "attention.out": nn.Linear(_WIDTH, _WIDTH),
        "norm2": nn.LayerNorm(_WIDTH),
        "mlp.in": nn.Linear(_WIDTH, 4 * _WIDTH),
        "mlp.out": nn.Linear(4 * _WIDTH, _WIDTH),
    }
