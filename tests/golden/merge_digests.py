"""What strategies make of generated tensors, as SHA-256.

``python -m tests.golden.merge_digests > tests/golden/merges/NNN`` makes a new list.

A merge that somebody made must come out the same for ever, whatever computes it (L9). Lists are numbered and never
changed. Make a new one when there is a new strategy, option or dtype. Tensors are made of SHAKE-256 and integer
operations alone, so that no library's generator counts.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from git_theta.merging import options
from git_theta.merging.base import Contest
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.execution import merge_bytes
from git_theta.tensors.array_library import ArrayLibrary
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.numbers import FRACTION
from git_theta.tensors.numpy_library import NUMPY
from git_theta.tensors.spec import Spec
from git_theta.testing.operands import InMemory

Codes = npt.NDArray[Any]

SIZE, LARGE = 5_003, 140_003
"""Elements: more than a block of a sum, and more than two chunks."""
NUMBERS = {"C128": "F64", "C64": "F32", "C32": "F16"}
REAL = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ")
KINDS = ("any", "coarse", "trained")
CHOSEN: dict[str, tuple[Mapping[str, Any], ...]] = {
    "average": ({},),
    "weighted": ({}, {"weights": (0.3, 1.7, -0.25)}),
    "largest": ({},),
    "adapter-svd": ({},),
    "task-arithmetic": ({}, {"lambda": 0.4, "normalize": True}, {"weights": (0.3, 1.7, 0.25)}),
    "ties": (
        {},
        {"scope": "checkpoint", "lambda": 1.3},
        {"zero_sign": "majority", "density": 0.5},
        {"normalize": False, "weights": (0.3, 1.7, 0.25)},
        {"scope": "checkpoint", "zero_sign": "majority", "weights": (0.3, 1.7, 0.25)},
    ),
    "dare": ({}, {"density": 0.6, "seed": 5}),
    "dare-ties": ({}, {"zero_sign": "majority", "density": 0.5, "weights": (0.3, 1.7, 0.25)}),
    "breadcrumbs": ({}, {"density": 0.3, "gamma": 0.2}),
    "slerp": ({}, {"t": 0.1}),
    "model-stock": ({},),
    "lines": ({}, {"alpha": 0.2, "beta": 0.7, "weights": (0.3, 1.7, 0.25)}),
    "iso-c": ({},),
    "tsv-m": ({},),
    "wudi": ({"lambda": 0.7},),
    "smear": ({"scores": (0.5, 2.0, 1.0)}, {"logits": {"*": (1.0, 0.5, 2.0)}, "temperature": 2.0}),
}


class Case(NamedTuple):
    """A merge of a checkpoint: one tensor of each kind."""

    strategy: str
    chosen: Mapping[str, Any]
    dtype: str
    heads: int
    size: int

    def __str__(self) -> str:
        words = [self.strategy, *(f"{name}={value}" for name, value in sorted(self.chosen.items()))]
        return f"{' '.join(words)}: {self.heads} heads of {self.size} {self.dtype}".replace(", ", ",")


def cases() -> Iterator[Case]:
    """Every strategy with every dtype; of some more heads, other options and larger tensors."""
    for strategy, several in CHOSEN.items():
        most = load_strategy(strategy).heads[1] or 3
        for chosen in several:
            for dtype in (*REAL, *NUMBERS) if chosen is several[0] else ("F64", "F32", "BF16"):
                yield Case(strategy, chosen, dtype, 2, SIZE)
            yield from (Case(strategy, chosen, dtype, most, SIZE) for dtype in ("F32", "BF16") if most > 2)
            yield Case(strategy, chosen, "F32" if chosen is several[0] else "BF16", most, LARGE)


def merged(case: Case, library: ArrayLibrary = NUMPY) -> str:
    """The SHA-256 of what comes out, kind by kind."""
    strategy = load_strategy(case.strategy)
    chosen = dict(case.chosen)
    weights, seed = chosen.pop("weights", None), chosen.pop("seed", 0)
    cut = {name: value[: case.heads] for name, value in chosen.items() if name == "scores"}
    cut |= {"logits": {"*": chosen["logits"]["*"][: case.heads]}} if "logits" in chosen else {}
    parsed = options.parse_options(strategy.name, strategy.options, chosen | cut)
    contests = [
        Contest(
            f"layer.{kind}",
            tuple(tensor(kind, head, case.dtype, case.size) for head in range(1, case.heads + 1)),
            tensor(kind, 0, case.dtype, case.size),
            weights=weights and weights[: case.heads],
            options=parsed,
            seed=seed,
            library=library,
        )
        for kind in KINDS
    ]
    digest = hashlib.sha256()
    for contest in strategy.prepare(contests):
        for data in merge_bytes(strategy, contest):
            digest.update(data)
    return digest.hexdigest()


@cache
def tensor(kind: str, number: int, dtype: str, size: int) -> InMemory:
    """A generated tensor; 0 is the base."""
    name = NUMBERS.get(dtype, dtype)
    bits = BY_NAME[name].bits
    words = noise(f"{kind} {number} {name}", size * BY_NAME[dtype].bits // bits)
    codes = coarse(words, name) if kind == "coarse" else trained(words, name) if kind == "trained" else words
    return InMemory(codes.astype(f"<u{bits // 8}").tobytes(), Spec(BY_NAME[dtype], (size,)))


def noise(what: str, count: int) -> Codes:
    """Words of 64 bits."""
    return np.frombuffer(hashlib.shake_256(what.encode()).digest(8 * count), "<u8")


def coarse(words: Codes, name: str) -> Codes:
    """-2, -1.5, -1, -0.5, -0, 0, 0.5, 1, 1.5 or 2: many are equal, and many cancel."""
    fraction, bias = FRACTION[name], _bias(name)
    halves = [0, (bias - 1) << fraction, bias << fraction, (bias << fraction) + (1 << fraction - 1)]
    halves.append((bias + 1) << fraction)
    signed: Codes = np.array(halves, np.uint64)[words % np.uint64(5)]
    signed |= (words >> np.uint64(63)) << np.uint64(BY_NAME[name].bits - 1)
    return signed


def trained(words: Codes, name: str) -> Codes:
    """Numbers of 2**-8 to 2, or what the dtype has of them: eight exponents."""
    fraction = np.uint64(FRACTION[name])
    low = np.uint64(max(_bias(name) - 7, 0))
    exponent = low + (words >> np.uint64(56)) % np.uint64(8)
    codes: Codes = words & np.uint64((1 << FRACTION[name]) - 1)
    codes |= (words >> np.uint64(63)) << np.uint64(BY_NAME[name].bits - 1) | exponent << fraction
    return codes


def _bias(name: str) -> int:
    """What is to be taken from an exponent."""
    exponents: int = BY_NAME[name].bits - 1 - FRACTION[name]
    return (1 << exponents - 1) - (0 if name.endswith("FNUZ") else 1)


def lines(listed: Sequence[Case], library: ArrayLibrary = NUMPY) -> Iterator[str]:
    """A list of digests, as it is kept."""
    return (f"{merged(case, library)}  {case}\n" for case in listed)


if __name__ == "__main__":
    sys.stdout.writelines(lines(list(cases())))
