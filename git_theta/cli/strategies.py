"""``git theta strategies``: how contested parameters can be merged, by what is installed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

from git_theta.cli.boundary import warn_of
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.errors import PluginError
from git_theta.merging.base import Strategy
from git_theta.merging.catalogue import load_strategy, strategy_names
from git_theta.merging.options import Option
from git_theta.merging.reference import format_default, format_heads
from git_theta.plugin_guard import PluginId


@click.command
@click.argument("name", default="", metavar="[STRATEGY]")
@json_option
def command(name: str, as_json: bool) -> None:
    """List merge strategies, or tell of one.

    All that are installed, ours first; or STRATEGY with its options: what each takes, and its default.
    """
    found = [load_strategy(name)] if name else list(_load_strategies())
    if as_json:
        echo_json([_strategy_json(one) for one in found])
    elif name:
        for line in _describe_strategy(found[0]):
            echo_line(line)
    else:
        width = max(len(one.name) for one in found)
        for one in found:
            echo_line(f"{one.name:{width}}  {one.summary}")


def _load_strategies() -> Iterator[Strategy]:
    """All that load; of the others people are told."""
    for name in strategy_names():
        try:
            yield load_strategy(name)
        except PluginError as error:
            warn_of(error)


def _describe_strategy(strategy: Strategy) -> Iterator[str]:
    yield f"{strategy.name}: {strategy.summary}"
    yield ""
    yield f"Source:  {strategy.source}"
    yield f"Package: {' '.join(PluginId('merges', strategy.name).find_package()) or 'not known'}"
    yield f"Needs:   {', '.join(_describe_needs(strategy))}"
    if not strategy.exact:
        yield "Exact:   no: the last bit may differ between machines"
    if strategy.options:
        yield ""
        yield from _describe_options(strategy.options)
    if strategy.details:
        yield ""
        yield from strategy.details.split("\n")


def _describe_needs(strategy: Strategy) -> Iterator[str]:
    yield f"{format_heads(strategy)} heads{', weighted or not' if strategy.takes_weights else ''}"
    yield "the merge base" if strategy.needs_base else "no merge base"
    if strategy.may_lack:
        yield "the parameter in some heads"
    if strategy.numeric:
        yield "numbers of one dtype and shape"
    for companion in strategy.companions:
        yield f"{companion.pattern} of each head ({companion.help.rstrip('.')})"


def _describe_options(options: Sequence[Option]) -> Iterator[str]:
    width = max(len(option.name) for option in options)
    for option in options:
        default = format_default(option)
        takes = f"{option.describe_values()}{f'; {default} by default' if default else ''}"
        yield f"-o {option.name:{width}}  {takes}"
        yield f"   {'':{width}}  {option.help}"


def _strategy_json(strategy: Strategy) -> dict[str, Any]:
    package, version, *_ = (*PluginId("merges", strategy.name).find_package(), None, None)
    fewest, most = strategy.heads
    return {
        "name": strategy.name,
        "summary": strategy.summary,
        "details": strategy.details,
        "source": strategy.source,
        "package": package,
        "version": version,
        "heads": {"fewest": fewest, "most": most},
        "needs_base": strategy.needs_base,
        "takes_weights": strategy.takes_weights,
        "may_lack": strategy.may_lack,
        "numeric": strategy.numeric,
        "exact": strategy.exact,
        "companions": [{"name": one.name, "pattern": one.pattern, "help": one.help} for one in strategy.companions],
        "options": [_option_json(option) for option in strategy.options],
    }


def _option_json(option: Option) -> dict[str, Any]:
    return {
        "name": option.name,
        "kind": option.kind,
        "default": option.default,
        "within": option.within or None,
        "choices": list(option.choices) or None,
        "range": option.range and list(option.range),
        "scale": option.scale if option.range else None,
        "help": option.help,
    }
