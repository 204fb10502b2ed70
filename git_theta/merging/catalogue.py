"""The strategies that are installed, by name."""

from __future__ import annotations

from git_theta.errors import UsageError
from git_theta.known_plugins import BUILT_IN
from git_theta.merging.base import STRATEGIES, Strategy
from git_theta.registered_names import describe_way_out, is_declared


def strategy_names() -> list[str]:
    """What strategies there are: ours, then plug-ins."""
    return STRATEGIES.list_names()


def load_strategy(name: str) -> Strategy:
    """The strategy of that name.

    Raises UsageError with the closest and the way out where there is none, PluginError if it will not load.
    """
    if name not in BUILT_IN["merges"] and not is_declared("merges", name):
        raise UsageError(f"no strategy is called {name!r} here", hint=describe_way_out("merges", name))
    return STRATEGIES.load_plugin(name)
