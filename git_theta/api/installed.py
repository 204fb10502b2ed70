"""What is installed: strategies with their options, and plug-ins of every family."""

from __future__ import annotations

from typing import NamedTuple

from git_theta.api.row_table import RowTable
from git_theta.merging.catalogue import load_strategy, strategy_names
from git_theta.repository.setup.plugin_survey import PluginRow, survey_plugins

_STRATEGY_SHOWN = ("name", "summary", "options", "needs_base", "takes_weights")
_PLUGIN_SHOWN = ("family", "name", "package", "version", "state", "reason")


class StrategyRow(NamedTuple):
    """A strategy that merges can use.

    Attributes:
        name: as ``merge_tensors`` and ``git theta merge -s`` take it.
        summary: what it computes.
        source: the paper, or where else it comes from.
        options: names of what can be set; docs/reference/strategies.md has their values.
        fewest, most: how many heads it takes; ``most`` is None for any number.
        needs_base: whether it works on changes since the merge base.
        takes_weights: whether heads may be weighted.
    """

    name: str
    summary: str
    source: str
    options: tuple[str, ...]
    fewest: int
    most: int | None
    needs_base: bool
    takes_weights: bool


def list_strategies() -> RowTable[StrategyRow]:
    """The strategies that are installed, ours first; exported as ``git_theta.strategies``.

    Raises PluginError for one of another package that will not load.

    Example:
        >>> [row.name for row in git_theta.strategies() if not row.needs_base]
    """
    found = map(load_strategy, strategy_names())
    rows = [
        StrategyRow(
            one.name,
            one.summary,
            one.source,
            tuple([option.name for option in one.options]),
            *one.heads,
            one.needs_base,
            one.takes_weights,
        )
        for one in found
    ]
    return RowTable(StrategyRow, rows, _STRATEGY_SHOWN)


def list_plugins() -> RowTable[PluginRow]:
    """The plug-ins that are installed, ours among them, as ``git theta plugins`` has them; exported as
    ``git_theta.plugins``.

    Each is imported in a process of its own, with the interpreter and the flags of Git's filter.

    Raises PluginError where that interpreter cannot be asked.

    Example:
        >>> git_theta.plugins().to_frame().query("package != 'git-theta'")
    """
    return RowTable(PluginRow, survey_plugins(), _PLUGIN_SHOWN)
