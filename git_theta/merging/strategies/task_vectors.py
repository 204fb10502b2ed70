"""The family of task vectors: one algorithm, and what its members declare.

tau_i  = x_i - base
s_i    = sparse(tau_i)                                   none, magnitude, random or breadcrumbs (``sparsify``)
sign   = sign of sum of w_i s_i                          where a sign is elected
total  = sum of w_i s_i                                  over heads that agree with it, or over all
result = base + lambda * total                           total divided by those heads' weights if normalize
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.merging.arithmetic import masks
from git_theta.merging.arithmetic.small_operands import hold_small
from git_theta.merging.base import Contest, Strategy, Takes
from git_theta.merging.numerics import Chunk, compute, labels, stream, weight
from git_theta.merging.options import Option
from git_theta.merging.strategies.election import Combination, add
from git_theta.merging.strategies.sparsify import Cuts, Sparsify, Terms, find_cuts, is_cut
from git_theta.tensors.array_library import Vector
from git_theta.tensors.arrays import Parallel


class Survey(NamedTuple):
    """What a first look at a contest, or at all of them, found.

    Attributes:
        cuts: where its task vectors are cut; None where nothing is cut.
        lean: the sign of changes that cancel exactly: 0 for positive, 1 for negative.
    """

    cuts: Cuts | None
    lean: int


@dataclass(frozen=True)
class TaskVectorStrategy(Strategy):
    """A member of the family.

    Attributes:
        sparsify: how task vectors are made sparse.
        elect: whether each element elects a sign, and only heads that agree with it count.
    """

    array_library: Takes = "any"
    sparsify: Sparsify = "none"
    elect: bool = False

    def check(self, contest: Contest) -> None:
        weights = contest.weights
        if weights and contest.options["normalize"] and not (min(weights) >= 0 < max(weights)):
            raise UsageError(
                f"{self.name} with normalize takes weights of 0 or more, and not only 0: {weights}",
                hint="It divides by the weights of the heads that agree. Set normalize=false for other weights.",
            )

    def prepare(self, contests: Sequence[Contest], parallel: Parallel = map) -> Sequence[Contest]:
        if not contests or contests[0].options.get("scope") != "checkpoint":
            return contests
        surveys = self._survey(sorted(contests, key=lambda contest: contest.name), parallel)
        return [replace(contest, context=surveys[contest.name]) for contest in contests]

    def merge(self, contest: Contest) -> Iterator[Vector]:
        contest = contest if contest.context or not self._looks_twice(contest) else hold_small(contest)
        survey: Survey = contest.context or self._survey([contest])[contest.name]
        terms = Terms(contest, self.sparsify, survey.cuts)
        combine = Combination(contest, terms.heads, elect=self.elect, lean=survey.lean)
        scale = weight(contest, contest.options["lambda"])

        def formula(chunk: Chunk) -> Vector:
            total = combine(terms.of(chunk))
            return chunk.values[-1] + (total if scale is None else total * scale)

        return compute(contest, terms.operands, [*labels(terms.heads), "base"], formula)

    def _looks_twice(self, contest: Contest) -> bool:
        """Whether tensors are read before they are merged."""
        return is_cut(self.sparsify) or (self.elect and contest.options["zero_sign"] == "majority")

    def _survey(self, contests: Sequence[Contest], parallel: Parallel = map) -> dict[str, Survey]:
        cuts = find_cuts(contests, self.sparsify, parallel)
        by_majority = self.elect and contests[0].options["zero_sign"] == "majority"
        lean = self._lean(contests, cuts, parallel) if by_majority else 0
        return {contest.name: Survey(cuts.get(contest.name), lean) for contest in contests}

    def _lean(self, contests: Sequence[Contest], cuts: Mapping[str, Cuts], parallel: Parallel) -> int:
        """Whether the sign that most elements elect is negative. A draw is, as in the paper's code."""
        surveyed = [replace(contest, context=Survey(cuts.get(contest.name), 0)) for contest in contests]
        return int(sum(parallel(partial(count_balance, self.sparsify), surveyed)) <= 0)


def count_balance(sparsify: Sparsify, contest: Contest) -> int:
    """By how many elements of a contest, whose cuts are known, more elect the positive sign: a task."""
    terms = Terms(contest, sparsify, contest.context.cuts)
    found = 0
    for chunk in stream(contest, terms.operands):
        with contest.library.quiet():
            total = add(terms.of(chunk))
        found += masks.count(total > 0) - masks.count(total < 0)
    return found


def _density(default: float, what: str) -> Option:
    return Option("density", "number", default, what, within="(0, 1]", range=(0.05, 1.0), scale="log")


LAMBDA = Option("lambda", "number", 1.0, "What the merged task vector is multiplied by.", range=(0.1, 4.0), scale="log")
_ZERO_SIGN = Option(
    "zero_sign",
    "choice",
    "positive",
    "The sign elected where the sum is zero: positive, or the one that most elements elected.",
    choices=("positive", "majority"),
)
_SCOPE = Option(
    "scope",
    "choice",
    "tensor",
    "Whether each tensor has a threshold of its own, or each head one for the whole checkpoint.",
    choices=("tensor", "checkpoint"),
)


def normalize(default: bool) -> Option:
    """The option that makes a mean of the sum."""
    return Option("normalize", "flag", default, "Divide by the weights of the heads that count: a mean, not a sum.")


TASK_ARITHMETIC = TaskVectorStrategy(
    "task-arithmetic",
    "base + lambda * sum of w_i tau_i, tau_i = x_i - base.",
    "Ilharco et al., Editing models with task arithmetic (arXiv 2212.04089)",
    options=(LAMBDA, normalize(False)),
    needs_base=True,
    takes_weights=True,
)
TIES = TaskVectorStrategy(
    "ties",
    "Trim task vectors to the largest magnitudes, elect a sign per element, take the mean of those that agree.",
    "Yadav et al., TIES-Merging (arXiv 2306.01708)",
    options=(
        _density(0.2, "The share kept: the max(1, floor(density * d)) largest magnitudes of d."),
        LAMBDA,
        normalize(True),
        _ZERO_SIGN,
        _SCOPE,
    ),
    needs_base=True,
    takes_weights=True,
    details="""Exactly k = max(1, floor(density * d)) elements of each task vector are kept; of equal magnitudes,
those of lower index, and with `scope=checkpoint` those of the parameter that comes first by name. The sign elected is
that of the sum of w_i s_i, s_i being what is kept of tau_i. With weights, the mean is weighted.

With `scope=checkpoint`, the checkpoint is all the parameters that are merged by ties with the same options. What one
side alone changed is taken from that side, and does not count.

| to reproduce | set |
|---|---|
| the paper's code | `scope=checkpoint`, `zero_sign=majority` (it keeps one element more, and all equal to the last) |
| mergekit's `ties` | `scope=tensor`, `zero_sign=positive`, `density` as in the recipe (1 if there is none) |""",
    sparsify="magnitude",
    elect=True,
)
DARE = TaskVectorStrategy(
    "dare",
    "Keep each element of a task vector with probability density, divide it by density, and add: base + lambda * sum.",
    "Yu et al., Language models are super Mario (arXiv 2311.03099)",
    options=(_density(0.1, "The probability of being kept."), LAMBDA, normalize(False)),
    needs_base=True,
    takes_weights=True,
    details="""\
Which elements are kept depends on the seed, the parameter's name, the branch's tensor and the element's index alone
(Philox-4x32-10). As in the paper, what is kept is divided by density; mergekit's `dare_linear` rescales it so that the
tensor keeps its L1 norm, which comes to nearly the same in large tensors.""",
    sparsify="random",
)
DARE_TIES = TaskVectorStrategy(
    "dare-ties",
    "Task vectors made sparse as dare does, then merged as ties does.",
    "Yu et al., Language models are super Mario (arXiv 2311.03099)",
    options=(_density(0.1, "The probability of being kept."), LAMBDA, normalize(True), _ZERO_SIGN),
    needs_base=True,
    takes_weights=True,
    details="""\
The default is the paper's mean of those that agree; mergekit's `dare_ties` has `normalize=false`, and rescales as its
`dare_linear` does.""",
    sparsify="random",
    elect=True,
)
BREADCRUMBS = TaskVectorStrategy(
    "breadcrumbs",
    "Leave out the largest magnitudes and the smallest: base + lambda * sum of w_i tau_i of what lies between.",
    "Davari, Belilovsky, Model breadcrumbs (arXiv 2312.06795)",
    options=(
        _density(0.9, "The share kept: the floor(density * d) largest magnitudes once the outliers are gone."),
        Option(
            "gamma",
            "number",
            0.01,
            "The share of outliers: the floor(gamma * d) largest.",
            within="[0, 1)",
            range=(0.001, 0.1),
            scale="log",
        ),
        LAMBDA,
        normalize(False),
    ),
    needs_base=True,
    takes_weights=True,
    details="Of equal magnitudes, those of lower index count as larger. Each tensor has its own thresholds.",
    sparsify="breadcrumbs",
)
