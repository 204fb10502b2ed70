"""What a merge, or a mean, is given on its command line: weights, and a recipe in place of everything else."""

from __future__ import annotations

import re
from pathlib import Path

from git_theta.errors import UsageError
from git_theta.operations.merging.recipe import parse_recipe
from git_theta.operations.merging.recipe_values import LARGEST
from git_theta.repository.merging.merge_request import MergeRequest

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""Not all that Python reads: of ``nan`` and ``inf`` no mean can be made, and ``1_0`` is a slip."""


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
            read = parse_recipe(opened.read(LARGEST + 1))
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
    """What ``--weights`` was given: a number for each version, with commas between them. Raises UsageError."""
    if text is None:
        return None
    items = [item.strip() for item in text.split(",")]
    return tuple([_parse_weight(item, f"{at} of {len(items)}") for at, item in enumerate(items, 1)])


def _parse_weight(item: str, place: str) -> float:
    if not _NUMBER.fullmatch(item):
        said = f"{item!r}, which is {place}, is no number" if item else f"{place} is empty"
        raise UsageError(f"--weights: {said}", hint="A number for each version, in their order: --weights 0.3,0.7")
    return float(item)
