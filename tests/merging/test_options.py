"""Options: what is declared, what is refused, and what is suggested instead."""

from __future__ import annotations

from typing import Any

import pytest

from git_theta.errors import UsageError
from git_theta.merging.options import Option, parse_options

NUMBER = Option("density", "number", 0.2, "The share kept.", within="(0, 1]")
OPTIONS = (
    NUMBER,
    Option("lambda", "number", 1.0, "A factor."),
    Option("scope", "choice", "tensor", "Of what.", choices=("tensor", "checkpoint")),
    Option("normalize", "flag", True, "A mean."),
    Option("groups", "globs", (), "Groups."),
    Option("scores", "numbers", None, "Scores."),
    Option("logits", "json", None, "Logits."),
)
DEFAULTS = {option.name: option.default for option in OPTIONS}


def test_what_is_not_given_has_its_default() -> None:
    assert parse_options("ties", OPTIONS, {}) == DEFAULTS


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"density": "0.5"}, "density", 0.5),
        ({"density": 1}, "density", 1.0),
        ({"lambda_": 2}, "lambda", 2.0),
        ({"lambda": "-0.5"}, "lambda", -0.5),
        ({"scope": "checkpoint"}, "scope", "checkpoint"),
        ({"normalize": "no"}, "normalize", False),
        ({"normalize": "True"}, "normalize", True),
        ({"normalize": False}, "normalize", False),
        ({"groups": "a.*, b.*"}, "groups", ("a.*", "b.*")),
        ({"groups": ["a.*"]}, "groups", ("a.*",)),
        ({"scores": "1, -2.5"}, "scores", (1.0, -2.5)),
        ({"scores": [1, 2]}, "scores", (1.0, 2.0)),
        ({"logits": '{"*": [1, 2]}'}, "logits", {"*": [1, 2]}),
        ({"logits": {"*": [1, 2]}}, "logits", {"*": [1, 2]}),
    ],
)
def test_values_are_read_as_their_kind(given: dict[str, Any], name: str, value: Any) -> None:
    parsed = parse_options("ties", OPTIONS, given)
    assert parsed == DEFAULTS | {name: value}
    assert type(parsed[name]) is type(value)


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"densty": 0.5}, "ties has no option 'densty'", "Did you mean 'density'? There is: density, lambda"),
        ({"density": 0}, "density takes a number in (0, 1], not 0", "The share kept."),
        ({"density": 1.1}, "density takes a number in (0, 1], not 1.1", ""),
        ({"density": "half"}, "density takes a number in (0, 1], not 'half'", ""),
        ({"density": True}, "density takes a number in (0, 1], not True", ""),
        ({"density": None}, "density takes a number in (0, 1], not None", ""),
        ({"lambda": "nan"}, "lambda takes a finite number, not 'nan'", ""),
        ({"lambda": "inf"}, "lambda takes a finite number, not 'inf'", ""),
        ({"scope": "checkpont"}, "scope takes tensor or checkpoint, not 'checkpont'", "Did you mean 'checkpoint'?"),
        ({"normalize": "maybe"}, "normalize takes true or false, not 'maybe'", ""),
        ({"normalize": 1.5}, "normalize takes true or false, not 1.5", ""),
        ({"groups": {"a": 1}}, "groups takes globs with commas between them", ""),
        ({"groups": [1]}, "groups takes globs", ""),
        ({"scores": "a,b"}, "scores takes numbers with commas", ""),
        ({"logits": "{"}, "logits takes a list or a mapping, or its JSON text, not '{'", ""),
        ({"logits": 3}, "logits takes a list or a mapping", ""),
        ({"lambda": 1, "lambda_": 2}, "lambda is given twice, as 'lambda' and 'lambda_'", "Leave one"),
    ],
)
def test_what_is_wrong_is_refused_and_explained(given: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_options("ties", OPTIONS, given)
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_dashes_count_as_underscores() -> None:
    options = (Option("zero_sign", "choice", "positive", "", choices=("positive", "majority")),)
    assert parse_options("ties", options, {"zero-sign": "majority"}) == {"zero_sign": "majority"}


def test_a_strategy_without_options_says_so() -> None:
    with pytest.raises(UsageError) as caught:
        parse_options("average", (), {"density": 1})
    assert caught.value.hint == "It has no options."


@pytest.mark.parametrize(
    ("within", "number", "fits"),
    [("[0, 1)", 0, True), ("[0, 1)", 1, False), ("(0, 1]", 0, False), ("(0, inf)", 1e300, True), ("", -5, True)],
)
def test_bounds_are_open_or_closed(within: str, number: float, fits: bool) -> None:
    option = Option("x", "number", None, "", within=within)
    if fits:
        assert option.parse(number) == number
    else:
        with pytest.raises(UsageError):
            option.parse(number)


@pytest.mark.parametrize(
    ("option", "given", "parsed"),
    [
        (Option("rank", "integer", 1, "Rank.", within="[1, 8]"), "8", 8),
        (Option("rank", "integer", 1, "Rank."), 3.0, 3),
        (Option("label", "text", "", "Label."), "any, text", "any, text"),
        (Option("file", "path", "", "File."), "a/{stem}.b", "a/{stem}.b"),
        (Option("file", "path", "", "File."), "", ""),
    ],
)
def test_integers_texts_and_paths(option: Option, given: object, parsed: object) -> None:
    assert option.parse(given) == parsed
    assert type(option.parse(given)) is type(parsed)


@pytest.mark.parametrize(
    ("option", "given", "said"),
    [
        (
            Option("rank", "integer", 1, "Rank.", within="[1, 8]"),
            "9",
            r"rank takes a whole number in \[1, 8\], not '9'",
        ),
        (Option("rank", "integer", 1, "Rank."), 2.5, "a whole number, not 2.5"),
        (Option("rank", "integer", 1, "Rank."), True, "a whole number"),
        (Option("label", "text", "", "Label."), 7, "label takes a text, not 7"),
        (Option("file", "path", "", "File."), "../x", "the path of a file inside the tree"),
        (Option("file", "path", "", "File."), "/etc/passwd", "the path of a file inside the tree"),
    ],
)
def test_what_is_no_integer_text_or_path_is_refused(option: Option, given: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        option.parse(given)


_CONFIGURED = Option("max_side", "integer", 8, "How large.", within="[2, 100]", setting="theta.merge.maxSide")


@pytest.mark.parametrize(("given", "said", "expected"), [({}, "", 8), ({}, "50", 50), ({"max-side": "9"}, "50", 9)])
def test_configuration_says_another_default(given: dict[str, str], said: str, expected: int) -> None:
    asked: list[str] = []

    def read_setting(key: str) -> str:
        asked.append(key)
        return said

    assert parse_options("s", [_CONFIGURED], given, read_setting) == {"max_side": expected}
    assert asked == ["theta.merge.maxSide"]


def test_a_default_that_cannot_be_names_the_setting() -> None:
    with pytest.raises(
        UsageError, match=r"theta\.merge\.maxSide: max_side takes a whole number in \[2, 100\], not '1'"
    ):
        parse_options("s", [_CONFIGURED], {}, lambda _: "1")
