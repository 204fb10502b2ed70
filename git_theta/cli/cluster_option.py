"""``--on``, for every command whose tasks other machines may do."""

from __future__ import annotations

import click

on_option = click.option(
    "--on",
    "cluster",
    default="",
    metavar="ADDRESS",
    help="Compute on the workers of a dask scheduler, tcp://HOST:PORT.",
)
