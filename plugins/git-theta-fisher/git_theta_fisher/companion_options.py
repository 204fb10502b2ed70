"""The options of commands that compute a companion: from what, where, and where to."""

from __future__ import annotations

from pathlib import Path

import click

checkpoint_argument = click.argument("checkpoint", metavar="CHECKPOINT")
run_option = click.option(
    "-r", "--run", required=True, metavar="FILE.py:NAME", help="What makes the model and its batches."
)
batches_option = click.option("-n", "--most", type=click.IntRange(1), metavar="N", help="Run so many batches at most.")
device_option = click.option("--device", default="cpu", metavar="DEVICE", help="Where to compute, as torch spells it.")
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write; beside the checkpoint by default.",
)
