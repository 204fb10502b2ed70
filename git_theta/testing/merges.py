"""The laws of ``git_theta.merging.base``."""

from __future__ import annotations

from git_theta.testing.strategy_companions import CompanionLaws
from git_theta.testing.strategy_declarations import DeclarationLaws
from git_theta.testing.strategy_reproduction import ReproductionLaws
from git_theta.testing.strategy_results import ResultLaws


class StrategyLaws(DeclarationLaws, ResultLaws, ReproductionLaws, CompanionLaws):
    """Derive, and name the strategy. What else a test may say of it is in :class:`StrategyHooks`.

    Law L9b: what a strategy that is not ``exact`` makes may differ between chunks, threads and array libraries by one
    unit in the last place, in one element of 20,000 (of fp64, by 1e-9 of the largest number).
    """
