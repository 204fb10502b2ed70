"""``git theta flad``: what the sampler beside a checkpoint has learnt."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from git_theta.errors import UsageError
from git_theta.words import escape_unprintable, pluralize

from git_theta_flad.base import FladSampler
from git_theta_flad.sampler_files import find_sampler_file, load_sampler


@click.command("flad", short_help="Show what a sampler of auxiliary data sets has learnt.")
@click.argument("checkpoint", metavar="CHECKPOINT")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(checkpoint: str, as_json: bool) -> None:
    """Show the state of the sampler that a training loop has left beside a checkpoint, STEM.flad.json.

    For each auxiliary data set: how many batches it gave, the estimate of its reward, and what the next choice is made
    by (its probability for EXP3, the upper bound of its reward for UCB1). The most likely comes first.
    """
    sampler = load_sampler(checkpoint)
    if sampler is None:
        raise UsageError(
            "there is no such file", hint="save_sampler writes it.", path=str(find_sampler_file(checkpoint))
        )
    if as_json:
        click.echo(json.dumps({"algorithm": sampler.algorithm, **asdict(sampler), "rates": sampler.rate_names()}))
    else:
        _print_sampler(sampler)


def _print_sampler(sampler: FladSampler) -> None:
    rates = sampler.rate_names()
    click.echo(f"{sampler.algorithm}, {pluralize(sampler.turn - 1, 'turn')}")
    click.echo(f"{'batches':>10}{'estimate':>12}{'next by':>10}  data set")
    for name in sorted(rates, key=lambda one: (-rates[one], one)):
        count = sampler.batches.get(name, 0)
        click.echo(f"{count:>10}{sampler.estimates[name]:>12.4g}{rates[name]:>10.4f}  {escape_unprintable(name)}")
