"""The page of strategies is what their declarations say; the declarations are complete."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_theta import known_plugins
from git_theta.merging import reference
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.options import Option

PAGE = Path(__file__).parents[2] / "docs/reference/strategies.md"
NAMES = list(known_plugins.BUILT_IN["merges"])


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == reference.render_reference(), (
        "python -m git_theta.merging.reference > docs/reference/strategies.md"
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_declares_what_it_is(name: str) -> None:
    strategy = load_strategy(name)
    assert strategy.name == name
    assert strategy.source
    assert strategy.summary.endswith(".")
    assert f"## {name}\n\n{strategy.summary}\n" in reference.render_reference()


@pytest.mark.parametrize(
    ("strategy", "option"), [(name, option) for name in NAMES for option in load_strategy(name).options], ids=str
)
def test_every_default_is_a_value_that_its_option_takes(strategy: str, option: Option) -> None:
    assert option.help.endswith(".")
    if option.default is not None:
        assert option.parse(option.default) == option.default


def test_a_head_of_the_page_names_what_is_computed() -> None:
    page = reference.render_reference()
    assert "| `density` | a number in (0, 1] | `0.2` |" in page
    assert "| `zero_sign` | positive or majority | `positive` |" in page
    assert "| `normalize` | true or false | `true` |" in page
    assert "- Heads: 2\n" in page
    assert "- Merge base: needed\n" in page
