"""The strategies that are installed, by name."""

from __future__ import annotations

from git_theta.errors import UsageError
from git_theta.merging.base import STRATEGIES, Strategy
from git_theta.merging.options import suggest_names
from git_theta.registry import BUILT_IN


def strategy_names() -> list[str]:
    """What strategies there are: ours, then plug-ins."""
    return STRATEGIES.list_names()


def load_strategy(name: str) -> Strategy:
    """The strategy of that name. Raises UsageError suggesting the closest, PluginError if it will not load."""
    if name not in BUILT_IN["merges"] and name not in strategy_names():
        raise UsageError(f"no strategy is called {name!r}", hint=suggest_names(name, strategy_names()))
    return STRATEGIES.load_plugin(name)
