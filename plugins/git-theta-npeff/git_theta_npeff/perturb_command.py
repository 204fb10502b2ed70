"""``git theta npeff perturb``: the checkpoint, moved along one component."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click
from git_theta.errors import UsageError
from git_theta_fisher.companion_files import check_target, write_tensors

from git_theta_npeff.decomposition_file import Decomposition, find_decomposition_file, read_decomposition
from git_theta_npeff.show_command import decomposition_option

if TYPE_CHECKING:
    from torch import Tensor


@click.command("perturb", short_help="Write a checkpoint that is moved along one component.")
@click.argument("checkpoint", metavar="CHECKPOINT")
@decomposition_option
@click.option(
    "-c", "--component", type=click.IntRange(0), required=True, metavar="J", help="Which, as show numbers them."
)
@click.option("-m", "--magnitude", type=float, required=True, help="How far; below 0 the other way.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Where to write.")
def perturb(checkpoint: str, decomposition: Path | None, component: int, magnitude: float, output: Path) -> None:
    """Write the checkpoint plus MAGNITUDE times direction g_J, which has length 1.

    Examples that have much of component J should then be predicted otherwise, and others as before: what a component
    stands for is seen by evaluating the file. Only for the low-rank form, since a diagonal has no direction.
    """
    import git_theta as gt

    check_target(output)
    found = read_decomposition(decomposition or find_decomposition_file(checkpoint))
    if fault := _find_fault(found, component, magnitude):
        raise UsageError(fault[0], hint=fault[1])
    tensors = gt.load(checkpoint, framework="torch")
    write_tensors({name: _move_tensor(found, name, one, component, magnitude) for name, one in tensors.items()}, output)
    click.echo(f"{output}: component {component}, {magnitude:g}")


def _find_fault(found: Decomposition, component: int, magnitude: float) -> tuple[str, str] | None:
    """What cannot be, and a hint."""
    if found.form != "low-rank":
        return "components of this decomposition are diagonals, and have no direction", "Fit it with --form low-rank."
    if component >= (count := found.weights.shape[1]):
        return f"there is no component {component}", f"They are numbered from 0 to {count - 1}."
    return None if math.isfinite(magnitude) else (f"the magnitude is {magnitude}", "It is to be a finite number.")


def _move_tensor(found: Decomposition, name: str, tensor: Tensor, component: int, magnitude: float) -> Tensor:
    """A copy, moved where the component has something. Raises UsageError where it has another shape."""
    import torch

    moved = tensor.clone().contiguous()  # tied names share memory, which no safetensors file can say
    if name not in found.columns:
        return moved
    if tuple(tensor.shape) != found.shapes[name]:
        raise UsageError(f"it is not {list(found.shapes[name])} any more", hint="Fit again.", parameter=name)
    columns = torch.from_numpy(found.columns[name])
    change = magnitude * torch.from_numpy(found.components[name][component]).double()
    flat = moved.view(-1)
    flat[columns] = (flat[columns].double() + change).to(flat.dtype)
    return moved
