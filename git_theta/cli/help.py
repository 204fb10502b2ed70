"""``git theta help``: what ``-h`` of a command prints."""

from __future__ import annotations

import click


@click.command
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(context: click.Context, names: tuple[str, ...]) -> None:
    """Show help on git theta, or on one of its commands.

    `git theta help COMMAND` prints what `git theta COMMAND -h` does. `git theta --help` and `git help theta` show all
    of it as a manual page.
    """
    about = context.find_root()
    for name in names:
        if not isinstance(about.command, click.Group):
            context.fail(f"{about.command_path} has no commands of its own")
        found, inner, _ = about.command.resolve_command(about, [name])
        assert inner  # resolve_command has raised UsageError otherwise
        about = click.Context(inner, info_name=found, parent=about)
    click.echo(about.get_help(), color=context.color)
