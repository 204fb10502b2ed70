"""What may travel between machines by its name: the functions that are tasks, and the values that they take and give.

A message names what stands here, and nothing else: it can have no other function called, and no other class made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, TypeGuard

_NAMES = """
builtins: map
git_theta.errors: ThetaError UsageError MissingObject CorruptObject ManifestError NewerManifest StoreError GitError
git_theta.errors: PluginError NewerPlugin TransportError ChangedFile FormatError ConflictError
git_theta.tensors.dtypes: DType
git_theta.tensors.spec: Spec
git_theta.manifest.model: Place Coding UpdateBase Storage View Entry
git_theta.parameters.preferences: Preferences
git_theta.parameters.value_decoding: read_values
git_theta.merging.base: Contest ContestReport
git_theta.merging.contests: StoredOperand
git_theta.merging.arithmetic.brackets: Magnitudes Ranked Rank Bracket Near count_near sample_magnitudes
git_theta.merging.change_sums: ChangeSums
git_theta.merging.arithmetic.radix: Radix count_digits count_ranked
git_theta.merging.arithmetic.selection: Cut
git_theta.merging.strategies.sparsify: Cuts read_magnitudes
git_theta.merging.strategies.task_vectors: Survey count_balance
git_theta.diffing.base: Change ChangeStatus ParameterVersion Measures NamedValue MeasuredChange
git_theta.operations.adding.encoding: EncodedPart
git_theta.operations.comparing.diff_report: measure_row
git_theta.operations.keeping.object_parts: ObjectParts
git_theta.operations.keeping.verify: Damage verify_object
git_theta.operations.merging.contest_results: ContestResult compute_contest
git_theta.operations.merging.measured_changes: StoredMerge measure_contest measure_stored
git_theta.tensors.inner_products: InnerProducts ExactSum
git_theta.repository.clustering.task_answer: TaskAnswer
"""

Traveller = type[Any] | Callable[..., Any]
"""A class, or a function."""


@cache
def load_travellers() -> Mapping[str, Traveller]:
    """What may travel, by module and name."""
    lines = (line.partition(": ") for line in _NAMES.split("\n") if line)
    places = [(module, name) for module, _, names in lines for name in names.split()]
    return {f"{module}:{name}": getattr(import_module(module), name) for module, name in places}


@cache
def name_travellers() -> Mapping[Traveller, str]:
    """The names of what may travel."""
    return {found: name for name, found in load_travellers().items()}


def is_class(found: Traveller) -> TypeGuard[type[Any]]:
    """Whether a traveller is a class, and no function: ``map`` is called."""
    return isinstance(found, type) and found is not map
