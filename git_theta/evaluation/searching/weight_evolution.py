"""Weights of heads, searched by CMA-ES (N. Hansen, The CMA evolution strategy, arXiv 1604.00772).

It is of the package ``cma``, in pure Python on NumPy, which takes more than a second to import: here alone, and late.
"""

from __future__ import annotations

import importlib.util

from git_theta.evaluation.searching.merge_candidate import round_number
from git_theta.evaluation.searching.sampling import WeightSampler

_LARGEST = 2.0
"""Weights are tried from 0 to this."""
_SPREAD = 0.3
"""Of what is drawn at first, around 1."""


def can_evolve() -> bool:
    """Whether the package is installed. Imports nothing."""
    return importlib.util.find_spec("cma") is not None


def evolve_weights(heads: int, seed: int) -> WeightSampler:
    """Draw weights from around 1 for each head, and then from where the better ones were.

    Weights that cannot be evaluated count as the worst of their generation. Ends by itself where there is nothing more
    to gain, and where all are alike.
    """
    import cma
    import numpy as np

    drawn = np.random.Generator(np.random.Philox(key=seed & (1 << 64) - 1))
    settings = {
        "bounds": [0.0, _LARGEST],
        "randn": lambda *shape: drawn.standard_normal(shape),
        "seed": np.nan,  # that of the generator above: the global one of NumPy is left alone
        "verbose": -9,
    }
    strategy = cma.CMAEvolutionStrategy([1.0] * heads, _SPREAD, settings)
    while not strategy.stop():
        asked = strategy.ask()
        found = yield [tuple([round_number(float(weight)) for weight in one]) for one in asked]
        known = [gain for gain in found if gain is not None]
        if not known:
            return
        strategy.tell(asked, [-(min(known) if gain is None else gain) for gain in found])
