"""How the difference of two versions is said as an adapter: by factors, or by whole tensors; or why it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.manifest.model import Entry
from git_theta.tensors.adapter_arithmetic import COMPUTED
from git_theta.words import list_some

_EMBEDDINGS = ("emb", "wte", "wpe", "position")
"""Parts of the names of modules that are embeddings: PEFT has factors of another kind for those."""


class DifferencePlan(NamedTuple):
    """What goes into an adapter.

    Attributes:
        factored: names of the weights whose difference is factored.
        biases: names of biases, which an adapter may have whole.
        saved: names of the parameters of modules that it has whole, those too that did not change.
        modules: the names of those modules.
    """

    factored: tuple[str, ...]
    biases: tuple[str, ...]
    saved: tuple[str, ...]
    modules: tuple[str, ...]


def plan_difference(
    before: Mapping[str, Entry], after: Mapping[str, Entry], rank: int, is_whole: Callable[[str], bool]
) -> DifferencePlan:
    """What an adapter says that turns one version into another; parameters are given by their names.

    ``is_whole``: whether a person wants the parameter of a name whole, though it may be factored.

    A module that an adapter has whole has no modules in it, and no factors. Raises UsageError, with the reason for each
    parameter, where something cannot be said.
    """
    changed = [name for name in after if name in before and before[name].oid != after[name].oid]
    problems = [
        *(f"{name}: it is new" for name in after if name not in before),
        *(f"{name}: it is gone" for name in before if name not in after),
        *(f"{name}: {problem}" for name in changed if (problem := _find_problem(before[name], after[name]))),
    ]
    factored = [name for name in changed if _is_factored(name, after[name], rank) and not is_whole(name)]
    modules = {name.rpartition(".")[0] for name in factored}
    biases = [name for name in changed if name.endswith(".bias")]
    whole = {name.rpartition(".")[0] for name in changed if name not in {*factored, *biases}}
    for module in sorted(whole):
        problems += [f"{name}: {reason}" for name, reason in _find_nesting(module, changed, after, modules)]
    if problems:
        raise UsageError(
            "\n".join(
                ["no adapter can say this difference:", *list_some([f"  {problem}" for problem in problems], 20)]
            ),
            hint="What differs: git theta diff A B",
        )
    saved = [name for name in after if name.rpartition(".")[0] in whole]
    biases = [name for name in biases if name.rpartition(".")[0] not in whole]
    return DifferencePlan(tuple(factored), tuple(biases), tuple(saved), tuple(sorted(whole)))


def _find_problem(before: Entry, after: Entry) -> str:
    """Why the difference of two versions of a parameter cannot be said; "" where it can."""
    if (before.dtype, before.shape) != (after.dtype, after.shape):
        return f"it was {before.dtype} {list(before.shape)}, and is {after.dtype} {list(after.shape)}"
    if before.views or after.views:
        return "it has several names, or shares its storage"
    return ""


def _is_factored(name: str, entry: Entry, rank: int) -> bool:
    """Whether a parameter's difference is factored: a matrix that is a layer's weight, and larger than its factors."""
    module, _, leaf = name.rpartition(".")
    if leaf != "weight" or not module or len(entry.shape) != 2 or entry.dtype not in COMPUTED:
        return False
    rows, columns = entry.shape
    layer = module.rpartition(".")[2].lower()
    return rank * (rows + columns) < rows * columns and not any(part in layer for part in _EMBEDDINGS)


def _find_nesting(
    module: str, changed: Sequence[str], after: Mapping[str, Entry], factored: set[str]
) -> list[tuple[str, str]]:
    """The changed parameters of a module that an adapter cannot have whole, each with the reason."""
    mine = [name for name in changed if name.rpartition(".")[0] == module]
    if not module:
        return [(name, "it belongs to no module") for name in mine]
    if module in factored:
        return [(name, "its module has factors") for name in mine if not name.endswith((".weight", ".bias"))]
    if any(name.startswith(f"{module}.") and "." in name[len(module) + 1 :] for name in after):
        return [(name, "its module has modules in it") for name in mine]
    return []
