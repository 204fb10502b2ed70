"""Options that every command takes, in any place: those that tell more, and ``--no-pager``."""

from __future__ import annotations

import os

import click

from git_theta.cli import boundary


def _set_debug(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        os.environ[boundary.DEBUG] = "1"


def _show_help(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


def _refuse_pager(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        os.environ["GIT_PAGER"] = "cat"  # as `git --no-pager` does


_OPTIONS = (
    click.Option(
        ["--debug"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_set_debug,
        help="Show where an error arose.",
    ),
    click.Option(["--help"], is_flag=True, is_eager=True, expose_value=False, callback=_show_help, hidden=True),
    click.Option(
        ["--no-pager"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_refuse_pager,
        help="Print without a pager.",
        hidden=True,
    ),
)


def add_common_options(command: click.Command) -> click.Command:
    """Give a command, and those that are in it, what every one of them takes; those that have it already are left."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            add_common_options(inner)
    if not any(option.name == "debug" for option in command.params):
        command.params += _OPTIONS
    return command
