"""The manual page, made from the commands' own help: ``python -m git_theta.cli.manual > docs/man/git-theta.1``.

Git shows it for ``git theta --help`` and ``git help theta``: both are ``man git-theta``. A wheel has it in
``share/man/man1``, which pip puts below the prefix.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator

import click

from git_theta import __version__
from git_theta.cli.main import COMMANDS, theta

_OPTIONS_OF_ALL = [
    (("-h",), "Show the help of a command: what stands here about it."),
    (("--debug",), "Show where an error arose. GIT_THETA_DEBUG=1 does the same for what Git itself starts."),
    (("--no-pager",), "Print without a pager, as git --no-pager theta ... does."),
]
_AS_IT_IS = "\b\n"
"""Begins a paragraph of help that is not wrapped, as click has it."""
_SEE_ALSO = "git(1), gitattributes(5), gitrevisions(7)"


def render_manual() -> str:
    """The whole page, in roff with the macros of man(7)."""
    context = click.Context(theta, info_name="git theta", **theta.context_settings)
    lines = [
        ".\\\" Made by python -m git_theta.cli.manual from the commands' help.",
        f'.TH GIT-THETA 1 "" "git-theta {__version__}" "Git-Theta Manual"',
        ".SH NAME",
        f"git-theta \\- {_escape(_decapitalize(theta.get_short_help_str(1000)))}",
        ".SH SYNOPSIS",
        *_paragraph("git theta [--version] COMMAND [OPTION]... [ARGUMENT]..."),
        *_paragraph("git theta help [COMMAND]..."),
        ".SH OPTIONS OF EVERY COMMAND",
        *(line for names, words in _OPTIONS_OF_ALL for line in _item(", ".join(names), words)),
        ".SH COMMANDS",
        *_render_commands(context),
        ".SH SEE ALSO",
        _escape(_SEE_ALSO),
    ]
    return "\n".join(lines) + "\n"


def _render_commands(context: click.Context) -> Iterator[str]:
    for name in COMMANDS:
        command = theta.get_command(context, name)
        assert command
        if COMMANDS[name].help:
            yield from _render_command(command, click.Context(command, info_name=name, parent=context))


def _render_command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f".SS {_escape(context.command_path)}"
    yield from _paragraph(" ".join([context.command_path, *command.collect_usage_pieces(context)]), bold=True)
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        example = paragraph.removeprefix(_AS_IT_IS)
        yield from _paragraph(" ".join(paragraph.split())) if example == paragraph else _example(example)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and not {"--debug", "-h"} & {*parameter.opts}:
            yield from _item(*record)
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _render_command(inner, click.Context(inner, info_name=name, parent=context))


def _paragraph(text: str, *, bold: bool = False) -> list[str]:
    return [".PP", f"\\fB{_escape(text)}\\fR" if bold else _escape(text)]


def _example(lines: str) -> list[str]:
    return [".PP", ".nf", _escape(lines), ".fi"]


def _item(names: str, words: str) -> list[str]:
    return [".TP", f"\\fB{_escape(names)}\\fR", _escape(words)]


def _escape(text: str) -> str:
    """Text as roff prints it as it is: no request at the start of a line, dashes that can be copied."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", escaped, flags=re.MULTILINE)


def _decapitalize(text: str) -> str:
    return text[:1].lower() + text[1:].removesuffix(".")


if __name__ == "__main__":
    sys.stdout.write(render_manual())
