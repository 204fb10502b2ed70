"""mergekit's recipes: what means the same here is read, all else is refused by name."""

from __future__ import annotations

import sys

import pytest

from git_theta.errors import UsageError
from git_theta.merging import options
from git_theta.merging.catalogue import load_strategy
from git_theta.operations.merging.recipe import Recipe, parse_recipe

TIES = """\
merge_method: ties
base_model: fork
models:
  - model: fork
  - model: a
    parameters: {weight: 0.5, density: 0.4}
  - model: b
    parameters: {weight: 1, density: 0.4}
parameters: {normalize: true, int8_mask: true}
dtype: bfloat16
"""
SLERP = """\
merge_method: slerp
base_model: a
models: [{model: a}, {model: b}]
parameters: {t: 0.3}
"""


def test_models_weights_and_what_they_have_in_common() -> None:
    options = ("density=0.4", "lambda=1", "normalize=true")
    assert parse_recipe(TIES.encode()) == Recipe("ties", options, "fork", ("a", "b"), (0.5, 1.0), "BF16")


def test_slerp_goes_from_its_base_model() -> None:
    assert parse_recipe(SLERP.encode()) == Recipe("slerp", ("t=0.3",), None, ("a", "b"), None, None)
    turned = SLERP.replace("base_model: a", "base_model: b")
    assert parse_recipe(turned.encode()).models == ("b", "a")


@pytest.mark.parametrize(
    ("method", "shared", "strategy", "expected"),
    [
        ("linear", "{normalize: true}", "weighted", ()),
        ("task_arithmetic", "{lambda: 5e-1, rescale: false}", "task-arithmetic", ("lambda=0.5", "normalize=false")),
        ("ties", "{}", "ties", ("density=1", "lambda=1", "normalize=true")),
        ("dare_linear", "{density: 0.3}", "dare", ("density=0.3", "lambda=1", "normalize=false")),
        ("dare_ties", "{rescale: true}", "dare-ties", ("density=1", "lambda=1", "normalize=false")),
        ("breadcrumbs", "{density: 0.9}", "breadcrumbs", ("density=0.9", "gamma=0.01", "lambda=1", "normalize=false")),
        ("model_stock", "{filter_wise: false}", "model-stock", ()),
    ],
)
def test_methods_with_mergekits_defaults(method: str, shared: str, strategy: str, expected: tuple[str, ...]) -> None:
    models = "[{model: m}, {model: a}]"
    recipe = parse_recipe(f"merge_method: {method}\nbase_model: m\nmodels: {models}\nparameters: {shared}".encode())
    assert (recipe.strategy, recipe.options) == (strategy, expected)
    declared = load_strategy(strategy)
    given = dict(option.split("=") for option in recipe.options)
    assert options.parse_options(strategy, declared.options, given).keys() >= given.keys()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dtype: bfloat16", "slices: []", "slices is not supported"),
        ("dtype: bfloat16", "tokenizer_source: union", "tokenizer_source is not supported"),
        ("dtype: bfloat16", "dtype: int8", "dtype 'int8' is none"),
        ("merge_method: ties", "merge_method: della", "merge_method 'della' is none"),
        ("merge_method: ties", "merge_method: dare_tie", "did you mean 'dare_ties'"),
        ("model: a", "model: 123", "model is no revision but 123"),
        ("model: b", "model: a", "listed twice"),
        ("density: 0.4}\n  - model: b", "density: 0.5}\n  - model: b", "density is not the same for all models"),
        ("weight: 1,", "", "some models have a weight"),
        ("weight: 1,", "weight: [0, 1],", "weight is not one number"),
        ("weight: 1,", "weight: heavy,", "weight is not one number but 'heavy'"),
        ("int8_mask", "rescale", "rescale can only be false for ties"),
        ("weight: 1,", "weight: .nan,", "weight is not one number"),
        ("weight: 1,", "lambda: 1,", "parameters of b: lambda is not supported"),
        ("int8_mask", "gamma", "parameters of ties: gamma is not supported"),
        ("normalize: true", "normalize: 1", "normalize is neither true nor false"),
        ("models:", "models: {}\nmore:", "more is not supported"),
        ("merge_method: ties", "- a list", "not valid YAML"),
        ("merge_method: ties", "merge_method: !!python/name:os.system", "not valid YAML"),
    ],
)
def test_what_we_do_not_do_is_refused_by_name(old: str, new: str, said: str) -> None:
    assert old in TIES
    with pytest.raises(UsageError) as error:
        parse_recipe(TIES.replace(old, new, 1).encode())
    assert said.lower() in f"{error.value.message} {error.value.hint}".lower()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "the recipe is not a mapping"),
        ("merge_method: ties\nmodels: []", "models is not a list"),
        (SLERP.replace("parameters: {t: 0.3}", ""), "t is missing"),
        (SLERP.replace("{model: b}", "{model: b}, {model: c}"), "slerp goes from base_model"),
        ("merge_method: breadcrumbs\nmodels: [{model: a}]\nparameters: {density: 1}", "more than 1 together"),
        ("merge_method: breadcrumbs\nmodels: [{model: a}]", "more than 1 together"),
        ("merge_method: ties\nbase_model: m\nmodels: [{model: m}]", "no model but base_model"),
        ("merge_method: linear\nbase_model: m\nmodels: [{model: a}]", "linear averages base_model too"),
        ("merge_method: linear\nmodels: [{model: a}]\nparameters: {normalize: false}", "normalize can only be true"),
    ],
)
def test_recipes_that_are_none(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_recipe(text.encode())


def test_without_pyyaml_we_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(UsageError) as error:
        parse_recipe(TIES.encode())
    assert "git-theta[recipe]" in error.value.hint


BOMB = "[&a [x, x, x, x, x, x, x, x, x], " + ", ".join(
    f"&{name} [{', '.join(['*' + before] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "recipe",
    [
        f"merge_method: linear\nbase_model: {BOMB}]\n",
        f"merge_method: linear\nmodels: [{{model: a, parameters: {{weight: {BOMB}]}}}}]\n",
        "merge_method: linear\nmodels: &a [*a]\n",
        TIES.replace("bfloat16", "[bfloat16]"),
    ],
    ids=["a revision of 9 ** 9 words", "a weight of as many", "a list in itself", "a list of dtypes"],
)
def test_aliases_cost_no_memory_and_lists_no_defect(recipe: str) -> None:
    with pytest.raises(UsageError):
        parse_recipe(recipe.encode())
