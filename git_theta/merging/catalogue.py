"""The strategies that are installed, by name."""

from __future__ import annotations

from git_theta import registry
from git_theta.errors import PluginError, UsageError
from git_theta.merging.base import Strategy
from git_theta.merging.options import suggest_names


def strategy_names() -> list[str]:
    """What strategies there are: ours, then plug-ins."""
    return registry.plugin_names("merges")


def load_strategy(name: str) -> Strategy:
    """The strategy of that name. Raises UsageError suggesting the closest, PluginError if it will not load."""
    if name not in registry.BUILT_IN["merges"] and name not in strategy_names():
        raise UsageError(f"no strategy is called {name!r}", hint=suggest_names(name, strategy_names()))
    strategy = registry.load_plugin("merges", name)
    if not isinstance(strategy, Strategy):
        raise PluginError(f"the strategy {name!r} is no Strategy but {strategy!r}", hint="Upgrade its package.")
    return strategy
