"""Companions: files that a strategy reads from each head's commit beside the checkpoint, parameter by parameter.

Fisher information, importances, variances: what belongs to a version of the weights, and is committed with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from git_theta.checkpoints.index_file import whole_path_of
from git_theta.errors import UsageError

_PLACEHOLDERS = ("name", "stem", "suffix")
_ANY = {"name": "[^/]+", "stem": "[^/]+", "suffix": r"(?:\.[^/.]+)?"}
"""What may stand there."""
_MOST_IN_PART = 3
"""Placeholders between two slashes: the time to match a name goes with its length to the power of so many."""
_LONGEST = 4096
"""Characters of a pattern: no path of a file has more."""


@dataclass(frozen=True)
class Companion:
    """A file that lies beside a checkpoint, and has tensors under the names of its parameters.

    Attributes:
        name: what the strategy calls it.
        pattern: where it lies, from the checkpoint's folder: ``{stem}`` and ``{suffix}`` are those of the checkpoint
            (of a sharded one, of what its index stands for, and of each shard), ``{name}`` is both together.
        help: one sentence: what it holds.
        option: the option, of the kind "path", that says another pattern; "" for none.
        merged_by: the strategy for what such files have contested themselves, where the one that reads them is chosen.
        holds: "elements": a tensor of the shape of the parameter. "columns": of a matrix of m by n (a kernel's inputs
            and places side by side) one of n by n; a parameter for which no head has any is merged without.
    """

    name: str
    pattern: str
    help: str
    option: str = ""
    merged_by: str = "average"
    holds: Literal["elements", "columns"] = "elements"

    @property
    def is_optional(self) -> bool:
        """Whether parameters may have none, as long as no head has one."""
        return self.holds == "columns"

    def find_shape(self, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        """The shape of what belongs to a parameter of a shape; None where nothing can."""
        if self.holds == "elements":
            return shape
        return (math.prod(shape[1:]),) * 2 if len(shape) > 1 else None

    def choose_pattern(self, options: Mapping[str, Any]) -> str:
        """The pattern, or what the option says."""
        return (options.get(self.option) if self.option else None) or self.pattern

    def find_path(self, path: str, options: Mapping[str, Any]) -> str:
        """Where it lies for the checkpoint at ``path``, from the top. Raises UsageError outside of the tree."""
        file = PurePosixPath(whole_path_of(path))
        named = require_tree_path(self.choose_pattern(options))
        for word in _PLACEHOLDERS:
            named = named.replace(f"{{{word}}}", getattr(file, word))
        return str(file.parent / named)

    def is_path(self, path: str, options: Mapping[str, Any]) -> bool:
        """Whether a file is such a companion itself, by its path: then it has none."""
        parts = re.split(r"\{(name|stem|suffix)\}", require_tree_path(self.choose_pattern(options)))
        pattern = "".join(_ANY[part] if at % 2 else re.escape(part) for at, part in enumerate(parts))
        return re.fullmatch(f"(?:.*/)?{pattern}", whole_path_of(path)) is not None


def require_tree_path(text: str) -> str:
    """``text``, if it stays below the folder that it starts from. Raises UsageError: policies come from strangers."""
    parts = text.split("/")
    if len(text) > _LONGEST or any(_count_placeholders(part) > _MOST_IN_PART for part in parts):
        raise UsageError(
            f"{text[:60]!r} ... is no path inside the tree: it is too long, or has too much of the checkpoint's name",
            hint=f"Between two slashes, {{name}}, {{stem}} and {{suffix}} stand up to {_MOST_IN_PART} times together.",
        )
    if not text or text.startswith("/") or "\0" in text or "\n" in text or {"..", ".", "", ".git"} & set(parts):
        raise UsageError(
            f"{text!r} is no path inside the tree",
            hint="Paths start at the checkpoint's folder, and have no .. in them: fisher/{stem}.safetensors",
        )
    return text


def _count_placeholders(part: str) -> int:
    return sum(part.count(f"{{{word}}}") for word in _PLACEHOLDERS)
