"""Contested parameters one after the other, on a terminal: what each side did to it, and the question what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import click

from git_theta.cli.listing import echo_line
from git_theta.globs import name_matcher
from git_theta.merging.agreement import HeadChanges
from git_theta.merging.planning.decisions import Decision
from git_theta.merging.planning.plan import Plan
from git_theta.merging.planning.plan_rendering import explain_decision
from git_theta.merging.policies.policy import Choice
from git_theta.operations.context import Context
from git_theta.operations.merging.conflict_resolution import may_be_computed, measure_sides
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.frame_keys import FRAME_LABEL, is_frame_name
from git_theta.operations.merging.merge_results import Choose, ContestedDecision

_AVERAGE, _SKIP_ANSWER, _QUIT_ANSWER = "average", "skip", "quit"
_FOR_ALL = "!"
"""Behind an answer: that it is one for all that is left, in other files, too."""


class Questions:
    """What a person is asked, one after the other and file after file, until they quit.

    Args:
        only: globs of the names to ask about; none for all, and what is contested as one.
    """

    def __init__(self, only: Sequence[str]) -> None:
        self._only = tuple(only)
        self._has_quit = False
        self._for_all = ""

    def ask_choices(self, plan: Plan, contested: Iterable[ContestedDecision], path: str, context: Context) -> Choose:
        """What a person answers, as the strategy for each contested parameter; None for what has no answer.

        Args:
            plan: what is in conflict.
            contested: what is left of it.
            path: the file, as the person sees it.
            context: what to work with.

        Raises click.Abort when the person leaves (Ctrl-C, end of input): nothing is settled then.
        """
        asked = list(self._select_contested(contested))
        answers: dict[str, str] = {}
        for number, left in enumerate(asked, 1):
            if self._has_quit:
                break
            names = ", ".join(left.decision.names) or FRAME_LABEL
            answers[left.decision.name] = self._choose(
                plan, left, f"{path}: {number} of {len(asked)}: {names}", context
            )
        return lambda decision: Choice(answer, {}, "-i") if (answer := answers.get(decision.name)) else None

    def ask_side(self, item: FilePlan, path: str) -> str:
        """The side from which a person takes a checkpoint that is contested as one; "" for none.

        Args:
            item: its plan.
            path: the checkpoint, as the person sees it.

        Raises click.Abort when the person leaves.
        """
        if self._has_quit or item.source is not None or (self._only and not name_matcher(self._only)(FRAME_LABEL)):
            return ""
        sides = ["ours", "theirs", *(["base"] if item.base else [])]
        if self._for_all in sides:
            return self._for_all
        echo_line(f"{path}: {item.reason}")
        return self._ask_answer(sides)

    def _choose(self, plan: Plan, left: ContestedDecision, heading: str, context: Context) -> str:
        """The strategy for a contested parameter: that for all, or what a person answers; "" for none."""
        decision, reason = left
        answers = _possible_answers(decision, plan, context)
        if self._for_all in answers:
            return self._for_all
        found = measure_sides(decision, context) if _AVERAGE in answers else None
        echo_line(heading)
        echo_line(f"  {explain_decision(plan, decision)}")
        if reason and is_frame_name(decision.name):
            echo_line(f"  {reason}")
        if found:
            echo_line(f"  {_describe_changes(found)}")
        return self._ask_answer(answers)

    def _select_contested(self, contested: Iterable[ContestedDecision]) -> Iterator[ContestedDecision]:
        matches = name_matcher(self._only) if self._only else None
        for left in contested:
            if matches is None or any(map(matches, left.decision.names or (FRAME_LABEL,))):
                yield left

    def _ask_answer(self, strategies: Sequence[str]) -> str:
        """One of the strategies, which its first letter names too; "" where the person skips, or quits."""
        offered = [*strategies, _SKIP_ANSWER, _QUIT_ANSWER]
        words = ", ".join(f"[{word[0]}]{word[1:]}" for word in offered)
        answer, for_all = click.prompt(
            f"  {words}; {_FOR_ALL} after it: for all", value_proc=partial(_parse_answer, offered), default=_SKIP_ANSWER
        )
        self._has_quit = answer == _QUIT_ANSWER or (for_all and answer == _SKIP_ANSWER)
        if answer not in strategies:
            return ""
        if for_all:
            self._for_all = answer
        return str(answer)


def _parse_answer(offered: Sequence[str], said: str) -> tuple[str, bool]:
    """What was answered, and whether it is for all that is left. Raises click.UsageError for anything else."""
    words = said.strip().lower()
    word = words.removesuffix(_FOR_ALL)
    for answer in offered:
        if word.rstrip() in (answer, answer[0]):
            return answer, word != words
    raise click.UsageError(f"{said!r} is none of {', '.join(offered)}")


def _possible_answers(decision: Decision, plan: Plan, context: Context) -> list[str]:
    is_frame = is_frame_name(decision.name)
    base = ["base"] if plan.base is not None and (decision.base or is_frame) else []
    return ["ours", "theirs", *base, *([_AVERAGE] if not is_frame and may_be_computed(decision, context) else [])]


def _describe_changes(found: HeadChanges) -> str:
    what = "change" if found.since_base else "norm"
    [both] = found.agreements
    cosine = "none" if both.cosine is None else f"{both.cosine:.4f}"
    return f"{what}: ours {found.norms[0]:.4g}, theirs {found.norms[1]:.4g}; cosine {cosine}"
