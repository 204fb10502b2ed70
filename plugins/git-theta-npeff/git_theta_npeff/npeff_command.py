"""``git theta npeff``: fit, show, perturb."""

from __future__ import annotations

import click

from git_theta_npeff.fit_command import fit
from git_theta_npeff.perturb_command import perturb
from git_theta_npeff.show_command import show


@click.group("npeff", short_help="Find what a model's examples have in common, and which of it a merge moved.")
def command() -> None:
    """Decompose the Fisher information of examples into components that they share (NPEFF).

    An example has much of a component where its prediction depends on the same parameters as that of others. A merge
    that moves the parameters of a component should disturb the examples that have it.
    """


for one in (fit, show, perturb):
    command.add_command(one)
