"""What a merge, or a mean, is given on its command line: weights, and a recipe in place of everything else."""

from __future__ import annotations

from pathlib import Path

from git_theta.errors import UsageError
from git_theta.operations.merging import recipe
from git_theta.repository.merging.merge_request import MergeRequest


def apply_recipe(file: Path, request: MergeRequest) -> MergeRequest:
    """The request with what a mergekit recipe says. Raises UsageError, with the file, for what is none of ours."""
    asked = request.asked
    if request.heads or asked.strategy or asked.options or request.base or asked.settings.weights:
        raise UsageError(
            "a recipe says itself what is merged, and how",
            hint="With --recipe, leave out heads, -s, -o, --base, --weights.",
        )
    try:
        with file.open("rb") as opened:
            read = recipe.parse_recipe(opened.read(recipe.LARGEST + 1))
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", hint="Name a recipe's file.", path=str(file)) from None
    except UsageError as error:
        raise error.add_location(path=str(file)) from None
    return request._replace(
        heads=read.models,
        asked=asked._replace(
            strategy=read.strategy, options=read.options, settings=asked.settings._replace(weights=read.weights)
        ),
        base=read.base,
        all_named=True,
        dtype=read.dtype,
    )


def parse_weights(text: str | None) -> tuple[float, ...] | None:
    """What ``--weights`` was given. Raises UsageError."""
    if text is None:
        return None
    try:
        return tuple(map(float, text.split(",")))
    except ValueError:
        raise UsageError(f"--weights takes numbers with commas between them, not {text!r}") from None
