"""The counter-based generator: the published known answers, and independence of how it is asked."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pytest

from git_theta.merging.arithmetic.generator import Generator, philox
from git_theta.tensors.array_library import ArrayLibrary
from tests.merging.array_libraries import FROM_NUMPY, LIBRARIES

every_library = pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
@pytest.mark.parametrize("library", LIBRARIES)
def test_known_answers_of_random123(library: str, counter: str, key: str, expected: str) -> None:
    """philox4x32 with 10 rounds, from kat_vectors of the Random123 library."""
    c0, c1, c2, c3 = (FROM_NUMPY[library](np.array([int(word, 16)])) for word in counter.split())
    k0, k1 = (int(word, 16) for word in key.split())
    assert " ".join(f"{int(word[0]):08x}" for word in philox((c0, c1, c2, c3), (k0, k1))) == expected


@every_library
def test_golden_words(library: ArrayLibrary) -> None:
    """Merges that were made must be made again: these never change."""
    words = Generator(7, "layer.weight", "ab" * 32).words(0, 5, library)
    assert words.tolist() == [4287488844, 3514299429, 3898250487, 146326393, 3510699722]


@every_library
@pytest.mark.parametrize("pieces", [[1] * 23, [3, 4, 5, 11], [22, 1], [8, 8, 7]])
def test_words_do_not_depend_on_chunks(library: ArrayLibrary, pieces: list[int]) -> None:
    generator = Generator(1, "a", "b")
    starts = [sum(pieces[:index]) for index in range(len(pieces))]
    cut = [generator.words(start, size, library).tolist() for start, size in zip(starts, pieces, strict=True)]
    assert list(chain.from_iterable(cut)) == generator.words(0, 23).tolist()


def test_words_far_into_a_tensor_use_the_whole_index() -> None:
    generator = Generator(1, "a", "b")
    assert not np.array_equal(generator.words(4 << 32, 8), generator.words(0, 8))


def test_seed_name_branch_and_twin_all_count() -> None:
    keys = [(1, "a", "b", 0), (2, "a", "b", 0), (1, "c", "b", 0), (1, "a", "d", 0), (1, "a", "b", 1), (1, "ab", "", 0)]
    drawn = {tuple(Generator(*key).words(0, 4).tolist()) for key in keys}
    assert len(drawn) == len(keys)


def test_words_are_uniform() -> None:
    words = Generator(3, "a", "b").words(0, 1 << 18) / 2**32
    assert abs(float(words.mean()) - 0.5) < 5 * (1 / 12 / (1 << 18)) ** 0.5
    counts: Any = np.histogram(words, bins=64, range=(0, 1))[0]
    chi_squared = float(((counts - 4096) ** 2 / 4096).sum())
    assert chi_squared < 120  # 63 degrees of freedom: less than one in 10,000 seeds is above
