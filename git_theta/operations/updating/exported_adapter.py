"""The difference of two versions as an adapter of PEFT: computed, tried, and written as a folder."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from git_theta.formats.base import Part
from git_theta.formats.safetensors.safetensors_header import build_header
from git_theta.manifest.model import Entry
from git_theta.operations.adding.spool import spool_pieces
from git_theta.operations.availability import require_entries
from git_theta.operations.context import Context
from git_theta.operations.streams import SourceValues
from git_theta.operations.updating.difference_plan import DifferencePlan
from git_theta.operations.updating.peft_adapter import ADAPTER_FILES, PREFIX
from git_theta.operations.updating.peft_config import CONFIG_FILE, LORA
from git_theta.parameters import StoredValues, spec_of
from git_theta.tensors.adapter_arithmetic import AdapterFactors, add_product
from git_theta.tensors.difference_factors import (
    DifferenceFactors,
    count_differing,
    factor_difference,
    sum_squares,
)
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues, Values


class ExportedParameter(NamedTuple):
    """What an adapter says of a parameter, and how near that comes.

    Attributes:
        name: the checkpoint's.
        update: "low-rank" or "whole".
        differing: elements that are others than in the version that was wanted, once the adapter is merged.
        elements: of all.
        error: the norm of what is left of the difference.
        norm: of the whole difference.
    """

    name: str
    update: str
    differing: int
    elements: int
    error: float
    norm: float


class AdapterExport(NamedTuple):
    """What is written.

    Attributes:
        plan: what goes into it.
        rank: of each product.
        fan_in_first: whether layers store their weights as [in, out].
    """

    plan: DifferencePlan
    rank: int
    fan_in_first: bool


def export_adapter(
    export: AdapterExport, before: Mapping[str, Entry], after: Mapping[str, Entry], folder: Path, context: Context
) -> Iterator[ExportedParameter]:
    """Write an adapter into a folder that is there; what it says of each parameter, in the order of the file.

    The configuration is written last. Raises MissingObject, CorruptObject; OSError where the folder cannot be written.
    """
    plan = export.plan
    require_entries(
        [side[name] for name in (*plan.factored, *plan.biases, *plan.saved) for side in (before, after)], context
    )
    products = [(name, _factor_specs(spec_of(after[name]), export)) for name in plan.factored]
    kept = sorted((*plan.biases, *plan.saved), key=lambda name: (-spec_of(after[name]).dtype.bits, name))
    with (folder / ADAPTER_FILES[0]).open("xb") as out:
        out.write(build_header(_list_parts(products, kept, export, after), '{"format":"pt"}', {}))
        for name, specs in products:
            yield _write_factors(out, name, specs, export, before[name], after[name], context)
        for name in kept:
            for block in StoredValues(after[name], context.store, context.workers.map).blocks():
                out.write(block)
            context.progress(after[name].size)
            yield ExportedParameter(name, "whole", 0, spec_of(after[name]).elements, 0.0, 0.0)
    (folder / CONFIG_FILE).write_text(f"{json.dumps(_describe_adapter(export), indent=2, sort_keys=True)}\n")


def count_bytes(plan: DifferencePlan, after: Mapping[str, Entry]) -> int:
    """Bytes of what is read."""
    return sum(after[name].size for name in (*plan.factored, *plan.biases, *plan.saved))


class _FactorSpecs(NamedTuple):
    down: Spec
    up: Spec


def _factor_specs(spec: Spec, export: AdapterExport) -> _FactorSpecs:
    """PEFT loads adapters in fp32, or in what is wider. A is [rank, in], B [out, rank], however the layer has them."""
    dtype = BY_NAME["F64" if spec.dtype.name == "F64" else "F32"]
    rows, columns = spec.shape[::-1] if export.fan_in_first else spec.shape
    return _FactorSpecs(Spec(dtype, (export.rank, columns)), Spec(dtype, (rows, export.rank)))


def _list_parts(
    products: Sequence[tuple[str, _FactorSpecs]], kept: Sequence[str], export: AdapterExport, after: Mapping[str, Entry]
) -> list[Part]:
    parts = []
    modules = {name.rpartition(".")[0] for name in export.plan.factored}
    for name, specs in products:
        module = PREFIX + name.rpartition(".")[0]
        parts += [_make_part(f"{module}.lora_A.weight", specs.down), _make_part(f"{module}.lora_B.weight", specs.up)]
    for name in kept:
        module, _, leaf = name.rpartition(".")
        wrapped = ".base_layer" if module in modules else ""
        parts.append(_make_part(f"{PREFIX}{module}{wrapped}.{leaf}", spec_of(after[name])))
    return parts


def _make_part(name: str, spec: Spec) -> Part:
    return Part(name, spec, (), MemoryValues(spec, b""))


def _write_factors(
    out: BinaryIO,
    name: str,
    specs: _FactorSpecs,
    export: AdapterExport,
    before: Entry,
    after: Entry,
    context: Context,
) -> ExportedParameter:
    with _spool_entry(before, context) as old, _spool_entry(after, context) as new:
        found = factor_difference(old, new, export.rank)
        if export.fan_in_first:
            found = DifferenceFactors(found.down.T, found.up.T)
        down, up = (_as_values(array, spec) for array, spec in ((found.down, specs.down), (found.up, specs.up)))
        for values in (down, up):
            for block in values.blocks():
                out.write(block)
        factors = AdapterFactors(down, up, 1.0, transposed=export.fan_in_first)
        with spool_pieces(add_product(old, factors), context.scratch) as source:
            merged = SourceValues(old.spec, old.size, source, 0)
            differing = count_differing(merged, new)
            error = math.sqrt(sum_squares(merged, new))
        context.progress(after.size)
        return ExportedParameter(
            name, "low-rank", differing, new.spec.elements, error, math.sqrt(sum_squares(old, new))
        )


@contextmanager
def _spool_entry(entry: Entry, context: Context) -> Iterator[Values]:
    """A stored parameter's values, decoded once: they are read many times."""
    stored = StoredValues(entry, context.store, context.workers.map)
    with ExitStack() as spools:
        source = spools.enter_context(spool_pieces(stored.blocks(), context.scratch))
        yield SourceValues(stored.spec, stored.size, source, 0)


def _as_values(array: object, spec: Spec) -> MemoryValues:
    import numpy as np

    kind = "<f8" if spec.dtype.name == "F64" else "<f4"
    return MemoryValues(spec, np.ascontiguousarray(array, kind).tobytes())


def _describe_adapter(export: AdapterExport) -> dict[str, object]:
    return {
        "peft_type": LORA,
        "task_type": None,
        "auto_mapping": None,
        "base_model_name_or_path": None,
        "revision": None,
        "inference_mode": True,
        "r": export.rank,
        "lora_alpha": export.rank,
        "lora_dropout": 0.0,
        "use_rslora": False,
        "init_lora_weights": True,
        "fan_in_fan_out": export.fan_in_first,
        "bias": "all" if export.plan.biases else "none",
        "target_modules": sorted(name.rpartition(".")[0] for name in export.plan.factored),
        "modules_to_save": list(export.plan.modules) or None,
    }
