"""``--measure``, for every command that measures changes."""

from __future__ import annotations

import click

measure_option = click.option(
    "--measure", "measures", multiple=True, metavar="MEASURE", help="Measure this, too; can be repeated."
)
