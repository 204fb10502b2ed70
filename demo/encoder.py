"""A BERT sentence encoder, as plain functions of its checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

StateDict = dict[str, Tensor]
LAYERS, HEADS, LENGTH = 6, 12, 32
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


class Tokenizer:
    """WordPiece over lower-case words, the longest piece first.

    Args:
        vocabulary: the pieces; each one's place is its id. Pieces within a word start with ``##``.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._ids = {piece: place for place, piece in enumerate(vocabulary)}
        self._pad, self._unknown, self._start, self._end = (self._ids[piece] for piece in SPECIAL)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Ids, int64, of shape (texts, at most LENGTH): ``[CLS]``, as many pieces as fit, ``[SEP]``, ``[PAD]``s."""
        rows = [self._row(text) for text in texts]
        longest = max(map(len, rows))
        return torch.tensor([row + [self._pad] * (longest - len(row)) for row in rows])

    def _row(self, text: str) -> list[int]:
        pieces = [piece for word in split_words(text) for piece in self._split_word(word)]
        return [self._start, *pieces[: LENGTH - 2], self._end]

    def _split_word(self, word: str) -> list[int]:
        found: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            ends = (end for end in range(len(word), start, -1) if prefix + word[start:end] in self._ids)
            end = next(ends, None)
            if end is None:
                return [self._unknown]
            found.append(self._ids[prefix + word[start:end]])
            start = end
        return found


def split_words(text: str) -> list[str]:
    """Words and signs, in lower case."""
    return re.findall(r"[^\W_]+|[^\w\s]|_", text.lower())


def embed_texts(state: Mapping[str, Tensor], ids: Tensor) -> Tensor:
    """What texts mean, fp32 of shape (texts, width): BERT, then the mean over tokens, scaled to length 1.

    Args:
        state: the checkpoint.
        ids: int64 of shape (texts, length); 0 pads.
    """
    real = ids != 0
    return pool_tokens(run_layers(state, embed_tokens(state, ids), real, range(LAYERS)), real)


def embed_tokens(state: Mapping[str, Tensor], ids: Tensor) -> Tensor:
    """What the first layer reads, fp32 of shape (texts, length, width)."""
    x = state["embeddings.word_embeddings.weight"][ids]
    x = x + state["embeddings.position_embeddings.weight"][: ids.shape[1]]
    return _norm(state, "embeddings.LayerNorm", x + state["embeddings.token_type_embeddings.weight"][0])


def run_layers(state: Mapping[str, Tensor], x: Tensor, real: Tensor, layers: Iterable[int]) -> Tensor:
    """What these layers make of it, of the same shape; ``real`` of shape (texts, length) is false for padding."""
    for layer in layers:
        x = _layer(state, f"encoder.layer.{layer}", x, real)
    return x


def pool_tokens(x: Tensor, real: Tensor) -> Tensor:
    """The mean over tokens, scaled to length 1, of shape (texts, width)."""
    return functional.normalize((x * real[..., None]).sum(1), dim=-1)


def _layer(state: Mapping[str, Tensor], name: str, x: Tensor, real: Tensor) -> Tensor:
    query, key, value = (
        _linear(state, f"{name}.attention.self.{part}", x).view(*x.shape[:2], HEADS, -1).transpose(1, 2)
        for part in ("query", "key", "value")
    )
    seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=real[:, None, None])
    seen = _linear(state, f"{name}.attention.output.dense", seen.transpose(1, 2).flatten(2))
    x = _norm(state, f"{name}.attention.output.LayerNorm", x + seen)
    inner = functional.gelu(_linear(state, f"{name}.intermediate.dense", x))
    return _norm(state, f"{name}.output.LayerNorm", x + _linear(state, f"{name}.output.dense", inner))


def _linear(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def _norm(state: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], 1e-12)
