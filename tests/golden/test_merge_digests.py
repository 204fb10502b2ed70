"""Whatever a release has merged, every later one merges to the same bytes (L9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_theta.known_plugins import BUILT_IN
from git_theta.tensors.numpy_library import NUMPY
from git_theta.tensors.torch_library import TorchLibrary
from tests.golden.merge_digests import CHOSEN, cases, lines

LISTS = sorted((Path(__file__).parent / "merges").iterdir())


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("strategy", CHOSEN)
def test_merges_come_out_as_they_did(strategy: str, library: str) -> None:
    kept = {line for file in LISTS for line in file.read_text().splitlines(keepends=True)}
    listed = [case for case in cases() if case.strategy == strategy]
    assert [line for line in lines(listed, NUMPY if library == "numpy" else TorchLibrary()) if line not in kept] == []


def test_every_strategy_that_computes_is_on_a_list() -> None:
    """Fails when there is a new one: run ``python -m tests.golden.merge_digests`` then."""
    assert CHOSEN.keys() == BUILT_IN["merges"].keys() - {"ours", "theirs", "base"}
    kept = {line.partition("  ")[2] for file in LISTS for line in file.read_text().splitlines()}
    assert {str(case) for case in cases()} <= kept
