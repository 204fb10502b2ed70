"""A mergekit recipe (YAML) as a merge of revisions: the part of it that means the same here, and nothing else."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from git_theta.errors import UsageError
from git_theta.words import suggest_names

LARGEST = 1 << 16
"""A file above this many bytes is no recipe."""
_MAX_ITEMS = 100_000
_MAX_BITS = 64
"""Of an integer."""


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
    data = _load_yaml(content)
    _require_known(data, _KEYS, "the recipe")
    name = data.get("merge_method")
    if not isinstance(name, str) or name not in _METHODS:
        _refuse(f"merge_method {name!r} is none that git-theta knows", suggest_names(str(name), _METHODS))
    method = _METHODS[name]
    base = _require_revision(data["base_model"], "base_model") if "base_model" in data else None
    models = _read_models(data, method, base)
    shared = _require_table(data.get("parameters") or {}, "parameters")
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


def _load_yaml(content: bytes) -> Mapping[str, Any]:
    try:
        import yaml
    except ImportError:
        hint = f"Install it there: {sys.executable} -m pip install 'git-theta[recipe]'"
        raise UsageError("this needs PyYAML, which git-theta's environment has not got", hint=hint) from None
    if len(content) > LARGEST:
        _refuse(f"more than {LARGEST:,} bytes are no recipe")
    try:
        data = yaml.safe_load(content)
    except Exception as error:  # a KeyError for `!!bool maybe`, and whatever comes to pass for other tags
        said = str(error) if isinstance(error, (yaml.YAMLError, ValueError)) else repr(error)
        raise UsageError(f"not valid YAML: {said}") from None
    _require_bounded(data)
    return _require_table(data, "the recipe")


def _require_bounded(data: Any) -> None:
    """Raise UsageError for data that cannot be printed or compared.

    Its aliases may stand for more than memory holds, and Python refuses to spell integers of thousands of digits.
    """
    waiting = [data]
    for _ in range(_MAX_ITEMS):
        if not waiting:
            return
        item = waiting.pop()
        if isinstance(item, int) and item.bit_length() > _MAX_BITS:
            _refuse(f"an integer of {item.bit_length():,} bits is no setting of a merge")
        waiting += item.values() if isinstance(item, dict) else item if isinstance(item, (list, set, tuple)) else ()
    _refuse(f"more than {_MAX_ITEMS:,} values, aliases included, are no recipe")


def _read_models(data: Mapping[str, Any], method: Method, base: str | None) -> dict[str, Mapping[str, Any]]:
    """The parameters of each model, by revision; without the base, which mergekit skips, where that is no model."""
    listed = data.get("models")
    if not isinstance(listed, list) or not listed:
        _refuse("models is not a list of models", "Write models: [{model: REVISION, parameters: {weight: 0.5}}, ...]")
    found: dict[str, Mapping[str, Any]] = {}
    for item in listed:
        table = _require_table(item, "a model")
        _require_known(table, ("model", "parameters"), "a model")
        name = _require_revision(table.get("model"), "model")
        if name in found:
            _refuse(f"the model {name} is listed twice", "Leave one of them out.")
        found[name] = _require_table(table.get("parameters") or {}, f"the parameters of {name}")
    if method.strategy == "weighted":
        if base is not None and base not in found:
            _refuse("linear averages base_model too", "List it under models, with its weight, or leave it out.")
        return found
    if method.ancestral:
        found.pop(base or "", None)
        if not found:
            _refuse("there is no model but base_model", "List what is to be merged under models.")
        return found
    if base is None or len({base, *found}) != 2:
        _refuse("slerp goes from base_model to one other model", "Name these two.")
    return {base: found.get(base, {}), **found}


def _read_options(
    shared: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]], method: Method, name: str
) -> dict[str, float | bool]:
    """Our options with their values: what all models have in common, as ours are for a parameter, not for a head."""
    allowed = (*method.options, *method.fixed, *(["weight"] if method.weighted else []), _IGNORED_OPTION)
    _require_known(shared, allowed, f"parameters of {name}")
    for model, said in models.items():
        _require_known(
            said, [key for key in allowed if key in ("weight", "density", "gamma")], f"parameters of {model}"
        )
    for option, only in method.fixed.items():
        if shared.get(option, only) is not only:
            _refuse(f"{option} can only be {_spell_value(only)} for {name}", f"{method.strategy} has no other way.")
    values = {option: _common_value(option, shared, models, default) for option, default in method.options.items()}
    if "gamma" in values and values["density"] + values["gamma"] > 1:
        _refuse(
            "density and gamma are more than 1 together",
            "mergekit then leaves out fewer outliers than gamma says, and none for its default density, 1.",
        )
    return values


def _common_value(
    option: str, shared: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]], default: float | bool | None
) -> float | bool:
    read = _require_flag if isinstance(default, bool) else _require_number
    given = {read(said.get(option, shared.get(option, default)), option) for said in models.values()}
    if len(given) > 1:
        _refuse(f"{option} is not the same for all models", "Only weight may differ between models.")
    return given.pop()


def _read_weight(said: Mapping[str, Any], shared: Mapping[str, Any], method: Method) -> float | None:
    weight = said.get("weight", shared.get("weight"))
    return None if weight is None or not method.weighted else _require_number(weight, "weight")


def _require_all_weights(weights: list[float | None]) -> tuple[float, ...] | None:
    given = tuple(weight for weight in weights if weight is not None)
    if given and len(given) < len(weights):
        _refuse("some models have a weight, others have none", "Give every model one, or none.")
    return given or None


def _require_flag(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        _refuse(f"{what} is neither true nor false")
    return value


def _require_number(value: Any, what: str) -> float:
    if value is None:
        _refuse(f"{what} is missing", "Give it under parameters.")
    if isinstance(value, str):  # which is what YAML takes 1e-3 for
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        _refuse(
            f"{what} is not one number but {value!r}",
            "Gradients and filters are not supported. For parameters by name: --for 'GLOB=STRATEGY,option=value'",
        )
    return float(value)


def _spell_value(value: float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value).removesuffix(".0")


def _require_revision(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value or not _can_be_argument(value):
        _refuse(
            f"{what} is no revision but {value!r}", "Name a branch, a tag or a commit, in quotes if it is a number."
        )
    return value


def _can_be_argument(text: str) -> bool:
    """Whether a program can be given this text: no NUL, and nothing that UTF-8 cannot spell."""
    try:
        return "\0" not in text and bool(os.fsencode(text))
    except UnicodeEncodeError:
        return False


def _read_dtype(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or value not in _DTYPES):
        _refuse(f"dtype {value!r} is none that recipes have", suggest_names(str(value), _DTYPES))
    return _DTYPES[value] if value is not None else None


def _require_table(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        _refuse(f"{what} is not a mapping of names to values")
    return value


def _require_known(table: Mapping[str, Any], names: Collection[str], where: str) -> None:
    for key in table:
        if key not in names:
            _refuse(f"{where}: {key} is not supported", suggest_names(key, names))


def _refuse(message: str, hint: str = "") -> NoReturn:
    raise UsageError(message, hint=hint)
