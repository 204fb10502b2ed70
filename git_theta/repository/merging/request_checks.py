"""Whether a merge can be done as it is asked for, and which rules match nothing: found out before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from git_theta.errors import ConflictError, UsageError
from git_theta.globs import name_matcher
from git_theta.merging import options
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.checks import FLOATING, check_heads
from git_theta.merging.policies.policy import CONFLICT, Choice, parse_glob_rule, prefix_origin
from git_theta.operations.merging.companion_operands import require_companion
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.repository.merging.companion_versions import find_in_heads
from git_theta.repository.merging.merge_request import MergeInputs, MergeRequest
from git_theta.repository.merging.policy_choosers import chooser_of
from git_theta.repository.merging.policy_sources import MergeOptions

_FRAME_STARTS = ("(frame)", "[(]frame")
_SIDE_STRATEGIES = ("ours", "theirs")
_COMPUTE_HINT = "Choose another strategy for it: average, ties ..."


def check_request(found: Sequence[FilePlan], request: MergeRequest, made: MergeInputs, top: Path) -> None:
    """Raise UsageError for a strategy, an option, weights, a dtype or a companion that cannot be, before anything is
    done.
    """
    weights = made.weights
    for rule in request.asked.policy_rules():
        _require_spec(rule.choice)
    weighable = weights is None
    for item in found:
        choices = _choices_for(item, top, request.asked)
        for name, origin in dict.fromkeys((choice.strategy, choice.origin) for choice in choices):
            strategy = load_strategy(name)
            check_strategy(item, Choice(name, {}, origin), weights if strategy.takes_weights else None)
            weighable = weighable or strategy.takes_weights
        _check_dtype(item, request.dtype)
        _check_companions(item, choices, made, top)
    if not weighable and any(item.plan and item.plan.contested for item in found):
        raise UsageError(
            "no strategy that is used here takes weights", hint="Leave them out, or choose the strategy weighted."
        )


def describe_idle_rules(found: Sequence[FilePlan], asked: MergeOptions) -> list[str]:
    """In words, the rules of the command line (``--for``) that match no parameter of what is merged.

    Keys of a frame are known when it is merged: nothing is said of rules about these.
    """
    names = {name for item in found if item.plan for decision in item.plan.decisions for name in decision.names}
    rules = [(rule, parse_glob_rule(rule, origin=asked.origins[1]).parameters) for rule in asked.rules if names]
    return [
        f"{asked.origins[1]} {rule}: nothing that is merged is called so"
        for rule, globs in rules
        if not any(glob.startswith(_FRAME_STARTS) for glob in globs) and not any(map(name_matcher(globs), names))
    ]


def check_strategy(item: FilePlan, choice: Choice, weights: tuple[float, ...] | None = None) -> None:
    """Raise UsageError, naming the file and who chose it, for a strategy that does not take the heads of a file.

    Sides are those of the merge: where not all heads have the file, the first one of those that do is not "ours".
    """
    strategy = load_strategy(choice.strategy)
    try:
        with prefix_origin(choice.origin):
            if strategy.name in _SIDE_STRATEGIES and len(item.among) < len(item.heads):
                raise UsageError(f"{strategy.name} may be a head without this file", hint=_COMPUTE_HINT)
            check_heads(strategy, len(item.among), item.select_weights(weights))
    except UsageError as error:
        raise error.add_location(path=item.path) from None


def _choices_for(item: FilePlan, top: Path, asked: MergeOptions) -> list[Choice]:
    """What the policy chooses for a file, each rule's choice once: thousands of parameters have the same."""
    contested = item.plan.contested if item.plan else ()
    choose = chooser_of(item, top, asked) if contested else lambda _: None
    found = {id(choice): choice for decision in contested if (choice := choose(decision))}
    for choice in found.values():
        _require_spec(choice)
    return list({(str(choice), choice.origin): choice for choice in found.values()}.values())


def _require_spec(choice: Choice) -> None:
    if choice.strategy != CONFLICT:
        with prefix_origin(choice.origin):
            strategy = load_strategy(choice.strategy)
        options.parse_options(strategy.name, strategy.options, choice.options)


def _check_companions(item: FilePlan, choices: Iterable[Choice], made: MergeInputs, top: Path) -> None:
    """Raise UsageError, with the path, where a head lacks a file that a strategy reads beside this one."""
    find = find_in_heads(item, [head.commit for head in made.heads], made.labels, top)
    for choice in {str(choice): choice for choice in choices}.values():
        strategy = load_strategy(choice.strategy)
        given = options.parse_options(strategy.name, strategy.options, choice.options)
        try:
            for version in (one for companion in strategy.companions for one in find(companion, given) or ()):
                require_companion(version, strategy)
        except (ConflictError, UsageError) as error:
            raise UsageError(error.message, hint=error.hint, path=item.path) from None


def _check_dtype(item: FilePlan, dtype: str | None) -> None:
    for decision in item.plan.contested if item.plan and dtype else ():
        for entry in (entry for held in decision.heads for entry in held):
            if entry.dtype in FLOATING and entry.dtype != dtype:
                raise UsageError(
                    f"the recipe's dtype is {dtype}, and the tensor's is {entry.dtype}",
                    hint="Parameters keep their dtype in a merge: leave dtype out of the recipe.",
                    path=item.path,
                    parameter=decision.name,
                )
