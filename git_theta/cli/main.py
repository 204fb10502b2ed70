"""``git theta``: finds the command that was named, and loads nothing else.

Called as ``git theta COMMAND --help``, git passes the option on; ``git theta --help`` it answers itself, with
the manual page that ``manual.py`` makes of the commands.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import click
from click.shell_completion import CompletionItem

from git_theta import __version__
from git_theta.cli import boundary
from git_theta.cli.common_options import add_common_options


class CommandEntry(NamedTuple):
    """Where a command lives, and its line in ``git theta -h``: listing commands must not import them.

    Attributes:
        target: ``module:attribute`` of the click command.
        help: one line; "" hides the command (it is called by Git, not by people).
    """

    target: str
    help: str = ""


COMMANDS = {
    "install": CommandEntry(
        "git_theta.cli.install:install", "Set up the filter, and the hooks of the repository you are in."
    ),
    "uninstall": CommandEntry("git_theta.cli.install:uninstall", "Undo what install did."),
    "track": CommandEntry("git_theta.cli.track:track", "Version files by pattern, or list the patterns."),
    "untrack": CommandEntry("git_theta.cli.track:untrack", "Stop versioning files by pattern."),
    "relayout": CommandEntry("git_theta.cli.relayout:command", "Find the parameters of versioned files anew."),
    "add": CommandEntry("git_theta.cli.add:command", "Update a checkpoint by an adapter, and stage that."),
    "export-update": CommandEntry(
        "git_theta.cli.export_update:command", "Write what a checkpoint changed as an adapter."
    ),
    "repack": CommandEntry("git_theta.cli.repack:command", "Choose anew how the versions in the index are stored."),
    "ls-files": CommandEntry("git_theta.cli.ls_files:command", "List versioned files and their parameters."),
    "status": CommandEntry("git_theta.cli.status:command", "Show what is materialised, missing or in conflict."),
    "checkout": CommandEntry("git_theta.cli.checkout:command", "Materialise manifests that stand in the worktree."),
    "diff": CommandEntry("git_theta.cli.diff:command", "Show how checkpoints differ, parameter by parameter."),
    "show": CommandEntry("git_theta.cli.show:command", "Show what one version of a checkpoint is made of."),
    "log": CommandEntry("git_theta.cli.log:command", "Show the commits that changed parameters."),
    "blame": CommandEntry("git_theta.cli.blame:command", "Show for each parameter the commit that last changed it."),
    "describe": CommandEntry("git_theta.cli.describe:command", "Say which commit a file, found anywhere, is from."),
    "bisect": CommandEntry("git_theta.cli.bisect:command", "Find the first version of a checkpoint that fails a test."),
    "map": CommandEntry("git_theta.cli.map:command", "Show several versions of a checkpoint in weight space."),
    "eval": CommandEntry("git_theta.cli.eval:command", "Evaluate versions by your own evaluators, and compare them."),
    "tokens": CommandEntry("git_theta.cli.tokens:command", "Show what a version was trained on, by commit trailers."),
    "path": CommandEntry("git_theta.cli.path:command", "Show the line between two versions of a checkpoint."),
    "centroid": CommandEntry("git_theta.cli.centroid:command", "Write the mean of several versions to a file."),
    "search": CommandEntry("git_theta.cli.search:command", "Search for the settings that merge heads best."),
    "merge": CommandEntry("git_theta.cli.merge:command", "Merge heads, checkpoints by parameters; or show the plan."),
    "round": CommandEntry("git_theta.cli.round:command", "Collect heads of several people, and merge them at once."),
    "strategies": CommandEntry("git_theta.cli.strategies:command", "List merge strategies, or tell of one."),
    "resolve": CommandEntry("git_theta.cli.resolve:command", "Settle contested parameters of files in conflict."),
    "fetch": CommandEntry(
        "git_theta.cli.fetch:fetch", "Bring objects here, of what is checked out or of other versions."
    ),
    "pull": CommandEntry("git_theta.cli.fetch:pull", "Bring objects here, and materialise what waits for them."),
    "push": CommandEntry("git_theta.cli.push:command", "Put objects on a remote that has commits without them."),
    "fsck": CommandEntry("git_theta.cli.fsck:command", "Verify every object of every reachable manifest."),
    "du": CommandEntry("git_theta.cli.du:command", "Show what takes space in the store."),
    "gc": CommandEntry("git_theta.cli.gc:command", "Delete the objects of this repository that nothing needs."),
    "prune": CommandEntry("git_theta.cli.prune:command", "Drop a remote's pointers of versions that no ref holds."),
    "plugins": CommandEntry("git_theta.cli.plugins:command", "List plug-ins, and whether the filter can use them."),
    "env": CommandEntry("git_theta.cli.env:command", "Show versions, paths and configuration, for a bug report."),
    "doctor": CommandEntry("git_theta.cli.doctor:command", "Find and explain what is wrong with a setup."),
    "migrate": CommandEntry("git_theta.cli.migrate:command", "Rewrite history that holds checkpoints, and back."),
    "help": CommandEntry("git_theta.cli.help:command", "Show help on git theta, or on one of its commands."),
    "completion": CommandEntry("git_theta.cli.completion:command", "Print the completion script of a shell."),
    "complete": CommandEntry("git_theta.cli.complete:command"),
    "pre-push": CommandEntry("git_theta.cli.pre_push:command"),
    "pre-receive": CommandEntry("git_theta.cli.pre_receive:command"),
    "pre-merge-commit": CommandEntry("git_theta.cli.pre_merge_commit:command"),
    "prepare-commit-msg": CommandEntry("git_theta.cli.prepare_commit_msg:command"),
}


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the order a person meets them; those of other packages at the end."""
        return [*COMMANDS, *(name for name, _ in _list_others())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command, ours or another package's; None for a name that nobody has."""
        if cmd_name not in COMMANDS:
            from git_theta.cli.plugin_commands import find_command  # for a name that is not ours

            found = find_command(cmd_name)
            return found and add_common_options(found)
        module, _, attribute = COMMANDS[cmd_name].target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return add_common_options(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names. Raises click.UsageError with the closest name where nobody has it."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if args[0].startswith("-") or self.get_command(ctx, args[0]):
                raise
            raise click.UsageError(f"No such command {args[0]!r}.{_guess_command(args[0])}", ctx) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that people call, by the table, and options where a dash begins them."""
        named = [CompletionItem(name, help=line) for name, line in _list_called()]
        return [one for one in named if one.value.startswith(incomplete)] + click.Command.shell_complete(
            self, ctx, incomplete
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The table of commands in ``-h``."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items() if entry.help])
        if others := _list_others():
            with formatter.section("Commands of other packages"):
                formatter.write_dl(others)


def _list_called() -> list[tuple[str, str]]:
    """The commands that people call, those of other packages behind ours, and their lines of help."""
    return [*((name, entry.help) for name, entry in COMMANDS.items() if entry.help), *_list_others()]


def _guess_command(name: str) -> str:
    import difflib  # only ever to phrase an error

    close = difflib.get_close_matches(name, [known for known, _ in _list_called()], n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _list_others() -> list[tuple[str, str]]:
    """The commands of other packages that no command of ours hides, and their lines of help."""
    from git_theta.cli.plugin_commands import list_helps

    return [(name, line) for name, line in list_helps() if name not in COMMANDS]


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h"], "max_content_width": 100},
    subcommand_metavar="COMMAND ...",
)
@click.version_option(__version__, prog_name="git-theta", message="%(prog)s version %(version)s")
@click.pass_context
def theta(ctx: click.Context) -> None:
    """Version machine-learning checkpoints with Git, parameter by parameter."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), color=ctx.color)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``git theta ARGUMENTS`` (those of the process by default); returns the exit code."""
    return boundary.run(lambda: _invoke(list(sys.argv[1:] if arguments is None else arguments)))


def run_program() -> NoReturn:
    """Be the process of ``git theta``."""
    boundary.run_process(main)


def _pin_locations() -> None:
    """Make the paths absolute by which Git told us where the repository is: we call Git from other folders too."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"):
        if os.environ.get(name):
            os.environ[name] = os.fspath(Path(os.environ[name]).absolute())


def _invoke(arguments: list[str]) -> int:
    """What click's own ``main`` does, but for its error handling: a reader that left is the boundary's business."""
    _pin_locations()
    try:
        with add_common_options(theta).make_context("git theta", arguments) as context:
            from git_theta.repository.stores.unusable_remotes import asking_once  # help, which ends above, needs none

            with asking_once():
                result = theta.invoke(context)
    except click.exceptions.Exit as request:
        return request.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return boundary.INTERRUPTED
    # A command may answer with its exit code (`fsck` that found damage); most return nothing.
    return result if isinstance(result, int) else 0
