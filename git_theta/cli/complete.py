"""``git theta complete``: what can stand at the end of a command line, for the scripts of ``git theta completion``."""

from __future__ import annotations

import click

from git_theta.cli.candidates import find_candidates


@click.command
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- [WORD]...")
@click.pass_context
def command(context: click.Context, words: tuple[str, ...]) -> None:
    """List what the last word can be completed to: a line each, with its kind, the text and help, tabs between them.

    WORDs are those behind `git theta`. Kinds are: word; path; prefix, which more follows; and, without a text,
    revision, file and folder, for which the shell has its own ways.
    """
    *before, last = words or ("",)
    for candidate in find_candidates(context.find_root(), before, last):
        fields = (candidate.kind, candidate.text, candidate.help)
        if not any(control in field for field in fields for control in "\t\n"):
            click.echo("\t".join(fields))
