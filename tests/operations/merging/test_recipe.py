"""mergekit's recipes: what means the same here is read, all else is refused by name."""

from __future__ import annotations

import os
import sys
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from git_theta.errors import UsageError
from git_theta.merging import options
from git_theta.merging.catalogue import load_strategy
from git_theta.operations.merging.recipe import _DTYPES, _METHODS, Recipe, parse_recipe
from git_theta.operations.merging.recipe_values import LARGEST

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


# Anything ------------------------------------------------------------------------------------------------------------

ODD = [
    "!!bool maybe", "!!int ''", "!!int x", "!!float ''", "!!timestamp soon", "!!binary '='", "!!set {a, b}", "!!null x",
    "!!omap [a]", "!!pairs [1]", "!!map []", "!!seq {}", "!!str {}", "!ours x", "!!python/tuple [1]", "2001-99-99",
    "0x" + "f" * 5000, "9" * 400, "9" * 5000, "1:59:59.5", "59" + ":59" * 300, "59" + ":59" * 300 + ".1",
    ".inf", "-.inf", ".nan", "1e999", "-0.0", "~", "''", '"\\0"', '"\\ud800"', '"\\U0001F600"', "'-'", "'--all'", "yes",
    "0001-01-01T00:00:00+23:59", "&a [*a]", "&a {b: *a}", "*none", "<<: {a: 1}", "{<<: [1]}", "? [a]", "{[a]: b}",
    "[", "{", "'", "%TAG", "--- a", "\t",
]  # fmt: skip
"""Texts that YAML knows ways with."""
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates() | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
NUMBERS = st.floats(0, 1) | st.booleans() | VALUES
SETTINGS = st.dictionaries(
    st.sampled_from(["weight", "density", "gamma", "lambda", "t", "normalize", "rescale", "filter_wise", "int8_mask"]),
    NUMBERS,
    max_size=3,
)
NAMES = st.sampled_from(["m", "a", "b"]) | VALUES
LISTED = st.fixed_dictionaries({"model": NAMES}, optional={"parameters": SETTINGS | VALUES})
LIKELY = st.fixed_dictionaries(
    {"merge_method": st.sampled_from([*_METHODS]) | VALUES, "models": st.lists(LISTED | VALUES, max_size=3) | VALUES},
    optional={"base_model": NAMES, "parameters": SETTINGS | VALUES, "dtype": st.sampled_from([*_DTYPES]) | VALUES},
)
EDITS = st.lists(st.tuples(st.integers(0, len(TIES)), st.integers(0, 12), st.sampled_from(ODD) | st.text(max_size=3)))


def spliced(text: str, edits: list[tuple[int, int, str]]) -> bytes:
    for at, removed, added in edits:
        text = text[:at] + added + text[at + removed :]
    return text.encode(errors="surrogatepass")


def assert_read_or_refused(content: bytes) -> None:
    """A recipe with which a merge can begin, or a refusal with words."""
    try:
        recipe = parse_recipe(content)
        given = dict(option.split("=") for option in recipe.options)
        options.parse_options(recipe.strategy, load_strategy(recipe.strategy).options, given)
    except UsageError as error:
        assert error.message
        return
    assert recipe.models and all(isinstance(model, str) and "\0" not in model for model in recipe.models)
    assert len(set(recipe.models)) == len(recipe.models)
    assert recipe.weights is None or len(recipe.weights) == len(recipe.models)
    for name in filter(None, (recipe.base, *recipe.models)):
        os.fsencode(name)


@settings(max_examples=300, deadline=None)
@given(LIKELY | VALUES)
def test_any_values_are_read_or_refused(data: object) -> None:
    assert_read_or_refused(yaml.safe_dump(data).encode())


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([TIES, SLERP]), EDITS)
def test_any_text_is_read_or_refused(text: str, edits: list[tuple[int, int, str]]) -> None:
    assert_read_or_refused(spliced(text, edits))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    assert_read_or_refused(content)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    "place", ["ties", "fork", "[{model: a}]", "a", "{weight: 0.5, density: 0.4}", "0.4", "true", "bfloat16", "density"]
)
def test_odd_values_in_any_place_are_read_or_refused(place: str, odd: str) -> None:
    assert_read_or_refused(TIES.replace(f" {place}", f" {odd}").encode())
    assert_read_or_refused(TIES.replace(place, odd, 1).encode())


@pytest.mark.parametrize("odd", ["a\0b", "\ud800"])
def test_a_revision_that_no_program_can_be_given_is_none(odd: str) -> None:
    with pytest.raises(UsageError, match="model is no revision"):
        parse_recipe(SLERP.replace("model: b", f'model: "{odd.encode("unicode_escape").decode()}"').encode())


@pytest.mark.parametrize(
    "text",
    [
        "a: 59" + ":59" * (LARGEST // 3 - 9),
        "[" * LARGEST,
        "a: [" + "x, " * (LARGEST // 3 - 9) + "]",
        SLERP.replace("0.3", "[" + "x, " * (LARGEST // 3 - 99) + "]"),
        "merge_method: ties\nparameters: {density: [" + "x, " * 9000 + "]}\n"
        "models: [" + ", ".join(f"{{model: m{n}}}" for n in range(2000)) + "]",
        "-" * (LARGEST + 1),
    ],
    ids=["a long time", "lists in lists", "a list", "one of slerp", "one of many models", "more than is read"],
)
def test_recipes_beyond_measure_are_refused_in_bounded_time(text: str) -> None:
    started = time.process_time()
    assert_read_or_refused(text.encode())
    assert time.process_time() - started < 20
