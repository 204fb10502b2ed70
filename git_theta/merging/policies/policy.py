"""Which strategy merges which parameter of which file: rules in order, of which the first that matches wins.

Rules come from the command line, then from the tracked policy file, then from the attribute ``theta-merge``, then from
the environment, then from Git's configuration. All is handed in: nothing is read here. A rule is data (L10): the name
of a strategy, looked up among those that are installed, and the values of its declared options.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from git_theta.errors import UsageError
from git_theta.globs import escape_path, name_matcher, path_matcher
from git_theta.merging.policies.kinds import KINDS
from git_theta.words import suggest_names

CONFLICT = "conflict"
"""In place of a strategy: leave it contested, whatever later rules say."""
EVERYTHING = ("*",)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
# A comma belongs to a value unless another option follows it: groups=encoder.*,decoder.*
_NEXT_OPTION = re.compile(r",(?=[A-Za-z][A-Za-z0-9_-]*=)")


class Choice(NamedTuple):
    """A strategy for a parameter.

    Attributes:
        strategy: its name.
        options: option to value as it was written: text, or what TOML made of it.
        origin: who says so, for people: "--for", ".theta.toml, rule 2" ...
        for_kind: whether it was chosen for tensors of this kind, and therefore stays what it is.
    """

    strategy: str
    options: Mapping[str, Any]
    origin: str
    for_kind: bool = False

    def __str__(self) -> str:
        return " ".join([self.strategy, *(f"{name}={_quote_value(value)}" for name, value in self.options.items())])


class Rule(NamedTuple):
    """What is chosen for parameters that match one of the globs, in files that match one of the paths; see ``rule``.

    With ``kinds``, for those of one of these kinds alone (``kinds.KINDS``).
    """

    choice: Choice
    paths: tuple[str, ...] = EVERYTHING
    parameters: tuple[str, ...] = EVERYTHING
    kinds: tuple[str, ...] = ()


class Policy:
    """Rules, the first of which that matches wins."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)
        self._rules = [
            (path_matcher(rule.paths), name_matcher(rule.parameters), "*" in rule.parameters, rule.kinds, rule.choice)
            for rule in self.rules
        ]
        self._by_path: dict[str, list[tuple[Callable[[str], bool], bool, tuple[str, ...], Choice]]] = {}

    @property
    def names_kinds(self) -> bool:
        """Whether it matters to any rule of which kind a parameter is."""
        return any(rule.kinds for rule in self.rules)

    def choose(self, path: str, *names: str, kind: str = "") -> Choice | None:
        """What the first rule that matches says; None (a conflict) where none does, or where it says conflict.

        Args:
            path: the file, from the top of the worktree, with slashes.
            names: the parameter's names: a rule matches by any of them. None for the file as a whole: then only rules
                for all parameters match.
            kind: the kind of the parameter; "" for a weight, which rules for kinds do not match.
        """
        if path not in self._by_path:
            self._by_path[path] = [rule[1:] for rule in self._rules if rule[0](path)]
        for matches, everything, kinds, choice in self._by_path[path]:
            if (not kinds or kind in kinds) and (everything or any(map(matches, names))):
                return None if choice.strategy == CONFLICT else choice
        return None


def build_policy(
    command_line: Sequence[Rule] = (),
    file: Sequence[Rule] = (),
    attributes: Mapping[str, str] = MappingProxyType({}),
    environment: Sequence[Rule] = (),
    config: Sequence[Rule] = (),
) -> Policy:
    """The policy of a merge, in the order of precedence.

    Args:
        command_line: ``--for`` in the order given, then ``-s``.
        file: the rules of the policy file (``policy_file.parse_policy``).
        attributes: path to its ``theta-merge`` as `git check-attr` prints it.
        environment: one rule of ``make_global_rule``, where the environment names a strategy.
        config: the same for Git's configuration.

    Raises UsageError for an attribute that spells no strategy.
    """
    by_path = [made for path, value in attributes.items() if (made := parse_attribute_rule(path, value))]
    return Policy([*command_line, *file, *by_path, *environment, *config])


def make_rule(
    strategy: str,
    options: Mapping[str, Any],
    origin: str,
    paths: Sequence[str] = EVERYTHING,
    parameters: Sequence[str] = EVERYTHING,
    kinds: Sequence[str] = (),
) -> Rule:
    """A rule, checked. Raises UsageError for what cannot be a name, for what is no glob, and for what is no kind."""
    for kind, name in [("a strategy", strategy), *(("an option", option) for option in options)]:
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot be the name of {kind}", hint="Names are letters, digits, - and _.")
    path_matcher(paths)
    name_matcher(parameters)
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(f"no kind of tensors is called {kind!r}", hint=suggest_names(kind, KINDS))
    choice = Choice(strategy, MappingProxyType(dict(options)), origin, bool(kinds))
    return Rule(choice, tuple(paths), tuple(parameters), tuple(kinds))


def make_global_rule(strategy: str, options: Iterable[str] = (), *, origin: str) -> Rule:
    """The rule for all parameters of all files.

    Args:
        strategy: its name; "" where only options were given, which is an error.
        options: ``option=value`` each.
        origin: where they were said: "-s", "theta.merge.strategy" ...

    Raises UsageError for what is no name or no option, naming the origin.
    """
    given = list(options)
    if given and not strategy:
        raise UsageError(
            f"{given[0]!r} is an option of no strategy", hint=f"Name the strategy that it is for: {origin} NAME"
        )
    with prefix_origin(origin):
        return make_rule(strategy, _parse_options(given), origin)


def parse_glob_rule(text: str, *, origin: str = "--for") -> Rule:
    """The rule that ``[KIND:]GLOB=STRATEGY[,option=value...]`` spells. Raises UsageError where it spells none."""
    glob, equals, spelled = text.partition("=")
    kind, colon, of_kind = glob.partition(":")
    kinds, glob = ((kind,), of_kind) if colon and kind in KINDS else ((), glob)
    with prefix_origin(origin):
        if not glob or not equals:
            raise UsageError(f"{text!r} is no rule", hint="Write GLOB=STRATEGY[,option=value...].")
        return make_rule(*_parse_strategy(spelled), origin, parameters=(glob,), kinds=kinds)


def parse_attribute_rule(path: str, value: str) -> Rule | None:
    """The rule for one file whose attribute ``theta-merge`` is ``value``: ``STRATEGY[,option=value...]``.

    ``-theta-merge`` ("unset") leaves the file to conflicts; None where the attribute is "unspecified".

    Raises UsageError for an attribute without a value, or with one that spells no strategy.
    """
    if value == "unspecified":
        return None
    try:
        with prefix_origin(_ATTRIBUTE):
            if value == "set":
                raise UsageError("it names no strategy", hint=f"Write {_ATTRIBUTE}=STRATEGY.")
            return make_rule(
                *_parse_strategy(CONFLICT if value == "unset" else value), _ATTRIBUTE, paths=(escape_path(path),)
            )
    except UsageError as error:
        raise error.add_location(path=path) from None


_ATTRIBUTE = "theta-merge"


@contextmanager
def prefix_origin(origin: str) -> Iterator[None]:
    """Put the origin of a rule before the message of a UsageError about it."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{origin}: {error.message}", hint=error.hint) from None


def _parse_strategy(text: str) -> tuple[str, dict[str, str]]:
    strategy, *options = _NEXT_OPTION.split(text)
    return strategy, _parse_options(options)


def _parse_options(items: Iterable[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"{item!r} gives an option no value", hint="Write option=value.")
        if name in options:
            raise UsageError(f"the option {name} is given twice", hint="Leave one of them out.")
        options[name] = value
    return options


def _quote_value(value: Any) -> str:
    """As it would be typed: what could break a line, of a terminal or of a commit's trailers, is escaped."""
    plain = isinstance(value, str) and value.isprintable() and not {" ", '"'} & set(value)
    return str(value) if plain and value else json.dumps(value)
