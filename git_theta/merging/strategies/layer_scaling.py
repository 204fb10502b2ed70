"""Task vectors that count the more, the deeper their layer is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from git_theta.merging.base import Contest
from git_theta.merging.options import Option
from git_theta.merging.strategies.task_vectors import TaskVectorStrategy, normalize
from git_theta.tensors.array_library import Vector
from git_theta.tensors.arrays import Parallel

_NUMBER = re.compile(r"(?:^|[./])(\d+)(?:[./]|$)")
_FIRST = re.compile(r"embed|(^|[._/])(wte|wpe|patch|stem|conv1|position|class_token|cls_token)", re.IGNORECASE)


def layer_number(name: str) -> int | None:
    """The number of the layer that a parameter belongs to: the first whole part of its name that is a number."""
    found = _NUMBER.search(name)
    return int(found[1]) if found else None


@dataclass(frozen=True)
class LayerScaling(TaskVectorStrategy):
    """base + (alpha + beta * depth) * sum of w_i tau_i."""

    def prepare(self, contests: Sequence[Contest], parallel: Parallel = map) -> Sequence[Contest]:  # noqa: ARG002
        found = [number for contest in contests if (number := layer_number(contest.name)) is not None]
        return [replace(contest, context=_find_scale(contest, max(found, default=0))) for contest in contests]

    def merge(self, contest: Contest) -> Iterator[Vector]:
        scale = self.prepare([contest])[0].context if contest.context is None else contest.context
        contest.report.facts["lambda"] = scale
        return super().merge(replace(contest, context=None, options={**contest.options, "lambda": scale}))


def _find_scale(contest: Contest, largest: int) -> float:
    """lambda_l of a parameter, given the largest number of a layer that was seen."""
    chosen = contest.options
    last = chosen["layers"] - 1 if chosen["layers"] else largest
    return float(chosen["alpha"] + chosen["beta"] * min(1.0, _find_depth(contest.name, last)))


def _find_depth(name: str, last: int) -> float:
    """0 for the first layer and embeddings, 1 for the last one and what has no number."""
    number = layer_number(name)
    if number is None:
        return 0.0 if _FIRST.search(name) else 1.0
    return number / last if last else 1.0


LINES = LayerScaling(
    "lines",
    "base + lambda_l * sum of w_i tau_i, lambda_l = alpha + beta * l / (L - 1) in layer l of L.",
    "Wang et al., LiNeS (arXiv 2410.17146)",
    options=(
        Option("alpha", "number", 0.3, "lambda of the first layer, and of embeddings.", range=(0.05, 2.0), scale="log"),
        Option(
            "beta", "number", 0.3, "How much more it is in the last layer, and in what belongs to none.", range=(0, 1)
        ),
        Option(
            "layers",
            "integer",
            0,
            "How many layers there are; 0: one more than the largest number among what is merged.",
            within="[0, 1048576]",
        ),
        normalize(False),
    ),
    needs_base=True,
    takes_weights=True,
    details="""\
The layer is the first part of a name that is a number (`encoder.layer.11.output.weight`: 11). Embeddings are told by
their names, and count as the first layer. Where not every layer is contested, say how many there are.""",
)
