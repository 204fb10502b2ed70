"""A router: which experts count how much for an example.

Source: Muqeeth, Liu, Raffel, Soft merging of experts with adaptive routing (arXiv 2306.03745), section 3, and what the
authors' code has beyond it: both normalisations have a learnt scale and shift, the vectors' scale begins at 0.01, so
that a new router weighs all experts nearly alike, and what dropout leaves is divided by its sum.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_START = 0.01
"""The standard deviation of new vectors, and the scale that they are normalised to."""
_LEAST = 1e-10
"""What a dropped expert has before weights are divided by their sum: where all are dropped, all count alike."""


class ExpertRouter(nn.Module):
    """weights = softmax(LN(z) . LN(W)^T), in fp32.

    Args:
        experts: how many.
        features: how many numbers describe an example.
        dropout: in training, the share of experts that do not count, drawn anew for each example.

    Attributes:
        vectors: W, (experts, features).
    """

    def __init__(self, experts: int, features: int, dropout: float) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(experts, features).normal_(std=_START))
        self.query_norm, self.vector_norm = nn.LayerNorm(features), nn.LayerNorm(features)
        nn.init.constant_(self.vector_norm.weight, _START)
        self.dropout = dropout

    def compute_logits(self, query: Tensor) -> Tensor:
        """LN(z) . LN(W)^T: (examples, features) to (examples, experts)."""
        found: Tensor = self.query_norm(query.float()) @ self.vector_norm(self.vectors).T
        return found

    def forward(self, query: Tensor) -> Tensor:
        """The weights: (examples, features) to (examples, experts), each row with the sum 1."""
        weights = functional.softmax(self.compute_logits(query), dim=-1)
        if not self.training or not self.dropout:
            return weights
        kept = weights * (torch.rand_like(weights) >= self.dropout) + _LEAST
        return kept / kept.sum(dim=-1, keepdim=True)
