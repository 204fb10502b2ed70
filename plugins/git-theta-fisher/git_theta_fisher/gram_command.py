"""``git theta gram``: Gram matrices of the inputs of a checkpoint's linear layers, from a model and data of the user.

The file is named on the command line by whoever runs it: nothing in a repository can name one (L10).
"""

from __future__ import annotations

from pathlib import Path

import click
from git_theta.words import pluralize

from git_theta_fisher.companion_files import check_target, write_tensors
from git_theta_fisher.companion_options import (
    batches_option,
    checkpoint_argument,
    device_option,
    output_option,
    run_option,
)
from git_theta_fisher.regression_strategy import REGMEAN
from git_theta_fisher.user_functions import explain_failures
from git_theta_fisher.user_models import make_run


@click.command("gram", short_help="Compute Gram matrices of a checkpoint's linear layers, for merges by regmean.")
@checkpoint_argument
@run_option
@batches_option
@device_option
@output_option
def command(checkpoint: str, run: str, most: int | None, device: str, output: Path | None) -> None:
    """Compute X^T X / n of the inputs of each linear layer of a checkpoint, and write them beside it.

    NAME in FILE.py is a function that is given the tensors by name, and returns a model of torch that has them as its
    weights, under the same names, and an iterable of batches to call it with. FILE.py is executed. What is written,
    STEM.gram.safetensors, is committed with the checkpoint; then git theta merge -s regmean finds it at each head.
    """
    import git_theta as gt

    from git_theta_fisher.gram_estimate import estimate_grams

    file = output or Path(REGMEAN.companions[0].find_path(checkpoint, {}))
    check_target(file)
    tensors = gt.load(checkpoint, framework="torch", device=device)
    with explain_failures(run, "gram"):
        model, batches = make_run(run, tensors)
        found = estimate_grams(model, batches, tensors.keys(), most)
    write_tensors(found, file)
    click.echo(f"{file}: {pluralize(len(found), 'linear layer')}")
