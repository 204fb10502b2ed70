"""The strategies that are installed, by name."""

from __future__ import annotations

from git_theta import registry
from git_theta.errors import PluginError, UsageError
from git_theta.merging.base import Strategy
from git_theta.merging.options import guess


def names() -> list[str]:
    """What strategies there are: ours, then plug-ins."""
    return registry.names("merges")


def named(name: str) -> Strategy:
    """The strategy of that name. Raises UsageError suggesting the closest, PluginError if it will not load."""
    if name not in registry.BUILT_IN["merges"] and name not in names():
        raise UsageError(f"no strategy is called {name!r}", hint=guess(name, names()))
    strategy = registry.load("merges", name)
    if not isinstance(strategy, Strategy):
        raise PluginError(f"the strategy {name!r} is no Strategy but {strategy!r}", hint="Upgrade its package.")
    return strategy
