"""An adapter of PEFT, LoRA or IA3, as what it says of each parameter.

Source: the names that ``get_peft_model_state_dict`` gives (PEFT 0.21): ``base_model.model.MODULE.lora_A.weight``. What
has no name of a factor is a parameter that was trained whole: of ``modules_to_save``, a bias, or an embedding that is
kept beside its adapter (``MODULE.base_layer.weight``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from git_theta.errors import UsageError
from git_theta.operations.updating.adapter_arrays import open_arrays
from git_theta.operations.updating.peft_config import LORA, PeftConfig, read_config
from git_theta.operations.updating.update_steps import (
    AddProduct,
    AddScaled,
    ParameterUpdate,
    Replace,
    ScaleElements,
    UpdateStep,
)
from git_theta.tensors.adapter_arithmetic import AdapterFactors
from git_theta.tensors.values import Values

ADAPTER_FILES = ("adapter_model.safetensors", "adapter_model.bin")
PREFIX = "base_model.model."
_WRAPPED = ".base_layer."
_FACTORS = ("lora_A.weight", "lora_B.weight")
_EMBEDDING_FACTORS = ("lora_embedding_A", "lora_embedding_B")
_BIAS = "lora_B.bias"
_IA3 = "ia3_l"


@contextmanager
def open_peft_adapter(folder: Path) -> Iterator[tuple[str, list[ParameterUpdate]]]:
    """The kind of an adapter, and its updates in the order of their names; arrays are read within the ``with`` block.

    Raises UsageError for an adapter that is not merged as we do it, or whose arrays belong to none.
    """
    config = read_config(folder)
    file = next((folder / name for name in ADAPTER_FILES if (folder / name).exists()), folder / ADAPTER_FILES[0])
    with open_arrays(file) as arrays:
        reader = _LoraReader if config.kind == LORA else _Ia3Reader
        try:
            updates = list(reader(_strip_names(arrays), config).read_updates())
        except UsageError as error:
            raise error.add_location(path=str(file)) from None
        yield config.kind, updates


def _strip_names(arrays: Mapping[str, Values]) -> dict[str, Values]:
    """The arrays by the names that they have in the model itself. Raises UsageError where two have one name."""
    found: dict[str, Values] = {}
    for name, values in sorted(arrays.items()):
        stripped = name.removeprefix(PREFIX).replace(_WRAPPED, ".")
        if stripped in found:
            raise UsageError("two arrays are for it", hint="Save the adapter again.", parameter=stripped)
        found[stripped] = values
    return found


class _LoraReader:
    """What a LoRA adapter does: to the weight of each module with factors, and to what was trained whole."""

    def __init__(self, arrays: dict[str, Values], config: PeftConfig) -> None:
        self._arrays = arrays
        self._config = config

    def read_updates(self) -> Iterator[ParameterUpdate]:
        whole = {name: values for name, values in self._arrays.items() if "lora_" not in name}
        for name in self._arrays.keys() - whole.keys():
            self._require_known(name)
        added = dict(self._read_products())
        for name in sorted(whole.keys() | added.keys()):
            replaced = (Replace(whole[name]),) if name in whole else ()
            yield ParameterUpdate(name, (*replaced, *added.get(name, ())))

    def _require_known(self, name: str) -> None:
        known = (*_FACTORS, *_EMBEDDING_FACTORS, _BIAS)
        ending = next((ending for ending in known if name.endswith(f".{ending}")), "")
        if not ending:
            raise UsageError(
                "it is no factor of a low-rank update that is known here",
                hint="Merge it with PEFT (merge_and_unload), save the checkpoint, and: git add",
                parameter=name,
            )
        module = name.removesuffix(f".{ending}")
        pair = _EMBEDDING_FACTORS if ending in _EMBEDDING_FACTORS else _FACTORS
        if lacking := next((part for part in pair if f"{module}.{part}" not in self._arrays), ""):
            raise UsageError(f"{lacking} is not there beside it", hint="Save the adapter again.", parameter=name)

    def _read_products(self) -> Iterator[tuple[str, tuple[UpdateStep, ...]]]:
        """Name of a parameter, and the step that adds to it."""
        for name, up in self._arrays.items():
            for pair in (_FACTORS, _EMBEDDING_FACTORS):
                if name.endswith(f".{pair[1]}"):
                    module = name.removesuffix(f".{pair[1]}")
                    down = self._arrays[f"{module}.{pair[0]}"]
                    yield f"{module}.weight", (self._make_product(module, down, up, pair is _EMBEDDING_FACTORS),)
            if name.endswith(f".{_BIAS}"):
                module = name.removesuffix(f".{_BIAS}")
                down = self._arrays[f"{module}.{_FACTORS[0]}"]
                yield f"{module}.bias", (AddScaled(up, self._find_scaling(module, down)),)

    def _make_product(self, module: str, down: Values, up: Values, embedding: bool) -> AddProduct:
        turned = embedding or self._config.stores_fan_in_first
        scaling = self._find_scaling(module, down)
        return AddProduct(AdapterFactors(down, up, scaling, transposed=turned, rounded=embedding))

    def _find_scaling(self, module: str, down: Values) -> float:
        """Of a module with that factor A, which has rank 0 where it is a single number."""
        return self._config.scaling_of(module, next(iter(down.spec.shape), 0))


class _Ia3Reader:
    """What an IA3 adapter does: to the weight, and the bias, of each module with a vector."""

    def __init__(self, arrays: dict[str, Values], config: PeftConfig) -> None:
        self._arrays = arrays
        self._config = config

    def read_updates(self) -> Iterator[ParameterUpdate]:
        for name, values in self._arrays.items():
            module = name.removesuffix(f".{_IA3}")
            if module == name:
                yield ParameterUpdate(name, (Replace(values),))
                continue
            feedforward = self._config.is_feedforward(module)
            yield ParameterUpdate(f"{module}.weight", (ScaleElements(values, self._shape_beside(values, feedforward)),))
            if not feedforward:
                yield ParameterUpdate(
                    f"{module}.bias", (ScaleElements(values, (values.spec.elements,)),), optional=True
                )

    def _shape_beside(self, values: Values, feedforward: bool) -> tuple[int, ...]:
        """How a vector is laid beside the weight: in the first dimension what is given, in the second what is taken."""
        shape = values.spec.shape
        if len(shape) > 2 and not feedforward:
            return (shape[1], shape[0], *shape[2:])
        return shape[::-1] if len(shape) == 2 and self._config.stores_fan_in_first else shape
