"""Which strategy for which parameter: globs, rules, their origins and their precedence."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_theta import tracked_toml
from git_theta.errors import UsageError
from git_theta.globs import escape_path, name_matcher, path_matcher
from git_theta.merging.policies import policy_file
from git_theta.merging.policies.policy import (
    Choice,
    Policy,
    Rule,
    build_policy,
    make_global_rule,
    make_rule,
    parse_attribute_rule,
    parse_glob_rule,
)
from tests.work_units import takes_fewer_units


def strategy(policy: Policy, name: str, path: str = "models/a.safetensors") -> str | None:
    """What a policy chooses for one parameter; None for a conflict."""
    choice = policy.choose(path, name)
    return choice.strategy if choice else None


# Globs --------------------------------------------------------------------------------------------------------------

NAMES = [
    ("*", "encoder.layer.0.weight", True),
    ("encoder.*", "encoder.layer.0.weight", True),
    ("encoder.*", "encoder", False),
    ("encoder.*", "decoder.encoder.w", False),
    ("*.bias", "encoder.layer.0.bias", True),
    ("*.layer.?.*", "encoder.layer.1.w", True),
    ("*.layer.?.*", "encoder.layer.11.w", False),
    ("*.layer.[0-4].*", "encoder.layer.4.w", True),
    ("*.layer.[!0-4].*", "encoder.layer.4.w", False),
    ("encoder.*", "Encoder.w", False),
    ("encoder", "encoder.w", False),
    ("a.b", "a-b", False),
    ("a[*]b", "a*b", True),
    ("a[*]b", "axb", False),
    ("a[[]0]", "a[0]", True),
    ("*", "two\nlines", True),
    ("w", "w\n", False),
]


@pytest.mark.parametrize(("glob", "name", "matches"), NAMES)
def test_a_star_in_a_name_crosses_dots(glob: str, name: str, matches: bool) -> None:
    assert name_matcher([glob])(name) is matches


PATHS = [
    ("*", "a.pt", True),
    ("*", "models/deep/a.pt", True),
    ("*.pt", "models/deep/a.pt", True),
    ("*.pt", "models/a.pth", False),
    ("a.pt", "models/a.pt", True),
    ("/a.pt", "models/a.pt", False),
    ("/a.pt", "a.pt", True),
    ("models/*.pt", "models/a.pt", True),
    ("models/*.pt", "models/deep/a.pt", False),
    ("models/*.pt", "old/models/a.pt", False),
    ("models/**", "models/deep/a.pt", True),
    ("models/**", "models", False),
    ("**/models/*.pt", "models/a.pt", True),
    ("**/models/*.pt", "very/old/models/a.pt", True),
    ("a/**/b.pt", "a/b.pt", True),
    ("a/**/b.pt", "a/x/y/b.pt", True),
    ("a/**/b.pt", "a/x/y/c.pt", False),
    ("*.PT", "a.pt", False),
]


@pytest.mark.parametrize(("glob", "path", "matches"), PATHS)
def test_a_path_matches_as_in_gitattributes(glob: str, path: str, matches: bool) -> None:
    assert path_matcher([glob])(path) is matches


@pytest.mark.parametrize("path", ["a.pt", "models/[old]/a*.pt", "what?/**/x", "a]b"])
def test_a_quoted_path_matches_itself_alone(path: str) -> None:
    matches = path_matcher([escape_path(path)])
    assert matches(path)
    assert not matches(f"deeper/{path}")
    assert not matches(path.replace("*", "x").replace("?", "x").replace("[", "x") + "x")


@pytest.mark.parametrize("glob", ["", "a[b", "[", "a\0b", "[!]"])
def test_what_is_no_glob_is_refused(glob: str) -> None:
    for matcher in (name_matcher, path_matcher):
        with pytest.raises(UsageError, match="the glob"):
            matcher(["fine", glob])


@pytest.mark.parametrize("glob", ["a//b", "a/", "/"])
def test_a_path_has_no_empty_pieces(glob: str) -> None:
    with pytest.raises(UsageError, match="empty between its slashes"):
        path_matcher([glob])


@pytest.mark.parametrize("glob", ["*a" * 60 + "b", "**/" * 60 + "b/*"])
def test_a_hostile_glob_takes_no_time(glob: str) -> None:
    assert takes_fewer_units(10, lambda: name_matcher([glob])("a" * 2000))
    assert takes_fewer_units(10, lambda: path_matcher([glob])("a/" * 500 + "a"))
    assert not name_matcher([glob])("a" * 2000)
    assert not path_matcher([glob])("a/" * 500 + "a")


# The policy file ----------------------------------------------------------------------------------------------------

TEXT = b"""
# the first rule that matches wins
[[merge]]
path = "*.safetensors"
parameters = ["encoder.*", "*.bias"]
strategy = "ties"
options = { density = 0.2, lambda = 1.0, zero_sign = "majority" }

[[merge]]
parameters = "head.*"
strategy = "conflict"

[[merge]]
strategy = "average"
"""


def test_the_first_rule_that_matches_wins() -> None:
    policy = Policy(policy_file.parse_policy(TEXT))
    assert strategy(policy, "encoder.w") == "ties"
    assert strategy(policy, "head.bias") == "ties"
    assert strategy(policy, "head.w") is None
    assert strategy(policy, "decoder.w") == "average"
    assert strategy(policy, "encoder.w", path="a.pt") == "average"


def test_a_choice_tells_its_options_and_who_said_so() -> None:
    choice = Policy(policy_file.parse_policy(TEXT)).choose("a.safetensors", "encoder.w")
    assert choice == Choice("ties", {"density": 0.2, "lambda": 1.0, "zero_sign": "majority"}, ".theta.toml, rule 1")
    assert str(choice) == "ties density=0.2 lambda=1.0 zero_sign=majority"


def test_a_choice_stays_on_one_line() -> None:
    choice = Choice("x", {"a": "two\nlines", "b": [1, 2.5], "c": True, "d": "a b", "e": "\x1b[2J", "f": ""}, "")
    assert str(choice) == r'x a="two\nlines" b=[1, 2.5] c=true d="a b" e="\u001b[2J" f=""'


def test_a_rule_matches_by_any_name_of_a_tied_parameter() -> None:
    policy = Policy(policy_file.parse_policy(TEXT))
    assert policy.choose("a.pt", "embedding.w", "head.w") is None
    assert policy.choose("a.pt", "embedding.w", "x.w") is not None


def test_the_file_as_a_whole_goes_by_rules_for_all_parameters() -> None:
    policy = Policy(policy_file.parse_policy(TEXT))
    whole = policy.choose("a.safetensors")
    assert whole is not None
    assert whole.strategy == "average"


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"merge = []\n", "\ufeff# a mark\n".encode()])
def test_an_empty_policy_leaves_all_to_conflicts(content: bytes) -> None:
    assert policy_file.parse_policy(content) == ()
    assert Policy().choose("a.pt", "w") is None


def toml(line: str) -> bytes:
    return f'[[merge]]\nstrategy = "ties"\n[[merge]]\nstrategy = "ties"\n{line}\n'.encode()


REFUSED = {
    b"[[merge]\n": ("not valid TOML: .*line 1", ""),
    b'[[merge]]\nstrategy = "ties"\nstrategy = "ties"\n': ("not valid TOML: .*line 3", ""),
    b"\xff": ("not UTF-8 at byte 0", "UTF-8"),
    b"a = " + b"[" * 100_000: ("not valid TOML", ""),
    b"a = " + b"9" * 10_000: ("not valid TOML", ""),
    b"#" * (tracked_toml.SIZE_LIMIT + 1): ("more than 1048576 bytes", ""),
    b'[merge]\nstrategy = "ties"\n': ("merge is not a list of rules", r"\[\[merge\]\]"),
    b"merge = [1]\n": ("merge is not a list of rules", r"\[\[merge\]\]"),
    b"[[merges]]\n": ("unknown key 'merges'", "Did you mean 'merge'"),
    b"[[merge]]\n": ("rule 1: strategy is not", 'strategy = "NAME"'),
    toml('parameter = "w"'): ("rule 2: unknown key 'parameter'", "Did you mean 'parameters'"),
    toml('run = "rm"'): ("rule 2: unknown key 'run'", "There is: path, parameters, kind, strategy, options"),
    toml('path = ""'): ("rule 2: the glob '' is empty", ""),
    toml("path = []"): ("rule 2: path is neither a glob nor a list of globs", ""),
    toml("parameters = 3"): ("rule 2: parameters is neither", ""),
    toml('parameters = ["a", 3]'): ("rule 2: parameters is neither", ""),
    toml('parameters = "a[b"'): ("rule 2: the glob .* its ]", ""),
    toml("options = 3"): ("rule 2: options is not a table", "density"),
    toml("options = { density = nan }"): ("rule 2: the option density cannot be nan", ""),
    toml("options = { logits = [[1.0, inf]] }"): ("rule 2: the option logits cannot be inf", ""),
    toml("options = { seen = 2020-01-01 }"): ("rule 2: the option seen cannot be 2020-01-01", ""),
    toml('options = { "a b" = 1 }'): ("rule 2: 'a b' cannot be the name of an option", ""),
    b'[[merge]]\nstrategy = ["ties"]\n': ("rule 1: strategy is not", ""),
}


@pytest.mark.parametrize("content", REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_policy_is_refused_with_its_place(content: bytes) -> None:
    message, hint = REFUSED[content]
    with pytest.raises(UsageError, match=message) as caught:
        policy_file.parse_policy(content)
    assert caught.value.path == ".theta.toml"
    assert re.search(hint, caught.value.hint)


@pytest.mark.parametrize("name", ["os:system", "a.b", "../evil", "/bin/sh", "evil.py", "", "a b", "-s", "http://host"])
def test_l10_a_policy_names_strategies_and_no_program_file_or_module(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a strategy") as caught:
        policy_file.parse_policy(f"[[merge]]\nstrategy = '{name}'\n".encode())
    assert caught.value.path == policy_file.POLICY_FILE


def test_options_are_values_of_any_depth() -> None:
    (made,) = policy_file.parse_policy(
        b'[[merge]]\nstrategy = "smear"\noptions = { groups = ["a.*"], logits = { a = [1.0, 2] }, flag = true }\n'
    )
    assert made.choice.options == {"groups": ["a.*"], "logits": {"a": [1.0, 2]}, "flag": True}


# The command line, attributes, environment, configuration -----------------------------------------------------------


def test_a_rule_for_some_parameters() -> None:
    made = parse_glob_rule("encoder.*=ties,density=0.2,groups=a.*,b.*,logits=[1,2]")
    assert made.parameters == ("encoder.*",)
    assert made.choice == Choice("ties", {"density": "0.2", "groups": "a.*,b.*", "logits": "[1,2]"}, "--for")


def test_a_rule_for_everything() -> None:
    made = make_global_rule("ties", ["density=0.2", "note=a=b"], origin="-s")
    assert made == Rule(Choice("ties", {"density": "0.2", "note": "a=b"}, "-s"))


MISTAKES: list[tuple[Callable[..., Any], tuple[Any, ...], str]] = [
    (parse_glob_rule, ("encoder.*",), "--for: 'encoder.*' is no rule"),
    (parse_glob_rule, ("=ties",), "--for: '=ties' is no rule"),
    (parse_glob_rule, ("a=",), "--for: '' cannot be the name of a strategy"),
    (parse_glob_rule, ("a=ties,fast",), "--for: 'ties,fast' cannot be the name of a strategy"),
    (parse_glob_rule, ("a=ties,density=1,density=2",), "--for: the option density is given twice"),
    (parse_glob_rule, ("a[b=ties",), "--for: the glob 'a[b' has a [ without its ]"),
    (make_global_rule, ("", ["density=1"]), "'density=1' is an option of no strategy"),
    (make_global_rule, ("ties", ["density"]), "here: 'density' gives an option no value"),
    (make_global_rule, ("ties", ["=1"]), "here: '' cannot be the name of an option"),
    (make_global_rule, ("a b",), "here: 'a b' cannot be the name of a strategy"),
    (parse_attribute_rule, ("m/a.pt", "set"), "m/a.pt: theta-merge: it names no strategy"),
    (
        parse_attribute_rule,
        ("m/a.pt", "os:system"),
        "m/a.pt: theta-merge: 'os:system' cannot be the name of a strategy",
    ),
]


@pytest.mark.parametrize(("spell", "arguments", "message"), MISTAKES)
def test_a_mistake_is_told_with_its_origin(spell: Callable[..., Any], arguments: tuple[Any, ...], message: str) -> None:
    origin = {"origin": "here"} if spell is make_global_rule else {}
    with pytest.raises(UsageError) as caught:
        spell(*arguments, **origin)
    assert message in str(caught.value)


def test_an_attribute_is_for_its_path_alone() -> None:
    policy = build_policy(attributes={"m/a[1].pt": "ties,density=0.5", "m/b.pt": "unspecified", "m/c.pt": "unset"})
    assert policy.choose("m/a[1].pt", "w") == Choice("ties", {"density": "0.5"}, "theta-merge")
    assert policy.choose("m/a1.pt", "w") is None
    assert len(policy.rules) == 2


def test_an_attribute_that_is_unset_stops_what_comes_after_it() -> None:
    policy = build_policy(
        attributes={"a.pt": "unset"}, config=[make_global_rule("ties", origin="theta.merge.strategy")]
    )
    assert strategy(policy, "w", "a.pt") is None
    assert strategy(policy, "w", "b.pt") == "ties"


def test_precedence_is_command_line_file_attribute_environment_config() -> None:
    layers: dict[str, Any] = {
        "command_line": [parse_glob_rule("w=one"), make_global_rule("two", origin="-s")],
        "file": policy_file.parse_policy(b'[[merge]]\nstrategy = "three"\n'),
        "attributes": {"models/a.safetensors": "four"},
        "environment": [make_global_rule("five", origin="environment")],
        "config": [make_global_rule("six", origin="theta.merge.strategy")],
    }
    assert strategy(build_policy(**layers), "w") == "one"
    assert strategy(build_policy(**layers), "v") == "two"
    found = []
    while layers:
        found.append(strategy(build_policy(**layers), "v"))
        del layers[next(iter(layers))]
    assert found == ["two", "three", "four", "five", "six"]
    assert strategy(build_policy(), "v") is None


def test_ten_thousand_parameters_are_chosen_for_in_a_moment() -> None:
    """3.4 units of work."""
    rules = [make_rule("ties", {}, "", ["*.pt"], [f"*.layer.{number}.*", f"*.head.{number}.*"]) for number in range(10)]
    policy = Policy([*rules, make_global_rule("average", origin="-s")])
    names = [f"model.block.{number}.weight" for number in range(10_000)]
    assert all(policy.choose("a.pt", name) for name in names)
    assert takes_fewer_units(10, lambda: [policy.choose("a.pt", name) for name in names])


def test_the_guide_shows_rules_that_work() -> None:
    guide = (Path(__file__).parents[3] / "docs/how-to/choose-strategies.md").read_text()
    file, of_kinds = re.findall(r"^```toml\n(.*?)^```", guide, re.M | re.S)
    policy = Policy(policy_file.parse_policy(file.encode()))
    assert [strategy(policy, name) for name in ("encoder.0.w", "head.w", "other")] == ["ties", None, "average"]
    by_kind = Policy(policy_file.parse_policy(of_kinds.encode()))
    assert by_kind.choose("a.pt", "step", kind="counter")
    assert set(re.findall(r"^\| `(\w+)`", guide, re.M)) == {"path", "parameters", "kind", "strategy", "options"}
    spelled = [
        *re.findall(r"--for '([^'[]+)'", guide),
        *(f"*={text}" for text in re.findall(r"theta-merge=(\S+)\n", guide)),
    ]
    rules = [parse_glob_rule(text) for text in spelled]
    assert [rule.choice.strategy for rule in rules] == ["ties", "average", "smear", "ours", "ties", "ties"]
    assert [rule.kinds for rule in rules if rule.kinds] == [("statistic",), ("constant",)]
