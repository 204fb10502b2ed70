"""The difference of two versions as an adapter of PEFT: computed, tried, and written as a folder."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

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
from git_theta.operations.updating.stored_factors import read_stored_factors, stored_rank
from git_theta.parameters.entry_spec import spec_of
from git_theta.parameters.stored_values import StoredValues
from git_theta.tensors.adapter_arithmetic import AdapterFactors, add_product
from git_theta.tensors.difference_factors import count_differing, factor_difference, sum_squares
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
    whole = (*plan.biases, *plan.saved)
    require_entries([before[name] for name in plan.factored], context)
    require_entries([after[name] for name in (*plan.factored, *whole)], context)
    products = [_plan_product(name, before[name], after[name], export) for name in plan.factored]
    kept = sorted(whole, key=lambda name: (-spec_of(after[name]).dtype.bits, name))
    scalings: dict[str, float] = {}
    with (folder / ADAPTER_FILES[0]).open("xb") as out:
        out.write(build_header(_list_parts(products, kept, after), '{"format":"pt"}', {}))
        for product in products:
            entry = after[product.name]
            with _spool_entry(before[product.name], context) as old, _spool_entry(entry, context) as new:
                factors = _find_factors(product, entry, old, new, context)
                for values in (factors.down, factors.up):
                    out.writelines(values.blocks())
                scalings[product.module] = factors.scaling
                yield _try_factors(product.name, factors, old, new, context)
        for name in kept:
            out.writelines(StoredValues(after[name], context.store, context.workers.map).blocks())
            context.progress(after[name].size)
            yield ExportedParameter(name, "whole", 0, spec_of(after[name]).elements, 0.0, 0.0)
    config = _describe_adapter(export, products, scalings)
    (folder / CONFIG_FILE).write_text(f"{json.dumps(config, indent=2, sort_keys=True)}\n")


def count_bytes(plan: DifferencePlan, after: Mapping[str, Entry]) -> int:
    """Bytes of what is read."""
    return sum(after[name].size for name in (*plan.factored, *plan.biases, *plan.saved))


class _Product(NamedTuple):
    """A product that is going to be written: what factors it has, and whether they are stored as such."""

    name: str
    down: Spec
    up: Spec
    is_stored: bool
    fan_in_first: bool

    @property
    def module(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def pattern(self) -> str:
        """That of this module alone: PEFT takes one without ``^`` for any whose name ends so after a dot."""
        return f"^{re.escape(self.module)}"

    @property
    def rank(self) -> int:
        return self.down.shape[0]


def _plan_product(name: str, before: Entry, after: Entry, export: AdapterExport) -> _Product:
    """PEFT loads adapters in fp32, or in what is wider. A is [rank, in], B [out, rank], however the layer has them."""
    spec, stored = spec_of(after), stored_rank(after, before)
    is_stored = 0 < stored <= export.rank
    rank = stored if is_stored else export.rank
    dtype = BY_NAME["F64" if spec.dtype.name == "F64" else "F32"]
    rows, columns = spec.shape[::-1] if export.fan_in_first else spec.shape
    return _Product(name, Spec(dtype, (rank, columns)), Spec(dtype, (rows, rank)), is_stored, export.fan_in_first)


def _list_parts(products: Sequence[_Product], kept: Sequence[str], after: Mapping[str, Entry]) -> list[Part]:
    parts = []
    modules = {product.module for product in products}
    for product in products:
        module = PREFIX + product.module
        parts.append(_make_part(f"{module}.lora_A.weight", product.down))
        parts.append(_make_part(f"{module}.lora_B.weight", product.up))
    for name in kept:
        module, _, leaf = name.rpartition(".")
        wrapped = ".base_layer" if module in modules else ""
        parts.append(_make_part(f"{PREFIX}{module}{wrapped}.{leaf}", spec_of(after[name])))
    return parts


def _make_part(name: str, spec: Spec) -> Part:
    return Part(name, spec, (), MemoryValues(spec, b""))


def _find_factors(product: _Product, entry: Entry, old: Values, new: Values, context: Context) -> AdapterFactors:
    """Those that ``entry`` is stored with, which give the very bytes where they are an adapter's; else the best."""
    scaling = 1.0
    if product.is_stored:
        stored = read_stored_factors(entry, context.store)
        up, down, scaling = stored.left, stored.right, stored.scale
    else:
        up, down = factor_difference(old, new, product.rank)
    if product.fan_in_first:
        up, down = down.T, up.T
    return AdapterFactors(
        _as_values(down, product.down), _as_values(up, product.up), scaling, transposed=product.fan_in_first
    )


def _try_factors(name: str, factors: AdapterFactors, old: Values, new: Values, context: Context) -> ExportedParameter:
    """How far the base with the factors merged is from what was wanted."""
    with spool_pieces(add_product(old, factors), context.scratch) as source:
        merged = SourceValues(old.spec, old.size, source, 0)
        differing = count_differing(merged, new)
        error, norm = math.sqrt(sum_squares(merged, new)), math.sqrt(sum_squares(old, new))
    context.progress(new.size)
    return ExportedParameter(name, "low-rank", differing, new.spec.elements, error, norm)


@contextmanager
def _spool_entry(entry: Entry, context: Context) -> Iterator[Values]:
    """A stored parameter's values, decoded once: they are read many times."""
    stored = StoredValues(entry, context.store, context.workers.map)
    with spool_pieces(stored.blocks(), context.scratch) as source:
        yield SourceValues(stored.spec, stored.size, source, 0)


def _as_values(array: object, spec: Spec) -> MemoryValues:
    import numpy as np

    kind = "<f8" if spec.dtype.name == "F64" else "<f4"
    return MemoryValues(spec, np.ascontiguousarray(array, kind).tobytes())


def _describe_adapter(
    export: AdapterExport, products: Sequence[_Product], scalings: Mapping[str, float]
) -> dict[str, object]:
    """The configuration. Ranks and scalings are those of the whole adapter, but for modules that have their own."""
    others = [one for one in products if one.rank != export.rank or scalings[one.module] != 1]
    return {
        "peft_type": LORA,
        "task_type": None,
        "auto_mapping": None,
        "base_model_name_or_path": None,
        "revision": None,
        "inference_mode": True,
        "r": export.rank,
        "lora_alpha": export.rank,
        "rank_pattern": {one.pattern: one.rank for one in others},
        "alpha_pattern": {one.pattern: scalings[one.module] * one.rank for one in others},
        "lora_dropout": 0.0,
        "use_rslora": False,
        "init_lora_weights": True,
        "fan_in_fan_out": export.fan_in_first,
        "bias": "all" if export.plan.biases else "none",
        "target_modules": sorted(name.rpartition(".")[0] for name in export.plan.factored),
        "modules_to_save": list(export.plan.modules) or None,
    }
