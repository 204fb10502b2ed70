"""What a strategy says of itself, and of its options, is so."""

from __future__ import annotations

import re

import pytest

from git_theta.errors import UsageError
from git_theta.merging import options
from git_theta.testing.strategy_contests import StrategyContests


class DeclarationLaws(StrategyContests):
    """Names, options and their defaults."""

    def test_it_says_what_it_is(self) -> None:
        strategy = self.make_strategy()
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", strategy.name)
        assert strategy.summary.endswith(".")
        assert strategy.source
        low, high = strategy.heads
        assert 1 <= low <= (high or low)
        assert hash(strategy) == hash(self.make_strategy()), "two of the same are not alike: derive from a dataclass"

    def test_options_have_defaults_that_they_take(self) -> None:
        declared = self.make_strategy().options
        assert len({option.name for option in declared}) == len(declared)
        for option in declared:
            assert option.help
            if option.default not in (None, ()):
                assert option.parse(option.default) == option.default
                assert option.parse(str(option.default)) == option.default
        for chosen in self.options(self._few()):
            assert options.parse_options("", declared, chosen).keys() == {option.name for option in declared}

    def test_what_a_search_tries_of_options_is_what_they_take(self) -> None:
        for option in self.make_strategy().options:
            if option.range:
                low, high = option.range
                assert option.kind == "number"
                assert low <= option.default <= high, "the default is tried first"
                assert low < high
                assert [option.parse(low), option.parse(high)] == [low, high]
                assert option.scale == "linear" or low > 0

    def test_an_option_that_does_not_exist_is_refused(self) -> None:
        strategy = self.make_strategy()
        with pytest.raises(UsageError, match="has no option 'does_not_exist'"):
            options.parse_options(strategy.name, strategy.options, {"does_not_exist": 1})
