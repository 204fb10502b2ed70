"""What is installed, from Python."""

from __future__ import annotations

import git_theta
from git_theta.known_plugins import BUILT_IN


def test_every_strategy_is_listed() -> None:
    found = {row.name: row for row in git_theta.strategies()}
    assert found.keys() >= BUILT_IN["merges"].keys()
    assert found["ties"].needs_base and "density" in found["ties"].options
    assert (found["slerp"].fewest, found["slerp"].most) == (2, 2)
    assert found["average"].most is None


def test_every_plugin_is_listed_with_its_package() -> None:
    found = {(row.family, row.name): row for row in git_theta.plugins()}
    assert {(family, name) for family, names in BUILT_IN.items() for name in names} <= found.keys()
    assert (found["formats", "safetensors"].package, found["merges", "ties"].version) == (
        "git-theta",
        git_theta.__version__,
    )
