"""Strategies as other packages bring them: written for torch, for numpy, for any library; and broken ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from git_theta.merging.base import Contest, Strategy, Takes
from git_theta.merging.numerics import Chunk, compute, labels, shared_weight, weighted_sum


@dataclass(frozen=True)
class Median(Strategy):
    """Of three heads. Written for torch before there was anything else: it declares nothing."""

    def merge(self, contest: Contest) -> Iterator[Any]:
        import torch

        heads = contest.heads()

        def formula(chunk: Chunk) -> Any:
            ordered = torch.stack(chunk.values).sort(dim=0).values
            return ordered[1] * shared_weight(contest, 1.0)

        return compute(contest, [head.operand for head in heads], labels(heads), formula)


@dataclass(frozen=True)
class First(Strategy):
    """The first head by its contents: reads operands by itself, as torch tensors."""

    def merge(self, contest: Contest) -> Iterator[Any]:
        for chunk in contest.heads()[0].operand.chunks():
            yield chunk.clone().to(contest.device)


@dataclass(frozen=True)
class NumpyMedian(Strategy):
    """Of three heads, for numpy alone."""

    array_library: Takes = "numpy"

    def merge(self, contest: Contest) -> Iterator[Any]:
        import numpy as np

        heads = contest.heads()
        operands = [head.operand for head in heads]
        return compute(contest, operands, labels(heads), lambda chunk: np.sort(np.stack(chunk.values), axis=0)[1])


@dataclass(frozen=True)
class Mean(Strategy):
    """The mean of all heads, for any library, but for one thing: its name."""

    array_library: Takes = "any"

    def merge(self, contest: Contest) -> Iterator[Any]:
        heads = contest.heads()
        count = shared_weight(contest, len(heads))

        def formula(chunk: Chunk) -> Any:
            mean = weighted_sum(chunk.values, [None] * len(heads)) / count
            if self.name == "wide-formula":
                return mean * contest.library.xp.asarray(1.0, dtype=contest.library.xp.float64).reshape(1)
            return mean[:-1] if self.name == "short-formula" else mean

        for chunk in compute(contest, [head.operand for head in heads], labels(heads), formula):
            yield from self._spoilt(chunk, contest)

    def _spoilt(self, chunk: Any, contest: Contest) -> Iterator[Any]:
        xp = contest.library.xp
        if self.name == "float64":
            yield xp.astype(chunk, xp.float64)
        elif self.name == "short":
            yield chunk[1:]
        elif self.name == "long":
            yield from (chunk, chunk)
        elif self.name == "matrix":
            yield xp.reshape(chunk, (1, -1))
        elif self.name == "list":
            yield chunk.tolist()
        elif self.name == "other-library":
            import torch

            yield torch.from_numpy(chunk)
        elif self.name != "nothing":
            yield chunk


MEDIAN = Median("median", "The middle one of three.", "Nowhere", heads=(3, 3))
FIRST = First("first", "The first.", "Nowhere")
NUMPY_MEDIAN = NumpyMedian("numpy-median", "The middle one of three.", "Nowhere", heads=(3, 3))
FLOAT64 = Mean("float64", "A mean.", "Nowhere")
SHORT = Mean("short", "A mean.", "Nowhere")
