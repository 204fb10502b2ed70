"""A mergekit recipe (YAML) as a merge of revisions: the part of it that means the same here, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from git_theta.operations.merging.recipe_values import (
    load_yaml,
    refuse_recipe,
    require_flag,
    require_keys,
    require_number,
    require_revision,
    require_table,
)
from git_theta.words import suggest_names


class Method(NamedTuple):
    """How a merge method of mergekit's is called here.

    Attributes:
        strategy: our name.
        options: parameters that it takes, to mergekit's default (None: it has to be given).
        fixed: parameters that it takes with one value alone: what our strategy does.
        weighted: whether models have weights.
        ancestral: whether base_model is what the models come from; otherwise it is one of them.
    """

    strategy: str
    options: Mapping[str, float | bool | None] = MappingProxyType({})
    fixed: Mapping[str, bool] = MappingProxyType({})
    weighted: bool = True
    ancestral: bool = True


class Recipe(NamedTuple):
    """A mergekit recipe, as far as it has a meaning here.

    Attributes:
        strategy, options: as `-s` and `-o` would.
        base: the revision that changes are measured from; None for what Git finds.
        models: the revisions, in order.
        weights: one per model, or None.
        dtype: the dtype of all tensors, as manifests have it; None if nothing is said.
    """

    strategy: str
    options: tuple[str, ...]
    base: str | None
    models: tuple[str, ...]
    weights: tuple[float, ...] | None
    dtype: str | None


_RESCALED, _NOT_RESCALED = {"rescale": True}, {"rescale": False}
_METHODS = {
    "linear": Method("weighted", fixed={"normalize": True}),
    "task_arithmetic": Method("task-arithmetic", {"lambda": 1.0, "normalize": False}, _NOT_RESCALED),
    "ties": Method("ties", {"density": 1.0, "lambda": 1.0, "normalize": True}, _NOT_RESCALED),
    "dare_linear": Method("dare", {"density": 1.0, "lambda": 1.0, "normalize": False}, _RESCALED),
    "dare_ties": Method("dare-ties", {"density": 1.0, "lambda": 1.0, "normalize": False}, _RESCALED),
    "breadcrumbs": Method(
        "breadcrumbs", {"density": 1.0, "gamma": 0.01, "lambda": 1.0, "normalize": False}, _NOT_RESCALED
    ),
    "model_stock": Method("model-stock", fixed={"filter_wise": False}, weighted=False),
    "slerp": Method("slerp", {"t": None}, weighted=False, ancestral=False),
}
"""Defaults are those of mergekit 0.1.5."""
_KEYS = ("merge_method", "base_model", "models", "parameters", "dtype")
_DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
_IGNORED_OPTION = "int8_mask"
"""It says how mergekit holds masks in memory."""


def parse_recipe(content: bytes) -> Recipe:
    """The recipe that a YAML text holds.

    Raises UsageError for anything that is no recipe, or asks for what git-theta does not do; and without PyYAML.
    """
    data = load_yaml(content)
    require_keys(data, _KEYS, "the recipe")
    name = data.get("merge_method")
    if not isinstance(name, str) or name not in _METHODS:
        refuse_recipe(f"merge_method {name!r} is none that git-theta knows", suggest_names(str(name), _METHODS))
    method = _METHODS[name]
    base = require_revision(data["base_model"], "base_model") if "base_model" in data else None
    models = _read_models(data, method, base)
    shared = require_table(data.get("parameters") or {}, "parameters")
    weights = [_read_weight(said, shared, method) for said in models.values()]
    return Recipe(
        method.strategy,
        tuple(
            f"{option}={_spell_value(value)}" for option, value in _read_options(shared, models, method, name).items()
        ),
        base if method.ancestral else None,
        tuple(models),
        _require_all_weights(weights),
        _read_dtype(data.get("dtype")),
    )


def _read_models(data: Mapping[str, Any], method: Method, base: str | None) -> dict[str, Mapping[str, Any]]:
    """The parameters of each model, by revision; without the base, which mergekit skips, where that is no model."""
    listed = data.get("models")
    if not isinstance(listed, list) or not listed:
        refuse_recipe(
            "models is not a list of models", "Write models: [{model: REVISION, parameters: {weight: 0.5}}, ...]"
        )
    found: dict[str, Mapping[str, Any]] = {}
    for item in listed:
        table = require_table(item, "a model")
        require_keys(table, ("model", "parameters"), "a model")
        name = require_revision(table.get("model"), "model")
        if name in found:
            refuse_recipe(f"the model {name} is listed twice", "Leave one of them out.")
        found[name] = require_table(table.get("parameters") or {}, f"the parameters of {name}")
    if method.strategy == "weighted":
        if base is not None and base not in found:
            refuse_recipe("linear averages base_model too", "List it under models, with its weight, or leave it out.")
        return found
    if method.ancestral:
        found.pop(base or "", None)
        if not found:
            refuse_recipe("there is no model but base_model", "List what is to be merged under models.")
        return found
    if base is None or len({base, *found}) != 2:
        refuse_recipe("slerp goes from base_model to one other model", "Name these two.")
    return {base: found.get(base, {}), **found}


def _read_options(
    shared: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]], method: Method, name: str
) -> dict[str, float | bool]:
    """Our options with their values: what all models have in common, as ours are for a parameter, not for a head."""
    allowed = (*method.options, *method.fixed, *(["weight"] if method.weighted else []), _IGNORED_OPTION)
    require_keys(shared, allowed, f"parameters of {name}")
    for model, said in models.items():
        require_keys(said, [key for key in allowed if key in ("weight", "density", "gamma")], f"parameters of {model}")
    for option, only in method.fixed.items():
        if shared.get(option, only) is not only:
            refuse_recipe(
                f"{option} can only be {_spell_value(only)} for {name}", f"{method.strategy} has no other way."
            )
    values = {option: _common_value(option, shared, models, default) for option, default in method.options.items()}
    if "gamma" in values and values["density"] + values["gamma"] > 1:
        refuse_recipe(
            "density and gamma are more than 1 together",
            "mergekit then leaves out fewer outliers than gamma says, and none for its default density, 1.",
        )
    return values


def _common_value(
    option: str, shared: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]], default: float | bool | None
) -> float | bool:
    read = require_flag if isinstance(default, bool) else require_number
    given = {read(said.get(option, shared.get(option, default)), option) for said in models.values()}
    if len(given) > 1:
        refuse_recipe(f"{option} is not the same for all models", "Only weight may differ between models.")
    return given.pop()


def _read_weight(said: Mapping[str, Any], shared: Mapping[str, Any], method: Method) -> float | None:
    weight = said.get("weight", shared.get("weight"))
    return None if weight is None or not method.weighted else require_number(weight, "weight")


def _require_all_weights(weights: list[float | None]) -> tuple[float, ...] | None:
    given = tuple(weight for weight in weights if weight is not None)
    if given and len(given) < len(weights):
        refuse_recipe("some models have a weight, others have none", "Give every model one, or none.")
    return given or None


def _spell_value(value: float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value).removesuffix(".0")


def _read_dtype(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or value not in _DTYPES):
        refuse_recipe(f"dtype {value!r} is none that recipes have", suggest_names(str(value), _DTYPES))
    return _DTYPES[value] if value is not None else None
