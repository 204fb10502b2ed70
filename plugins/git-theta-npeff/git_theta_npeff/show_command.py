"""``git theta npeff show``: components, their examples, and what a change of the checkpoint does to them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
from git_theta.errors import UsageError
from git_theta.words import pluralize

from git_theta_npeff.component_moves import Doubles, measure_moves, predict_disturbance
from git_theta_npeff.decomposition_file import Array, Decomposition, find_decomposition_file, read_decomposition

LEAST = 0.01
"""Of the greatest value: what has less is not listed."""

decomposition_option = click.option(
    "-d",
    "--decomposition",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What fit has written; beside the checkpoint by default.",
)


@click.command("show", short_help="Show components, their examples, and which of them a merge moved.")
@click.argument("checkpoint", metavar="CHECKPOINT")
@decomposition_option
@click.option("--moved", metavar="REV..REV", help="From which version to which: a merge is main~1..main.")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="How many examples to list.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(checkpoint: str, decomposition: Path | None, moved: str | None, top: int, as_json: bool) -> None:
    """Show each component with its share of all coefficients, and the examples that have most of it.

    With --moved also how far a change of the checkpoint has moved it (tau . g_j), and which examples the change should
    disturb most: by how many nats of KL divergence their predictions should change.
    """
    found = read_decomposition(decomposition or find_decomposition_file(checkpoint))
    facts = describe_components(found, top)
    if moved is not None:
        facts |= describe_moves(found, _measure_between(found, checkpoint, moved), top)
    if as_json:
        click.echo(json.dumps({"version": 1, **facts}, indent=2))
    else:
        _print_facts(facts)


def describe_components(found: Decomposition, top: int) -> dict[str, Any]:
    """What is known of them without any change: numbers alone."""
    sums = found.weights.sum(0, dtype=np.float64)
    shares = sums / (sums.sum() or 1)
    examples = [_list_greatest(column, top) for column in found.weights.T]
    return {
        "form": found.form,
        "examples": len(found.norms),
        "explained": found.explained,
        "components": [
            {"component": number, "share": float(share), "examples": ones}
            for number, (share, ones) in enumerate(zip(shares, examples, strict=True))
        ],
    }


def describe_moves(found: Decomposition, moves: Doubles, top: int) -> dict[str, Any]:
    """What a change does: how far each is moved, and the examples that should be disturbed most."""
    return {"moved": moves.tolist(), "disturbed": _list_greatest(predict_disturbance(found, moves), top)}


def _measure_between(found: Decomposition, checkpoint: str, spelled: str) -> Doubles:
    """How far each component is moved from REV to REV. Raises UsageError for anything else."""
    import git_theta as gt

    before, _, after = spelled.partition("..")
    if not before or not after:
        raise UsageError(f"{spelled!r} names no two versions", hint="As in: --moved main~1..main")
    versions = [gt.load(checkpoint, rev=rev, framework="torch") for rev in (before, after)]
    old, new = ({name: one[name].double().numpy() for name in found.columns if name in one} for one in versions)
    return measure_moves(found, old, new)


def _list_greatest(values: Array, top: int) -> list[dict[str, Any]]:
    order = np.argsort(-values, kind="stable")[:top]
    least = max(values, default=0) * LEAST
    return [{"example": int(one), "value": float(values[one])} for one in order if values[one] > least]


def _print_facts(facts: dict[str, Any]) -> None:
    components, moved = facts["components"], facts.get("moved")
    click.echo(
        f"{facts['form']}, {pluralize(len(components), 'component')} of {pluralize(facts['examples'], 'example')},"
        f" {facts['explained']:.1%} explained"
    )
    click.echo(f"component   share{'' if moved is None else '       moved'}  examples")
    for one in components:
        change = "" if moved is None else f"{moved[one['component']]:>12.3g}"
        click.echo(f"{one['component']:>9}{one['share']:>8.1%}{change}  {_join_examples(one['examples'])}".rstrip())
    if moved is not None:
        click.echo(f"disturbed most, in nats: {_join_examples(facts['disturbed']) or 'none'}")


def _join_examples(listed: list[dict[str, Any]]) -> str:
    return ", ".join(f"{one['example']} ({one['value']:.3g})" for one in listed)
