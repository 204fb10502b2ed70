"""What a strategy reads beside the heads: it is required, and counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from git_theta.errors import ConflictError
from git_theta.merging.checks import check_contest
from git_theta.merging.execution import merge_bytes
from git_theta.testing.operands import operand
from git_theta.testing.strategy_contests import StrategyContests


class CompanionLaws(StrategyContests):
    """Companions of the heads; a strategy without any passes."""

    def test_heads_without_their_companion_are_refused(self) -> None:
        if not self.make_strategy().companions:
            pytest.skip("it reads no companions")
        for asked in self._contests("F32"):
            whole = self._accompany(asked).companions
            wrong = {name: (operand([1.0]), *held[1:]) for name, held in whole.items()}
            lacking = {name: (None, *held[1:]) for name, held in whole.items()}
            optional = any(companion.is_optional for companion in self.make_strategy().companions)
            for companions in (lacking, wrong) if optional else ({}, lacking, wrong):
                with pytest.raises(ConflictError):
                    check_contest(self.make_strategy(), replace(asked, companions=companions))

    def test_companions_make_a_difference(self) -> None:
        if not self.make_strategy().companions:
            pytest.skip("it reads no companions")
        first = self._accompany(next(iter(self._contests("F32"))))
        strategy, results = self.make_strategy(), set()
        for order in (1, -1):
            companions = {name: held[::order] for name, held in first.companions.items()}
            (prepared,) = strategy.prepare([replace(first, companions=companions)])
            results.add(b"".join(map(bytes, merge_bytes(strategy, prepared))))
        assert len(results) == 2
