"""``git theta plugins``: what is installed, and whether the filter can use it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from git_theta.cli.boundary import say_hint, warn
from git_theta.cli.listing import echo_json, echo_line, json_option
from git_theta.errors import PluginError
from git_theta.registered_names import DISABLE_KEY
from git_theta.repository.setup.plugin_survey import PluginRow, describe_idle_words, survey_plugins

IDLE_HINT = f"Where it is set: git config --show-origin --get-all {DISABLE_KEY}"


@click.command
@json_option
def command(as_json: bool) -> int:
    """List plug-ins, and whether the filter can use them.

    Each is imported as Git's filter would: isolated from PYTHONPATH and from the user site. Exits 8 when one does not
    work.
    """
    rows = survey_plugins()
    for idle in describe_idle_words(rows):
        warn(idle, hint=IDLE_HINT)
    if as_json:
        echo_json([row._asdict() for row in rows])
    else:
        for line in _render_rows(rows):
            echo_line(line)
        say_hint("\n".join(dict.fromkeys(row.hint for row in rows if row.hint)))
    return PluginError.exit_code if any(row.state not in ("ok", "disabled") for row in rows) else 0


def _render_rows(rows: Iterable[PluginRow]) -> Iterator[str]:
    """A line for each plug-in, in columns."""
    cells = [(row.family, row.name, f"{row.package} {row.version}".strip(), _spell_state(row)) for row in rows]
    widths = [max((len(row[at]) for row in cells), default=0) for at in range(3)]
    for row in cells:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])


def _spell_state(row: PluginRow) -> str:
    return row.state if row.state in ("ok", "disabled") else f"{row.state}: {row.reason}"
