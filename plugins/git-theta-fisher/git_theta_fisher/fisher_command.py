"""``git theta fisher``: the Fisher information of a checkpoint, from a loss that a user's file computes.

The file is named on the command line by whoever runs it: nothing in a repository can name one (L10).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_theta_fisher.companion_files import check_target, write_tensors
from git_theta_fisher.companion_options import checkpoint_argument, device_option, output_option
from git_theta_fisher.fisher_strategy import FISHER
from git_theta_fisher.user_functions import explain_failures, load_function

if TYPE_CHECKING:
    from torch import Tensor


@click.command("fisher", short_help="Compute the Fisher information of a checkpoint, for merges by it.")
@checkpoint_argument
@click.option("-l", "--losses", required=True, metavar="FILE.py:NAME", help="What yields the losses, one per example.")
@click.option("-n", "--most", type=click.IntRange(1), metavar="N", help="Take so many losses at most.")
@device_option
@output_option
def command(checkpoint: str, losses: str, most: int | None, device: str, output: Path | None) -> None:
    """Compute the diagonal of the Fisher information of a checkpoint, and write it beside it.

    NAME in FILE.py is a function that is given the tensors by name, and yields a loss for each example: a scalar of
    torch, the negative log-likelihood. FILE.py is executed. What is written, STEM.fisher.safetensors, is committed with
    the checkpoint; then git theta merge -s fisher finds it at each head.
    """
    import git_theta as gt

    from git_theta_fisher.fisher_estimate import estimate_fisher

    file = output or Path(FISHER.companions[0].find_path(checkpoint, {}))
    check_target(file)
    tensors = gt.load(checkpoint, framework="torch", device=device)
    parameters = {name: one.requires_grad_() for name, one in tensors.items() if one.is_floating_point()}
    found = estimate_fisher(parameters, _yield_losses(losses, {**tensors, **parameters}), most)
    write_tensors(found, file)
    click.echo(f"{file}: {len(found)} parameters")


def _yield_losses(spelled: str, tensors: dict[str, Tensor]) -> Iterator[Tensor]:
    """What the function that FILE.py:NAME names yields. Raises UsageError, also for what goes wrong in it."""
    with explain_failures(spelled, "fisher"):
        yield from load_function(spelled, "--losses", "It is given the tensors, and yields losses.")(tensors)
