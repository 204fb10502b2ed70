"""Soft merging of experts: a routing distribution per group of parameters says how much of each head goes in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from git_theta.errors import UsageError
from git_theta.globs import name_matcher
from git_theta.merging.base import Contest, Strategy, Takes
from git_theta.merging.numerics import compute, labels, shared_weight, weighted_sum
from git_theta.merging.options import Option
from git_theta.tensors.array_library import Vector

_EPSILON = 1e-5
"""LayerNorm's, as in torch."""
_ROUTES = ("logits", "routing", "scores")


@dataclass(frozen=True)
class Smear(Strategy):
    """sum of w_i x_i, w = softmax(logits / temperature) over the heads that have the parameter."""

    array_library: Takes = "any"

    def check(self, contest: Contest) -> None:
        _find_logits(contest)

    def merge(self, contest: Contest) -> Iterator[Vector]:
        heads = contest.heads()
        logits = _find_logits(contest)
        # By logit, then content: the order of heads must not change the sum that softmax divides by.
        heads.sort(key=lambda head: (logits[head.position], head.oid, head.position))
        weights = softmax([logits[head.position] for head in heads], contest.options["temperature"])
        contest.report.facts["entropy"] = entropy(weights)
        used = dict(zip((head.position for head in heads), weights, strict=True))
        contest.report.weights = tuple(map(used.get, range(len(contest.branches))))
        shares = [shared_weight(contest, share) for share in weights]
        operands = [head.operand for head in heads]
        return compute(contest, operands, labels(heads), lambda chunk: weighted_sum(chunk.values, shares))


def group_of(name: str, groups: Sequence[str]) -> str:
    """The first glob that matches a parameter's name; else its module: the name without its last component."""
    return next((glob for glob in groups if name_matcher([glob])(name)), name.rpartition(".")[0])


def softmax(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    """exp(l_i / temperature) / sum of exp(l_j / temperature), in fp64."""
    top = max(logits)
    powers = [math.exp((logit - top) / temperature) for logit in logits]
    total = math.fsum(powers)
    return [power / total for power in powers]


def entropy(weights: Sequence[float]) -> float:
    """-sum of w log w, in nats: 0 where one head takes all, log N where all count alike."""
    return -math.fsum(weight * math.log(weight) for weight in weights if weight) + 0.0


def layer_norm(vector: Sequence[float]) -> list[float]:
    """The vector with mean 0 and variance 1, without learnt scale and shift."""
    mean = math.fsum(vector) / len(vector)
    variance = math.fsum((value - mean) ** 2 for value in vector) / len(vector)
    return [(value - mean) / math.sqrt(variance + _EPSILON) for value in vector]


def _find_logits(contest: Contest) -> list[float]:
    """One per branch."""
    options, heads = contest.options, len(contest.branches)
    given = [route for route in _ROUTES if options[route] is not None]
    if len(given) != 1:
        raise UsageError(
            f"smear takes one of logits, routing and scores, not {' and '.join(given) or 'none of them'}",
            hint='For instance logits={"*": [0.0, 1.0]}: one number per head for the groups that a glob matches.',
        )
    if given == ["scores"]:
        return _as_numbers(options["scores"], heads, "scores")
    group = group_of(contest.name, options["groups"])
    found = _look_up(options[given[0]], group, given[0])
    return _as_numbers(found, heads, "logits") if given == ["logits"] else _route_logits(contest, found, group)


def _route_logits(contest: Contest, routing: Any, group: str) -> list[float]:
    """LayerNorm(query) . LayerNorm(r_i)."""
    query = contest.options["query"]
    if query is None:
        raise UsageError("routing takes a query as well", hint="Give query: a vector, or one by group.")
    wanted = _as_numbers(_look_up(query, group, "query"), None, "query")
    vectors = _as_list(routing, len(contest.branches), "routing")
    norms = [layer_norm(_as_numbers(vector, len(wanted), "a routing vector")) for vector in vectors]
    normed = layer_norm(wanted)
    return [math.fsum(q * r for q, r in zip(normed, norm, strict=True)) for norm in norms]


def _look_up(table: Any, group: str, option: str) -> Any:
    """What a mapping of globs holds for a group, the first match; anything else holds for all groups."""
    if not isinstance(table, Mapping):
        return table
    for glob, value in table.items():
        if glob == group or (glob and name_matcher([glob])(group)):
            return value
    known = ", ".join(map(repr, table)) or "nothing"
    raise UsageError(
        f"{option} has nothing for the group {group!r}, only for {known}", hint='"*" stands for any group.'
    )


def _as_list(value: Any, count: int | None, what: str) -> list[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise UsageError(f"{what} should be a list, not {value!r}", hint="Give one entry per head.")
    if count is not None and len(value) != count:
        raise UsageError(f"{what} has {len(value)} entries, not {count}", hint="Lists go by head, vectors by size.")
    return list(value)


def _as_numbers(value: Any, count: int | None, what: str) -> list[float]:
    numbers = _as_list(value, count, what)
    if not all(isinstance(number, (int, float)) and math.isfinite(number) for number in numbers):
        raise UsageError(f"{what} should be finite numbers, not {value!r}", hint="Give one number per head.")
    return list(map(float, numbers))


SMEAR = Smear(
    "smear",
    "sum of w_i x_i, w = softmax(logits / temperature), for each group of parameters.",
    "Muqeeth, Liu, Raffel, Soft merging of experts with adaptive routing (arXiv 2306.03745)",
    options=(
        Option("groups", "globs", (), "Globs over parameter names, a group each; other parameters go by module."),
        Option(
            "logits", "json", None, "Group to one logit per head. Keys are globs over groups, the first match wins."
        ),
        Option(
            "routing", "json", None, "Group to one routing vector per head; logits are LayerNorm(q) . LayerNorm(r_i)."
        ),
        Option("query", "json", None, "Group to the vector q that routing vectors are compared with; or one for all."),
        Option("scores", "numbers", None, "One logit per head for all groups: say, its accuracy on held-out data."),
        Option(
            "temperature",
            "number",
            1.0,
            "What logits are divided by: small takes the best head, large the mean.",
            within="(0, inf)",
            range=(0.1, 10.0),
            scale="log",
        ),
    ),
    may_lack=True,
    details="""\
A group is what routes together: one module unless `groups` says otherwise, named by its glob or by the parameters' name
without the last component ("" for names without a dot). Give one of `logits`, `routing` (with `query`) and `scores`; a
head that lacks a parameter is left out, and the others' weights are those of a softmax over them alone. The report has
the weights and their entropy (nats).

In the paper, a router sees each example, and merges the experts anew for it: every input has its own weights, and
routers are trained along with experts. One merged checkpoint has one set of weights for all inputs. It cannot send
different inputs, tasks or languages to different experts; it is the one mixture that suits the query or the scores
you gave, and near a uniform softmax it is a plain average.""",
)
