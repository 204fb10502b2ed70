"""Who chooses how a conflict is settled: the command line, a person who is asked, or what is configured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_theta.cli.environment import read_merge_options
from git_theta.cli.interactive import Questions
from git_theta.cli.listing import display_path
from git_theta.merging.catalogue import load_strategy
from git_theta.merging.planning.decisions import SIDES
from git_theta.merging.policies.policy import CONFLICT, EVERYTHING, Policy, make_global_rule, make_rule
from git_theta.merging.policies.treatments import choose_by_policy
from git_theta.operations.context import Context
from git_theta.operations.merging.conflict_resolution import find_left
from git_theta.operations.merging.conflicts import Conflict
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.frame_keys import FRAME_LABEL
from git_theta.operations.merging.merge_results import Choose, ContestedDecision
from git_theta.repository.merging.policy_choosers import chooser_of
from git_theta.repository.merging.policy_sources import policy_for


class Chooser(NamedTuple):
    """Who chooses: the ``policy`` of the command line, a person who is asked, or what is configured."""

    policy: Policy | None
    questions: Questions | None
    top: Path

    def choose_for_file(self, conflict: Conflict, context: Context, path: str) -> Choose:
        """The choices for a file."""
        if self.questions:
            left = find_left(conflict, context)
            return self.questions.ask_choices(conflict.settled_plan, left, display_path(path, self.top), context)
        return _choose_by(self.policy or policy_for(path, self.top, read_merge_options()), path)

    def choose_for_checkpoint(self, item: FilePlan, context: Context) -> Choose:
        """The choices for a checkpoint of several files."""
        if self.questions:
            assert item.plan
            left = [ContestedDecision(decision, "") for decision in item.plan.contested]
            return self.questions.ask_choices(item.plan, left, display_path(item.path, self.top), context)
        if self.policy:
            return _choose_by(self.policy, item.path)
        return chooser_of(item, self.top, read_merge_options())

    def choose_side(self, item: FilePlan) -> str:
        """The side of a checkpoint that is taken as one, where a person or the command line names one; else ""."""
        if self.questions:
            return self.questions.ask_side(item, display_path(item.path, self.top))
        choice = self.policy and self.policy.choose(item.path, FRAME_LABEL)
        return choice.strategy if choice and choice.strategy in SIDES else ""


def _choose_by(policy: Policy, path: str) -> Choose:
    """What a policy says about a file; of its frame, by the name that it has in lists."""
    choose = choose_by_policy(policy, path)
    return lambda decision: choose(decision) if decision.names else policy.choose(path, FRAME_LABEL)


def parse_policy_options(strategy: str, options: Sequence[str], only: Sequence[str]) -> Policy | None:
    """The policy that the command line spells; None where it names no strategy."""
    if not strategy and not options:
        if only:
            make_rule(CONFLICT, {}, "--only", parameters=only)
        return None
    choice = make_global_rule(strategy, options, origin="-s").choice
    if strategy != CONFLICT:
        load_strategy(strategy)
    return Policy([make_rule(strategy, choice.options, "-s", parameters=tuple(only) or EVERYTHING)])
