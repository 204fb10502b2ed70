"""``git theta npeff fit``: a decomposition, from a model and data of the user.

The file is named on the command line by whoever runs it: nothing in a repository can name one (L10).
"""

from __future__ import annotations

from pathlib import Path

import click
from git_theta.words import pluralize
from git_theta_fisher.companion_files import check_target
from git_theta_fisher.companion_options import (
    batches_option,
    checkpoint_argument,
    device_option,
    output_option,
    run_option,
)
from git_theta_fisher.user_functions import explain_failures
from git_theta_fisher.user_models import make_run

from git_theta_npeff.decomposition_file import find_decomposition_file, write_decomposition
from git_theta_npeff.factors import Form

_FORMS = ("low-rank", "diagonal")


@click.command("fit", short_help="Find components of a checkpoint, from a model and examples of yours.")
@checkpoint_argument
@run_option
@batches_option
@click.option("-c", "--components", type=click.IntRange(1), default=32, show_default=True, help="How many to find.")
@click.option("--form", type=click.Choice(_FORMS), default=_FORMS[0], show_default=True, help="LRM-NPEFF, or D-NPEFF.")
@click.option(
    "--classes", type=click.IntRange(1), default=20, show_default=True, help="Of each example, the likeliest."
)
@click.option("--values", type=click.IntRange(1), default=65536, show_default=True, help="Kept of each example.")
@click.option("--steps", type=click.IntRange(1), default=500, show_default=True, help="Updates of the factors.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what the factors begin with.")
@device_option
@output_option
def fit(
    checkpoint: str,
    run: str,
    most: int | None,
    components: int,
    form: Form,
    classes: int,
    values: int,
    steps: int,
    seed: int,
    device: str,
    output: Path | None,
) -> None:
    """Find components of the Fisher information of examples, and write them beside the checkpoint.

    NAME in FILE.py is a function that is given the tensors by name, and returns a model of torch that has them as its
    weights, under the same names, and an iterable of batches to call it with: as for git theta gram. The model gives a
    row of logits for each example. FILE.py is executed. What is written is STEM.npeff.safetensors; examples are
    numbered as they come.
    """
    import git_theta as gt

    from git_theta_npeff.decomposing import FitSettings, decompose_model

    file = output or find_decomposition_file(checkpoint)
    check_target(file)
    tensors = gt.load(checkpoint, framework="torch", device=device)
    with explain_failures(run, "npeff fit"):
        model, batches = make_run(run, tensors)
        settings = FitSettings(form, components, classes, values, steps, seed)
        found = decompose_model(model, batches, tensors, settings, most)
    write_decomposition(found, file)
    examples, count = found.weights.shape
    click.echo(
        f"{file}: {pluralize(count, 'component')} of {pluralize(examples, 'example')}, {found.explained:.1%} explained"
    )
