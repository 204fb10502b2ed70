"""Which components a change of the weights moves, and which examples it should disturb.

To second order the prediction of an example changes by 1/2 tau^T F tau (nats of KL divergence), with tau the change of
the weights. With F_i = n_i * sum of W_ij g_j g_j^T (n_i its norm) that is n_i / 2 * sum of W_ij (tau . g_j)^2.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from git_theta.errors import UsageError
from numpy.typing import NDArray

from git_theta_npeff.decomposition_file import Array, Decomposition

Doubles = NDArray[np.float64]


def measure_moves(found: Decomposition, before: Mapping[str, Array], after: Mapping[str, Array]) -> Doubles:
    """For each component how far it is moved: tau . g_j; of a diagonal the sum of tau^2 h_j. fp64.

    Raises UsageError, with the parameter, where a version lacks one of the decomposition's, or has another shape.
    """
    moves = np.zeros(found.weights.shape[1])
    for name, columns in found.columns.items():
        for version in (before, after):
            if name not in version or version[name].shape != found.shapes[name]:
                raise UsageError(
                    f"a version has it not as {list(found.shapes[name])}", hint="Fit again.", parameter=name
                )
        old, new = (version[name].reshape(-1)[columns].astype(np.float64) for version in (before, after))
        change = new - old
        moves += found.components[name].astype(np.float64) @ (change if found.form == "low-rank" else change**2)
    return moves


def predict_disturbance(found: Decomposition, moves: Doubles) -> Doubles:
    """By how many nats the prediction of each example should change. fp64."""
    squares = moves**2 if found.form == "low-rank" else moves
    return found.norms.astype(np.float64) / 2 * (found.weights.astype(np.float64) @ squares)
