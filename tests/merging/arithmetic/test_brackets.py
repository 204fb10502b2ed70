"""Thresholds found in one pass where a sample says about where they are; never wrong where it does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from git_theta.merging.arithmetic import brackets, radix
from git_theta.merging.arithmetic.brackets import Magnitudes, Rank
from git_theta.merging.arithmetic.selection import Cut, cuts, magnitudes
from tests.merging.array_libraries import FROM_NUMPY

Array = npt.NDArray[np.float32]
CHUNK = 1000


def source(*heads: Array, library: str = "numpy") -> Magnitudes:
    """A tensor of several heads that comes in chunks."""

    def read() -> Iterator[Sequence[Any]]:
        for start in range(0, len(heads[0]), CHUNK):
            pieces = (FROM_NUMPY[library](head[start : start + CHUNK]) for head in heads)
            yield [magnitudes(piece, wide=False) for piece in pieces]

    return Magnitudes(read, len(heads[0]))


def normal(size: int, seed: int) -> Array:
    return np.random.default_rng(100 + seed).standard_normal(size, np.float32)


def tensors(library: str = "numpy") -> dict[str, Magnitudes]:
    """Three tensors of two heads: small, empty and large."""
    return {
        name: source(normal(size, seed), normal(size, seed + 1), library=library)
        for name, size, seed in (("a", 500, 1), ("b", 0, 3), ("c", 40_000, 5))
    }


@pytest.mark.parametrize("library", FROM_NUMPY)
@pytest.mark.parametrize("rank", [1, 8_000, 40_499])
def test_what_is_found_in_one_pass_is_what_all_digits_find(rank: int, library: str) -> None:
    asked = [Rank(0, rank), Rank(1, rank)]
    found = brackets.search(tensors(library), asked, map)
    assert sorted(found) == asked
    assert found == radix.search(tensors(library), asked, map, wide=False)


def test_of_coarse_magnitudes_each_is_counted_once() -> None:
    coarse = (normal(40_000, 1) * 4).round()
    [outcome] = brackets.search({"w": source(coarse)}, [Rank(0, 20_000)], map).values()
    assert outcome == radix.search({"w": source(coarse)}, [Rank(0, 20_000)], map, wide=False)[Rank(0, 20_000)]
    assert outcome.totals["w"] > 1000


def test_a_sample_that_misleads_finds_nothing() -> None:
    values = np.concatenate([np.full(CHUNK, 100, np.float32), normal(39_000, 1)])
    assert brackets.search({"w": source(values)}, [Rank(0, 20_000)], map) == {}


def test_too_many_magnitudes_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brackets, "_HELD", 10)
    assert brackets.search(tensors(), [Rank(0, 8_000)], map) == {}


def test_where_a_sample_fails_the_cuts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = [[8_000, 100], [0, 40_500]]
    expected = cuts(tensors(), ranks, wide=False)
    monkeypatch.setattr(brackets, "search", lambda *_: {})
    assert cuts(tensors(), ranks, wide=False) == expected


def test_one_sampling_and_one_look_are_all_it_takes() -> None:
    readings = []

    def read(inner: Magnitudes) -> Iterator[Sequence[Any]]:
        readings.append(1)
        yield from inner.read()

    counted = {name: Magnitudes(partial(read, inner), inner.elements) for name, inner in tensors().items()}
    cuts(counted, [[8_000], [8_000]], wide=False)
    assert len(readings) == 2 * len(counted)


def test_keeping_all_or_nothing_reads_nothing() -> None:
    never = Magnitudes(lambda: pytest.fail("read"), 10)
    assert cuts({"w": never}, [[0, 10]], wide=False)["w"][0][1] == Cut(-1)
