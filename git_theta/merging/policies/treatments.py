"""Strategies that were chosen for weights, replaced where what is contested is none (see ``kinds``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from git_theta.errors import PluginError, UsageError
from git_theta.known_plugins import BUILT_IN
from git_theta.merging import options
from git_theta.merging.base import Weights
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.planning.decisions import Decision, Entries, split_decision
from git_theta.merging.planning.groups import PAIR, Group
from git_theta.merging.policies.kinds import Kind, Treatment, find_kind
from git_theta.merging.policies.policy import CONFLICT, Choice, Policy, prefix_origin

StrategyChooser = Callable[[Decision], Choice | None]
"""The strategy for a contested decision; None: a conflict."""

_OURS = frozenset({CONFLICT, *BUILT_IN["merges"]})
"""Choices of what reads no companions."""
_STRATEGIES = {Treatment.LARGEST: "largest", Treatment.MEAN: "weighted", Treatment.EQUAL: CONFLICT}


class Treated(NamedTuple):
    """What a parameter is really merged with.

    Attributes:
        choice: the strategy; None for a conflict.
        kind: what made another strategy of the one that was chosen; None where that is as it was.
        chosen: the strategy that was chosen.
        group: what no strategy computes with; None for what is no group, and where none was to.
    """

    choice: Choice | None
    kind: Kind | None = None
    chosen: Choice | None = None
    group: Group | None = None

    @property
    def reason(self) -> str:
        """Why it is a conflict although a strategy was chosen; "" where it is none, or was chosen to be one."""
        if self.group and self.chosen:
            return f"{self.group.reason}: {self.chosen.strategy} does not compute with them"
        return f"a {self.kind.name}: no strategy computes with it" if self.kind and self.choice is None else ""


def find_kind_of(decision: Decision) -> Kind | None:
    """The kind of a contested parameter: that which the heads have of it. None for weights, groups and the frame."""
    if not decision.names or decision.group:
        return None
    dtypes = {entry.dtype for held in decision.heads for entry in held}
    return find_kind(decision.names, dtypes.pop()) if len(dtypes) == 1 else None


def choose_by_policy(policy: Policy, path: str) -> StrategyChooser:
    """What a policy says about decisions of a file, whose kinds its rules may name."""
    spared: dict[int, Choice] = {}  # by the id of a rule's choice, which lives as long as the policy

    def choose(decision: Decision) -> Choice | None:
        kind = find_kind_of(decision) if policy.names_kinds else None
        found = policy.choose(path, *decision.names, kind=kind.name if kind else "")
        if found is None or found.strategy in _OURS:
            return found
        if id(found) not in spared:
            spared[id(found)] = spare_companion(found, path)
        return spared[id(found)]

    return choose


def spare_companion(choice: Choice, path: str) -> Choice:
    """What a choice is for a file that is a companion of the chosen strategy: it has none itself."""
    with suppress(UsageError, PluginError):  # who computes with it raises them, and says whose choice it was
        strategy = load_strategy(choice.strategy)
        given = options.parse_options(strategy.name, strategy.options, choice.options)
        for companion in strategy.companions:
            if companion.is_path(path, given):
                return Choice(companion.merged_by, {}, f"{choice.origin}: a companion of {strategy.name}")
    return choice


def treat_decision(decision: Decision, choice: Choice | None) -> Treated:
    """What a chosen strategy becomes for a parameter. A strategy that takes a side stays, and what a rule for the kind
    says.

    Raises UsageError for a strategy that does not exist, and PluginError for one that will not load.
    """
    if choice is None or choice.strategy == CONFLICT:
        return Treated(choice)
    if decision.group and decision.group.reason and computes_values(choice):
        return Treated(None, group=decision.group, chosen=choice)
    kind = find_kind_of(decision)
    if kind is None or choice.for_kind:
        return Treated(choice)
    return treat_choice(kind, choice)


def treat_choice(kind: Kind, choice: Choice) -> Treated:
    """What a chosen strategy becomes for tensors of a kind; see ``treat_decision``."""
    computes = computes_values(choice)
    name = _STRATEGIES[kind.treatment]
    if not computes or choice.strategy == name == "largest" or (name == "weighted" and choice.strategy == "average"):
        return Treated(choice)
    if name == CONFLICT:
        return Treated(None, kind, choice)
    return Treated(Choice(name, {}, f"{kind.name}, where {choice.origin} says {choice.strategy}"), kind, choice)


def is_computed(decision: Decision, choice: Choice | None) -> bool:
    """Whether what was chosen leads to numbers being computed with."""
    treated = treat_decision(decision, choice).choice
    return treated is not None and treated.strategy != CONFLICT and computes_values(treated)


def computes_weights(decision: Decision, choice: Choice) -> bool:
    """Whether a choice computes a contested parameter as a weight, by itself or because a rule says so of its kind."""
    return computes_values(choice) and (choice.for_kind or find_kind_of(decision) is None)


def is_merged_apart(decision: Decision, choice: Choice) -> bool:
    """Whether a strategy computes with both factors of an adapter, each by itself, though more than one differs."""
    if decision.group is not PAIR or not computes_values(choice) or load_strategy(choice.strategy).pairs:
        return False
    differing = [member for member in split_decision(decision) if len(set(map(_oids, member.heads))) > 1]
    return len(differing) > 1


def _oids(held: Entries) -> tuple[str, ...]:
    return tuple([entry.oid for entry in held])


def computes_values(choice: Choice) -> bool:
    """Whether the strategy of a choice makes values of its own. Raises as ``treat_decision`` does."""
    with prefix_origin(choice.origin):
        return load_strategy(choice.strategy).numeric


def weigh_kind(treated: Treated, weights: Weights, given: Mapping[str, Any] | None = None) -> Weights:
    """The weights of the heads for a parameter: as they were given; those of a mean that does not extrapolate.

    Args:
        treated: what the parameter is merged with.
        weights: what was given.
        given: options of the strategy that was chosen, where those are not of ``treated.chosen``.
    """
    if treated.kind is None or treated.chosen is None:
        return weights
    if treated.kind.treatment is not Treatment.MEAN:
        return None
    strategy = load_strategy(treated.chosen.strategy)
    told = options.parse_options(strategy.name, strategy.options, treated.chosen.options if given is None else given)
    shares = strategy.shares(weights, told)
    counted = tuple([max(0.0, share) for share in shares or ()])
    return shares if counted == shares else counted if any(counted) else None
