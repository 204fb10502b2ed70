"""Contested parameters one after the other, on a terminal: what each side did to it, and the question what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import click

from git_theta.cli.listing import echo_line
from git_theta.globs import name_matcher
from git_theta.merging.agreement import HeadChanges
from git_theta.merging.decisions import Decision
from git_theta.merging.plan import Plan
from git_theta.merging.plan_rendering import explain_decision
from git_theta.merging.policy import Choice
from git_theta.operations.context import Context
from git_theta.operations.merging.conflict_resolution import measure_sides
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.frame_keys import FRAME_LABEL, is_frame_name
from git_theta.operations.merging.merge_results import Choose, ContestedDecision

_SKIP_ANSWER, _QUIT_ANSWER = "skip", "quit"


def ask_choices(
    plan: Plan, contested: Iterable[ContestedDecision], path: str, only: Sequence[str], context: Context
) -> Choose:
    """What a person answers, as the strategy for each contested parameter; None for those skipped.

    Args:
        plan: what is in conflict.
        contested: what is left of it.
        path: the file, as the person sees it.
        only: globs of the names to ask about; none for all, and the frame.
        context: what to work with.

    Raises click.Abort when the person leaves (Ctrl-C, end of input): nothing is settled then.
    """
    asked = list(_select_contested(contested, only))
    answers: dict[str, str] = {}
    for number, (decision, reason) in enumerate(asked, 1):
        names = ", ".join(decision.names) or FRAME_LABEL
        echo_line(f"{path}: {number} of {len(asked)}: {names}")
        echo_line(f"  {explain_decision(plan, decision)}")
        if reason and is_frame_name(decision.name):
            echo_line(f"  {reason}")
        found = None if is_frame_name(decision.name) else measure_sides(decision, context)
        if found:
            echo_line(f"  {_describe_changes(found)}")
        answer = _ask_answer(_possible_answers(decision, plan, found))
        if answer == _QUIT_ANSWER:
            break
        if answer != _SKIP_ANSWER:
            answers[decision.name] = answer
    return lambda decision: Choice(answers[decision.name], {}, "-i") if decision.name in answers else None


def ask_side(item: FilePlan, path: str, only: Sequence[str]) -> str:
    """The side from which a person takes a checkpoint that is contested as one; "" for none.

    Args:
        item: its plan.
        path: the checkpoint, as the person sees it.
        only: globs of the names to ask about: a checkpoint as one is asked about as the frame is.

    Raises click.Abort when the person leaves.
    """
    if item.source is not None or (only and not name_matcher(tuple(only))(FRAME_LABEL)):
        return ""
    echo_line(f"{path}: {item.reason}")
    base = ["base"] if item.base else []
    answer = _ask_answer(["ours", "theirs", *base, _SKIP_ANSWER])
    return "" if answer == _SKIP_ANSWER else answer


def _select_contested(contested: Iterable[ContestedDecision], only: Sequence[str]) -> Iterator[ContestedDecision]:
    matches = name_matcher(tuple(only)) if only else None
    for left in contested:
        if matches is None or any(map(matches, left.decision.names or (FRAME_LABEL,))):
            yield left


def _possible_answers(decision: Decision, plan: Plan, found: HeadChanges | None) -> list[str]:
    base = ["base"] if plan.base is not None and (decision.base or is_frame_name(decision.name)) else []
    return ["ours", "theirs", *base, *(["average"] if found else []), _SKIP_ANSWER, _QUIT_ANSWER]


def _ask_answer(offered: Sequence[str]) -> str:
    """One of what is offered, which its first letter names too."""
    letters = {word[0]: word for word in offered}
    question = click.Choice([*offered, *letters], case_sensitive=False)
    words = ", ".join(f"[{word[0]}]{word[1:]}" for word in offered)
    answer: str = click.prompt(f"  {words}", type=question, default=_SKIP_ANSWER, show_choices=False)
    return letters.get(answer, answer)


def _describe_changes(found: HeadChanges) -> str:
    what = "change" if found.since_base else "norm"
    [both] = found.agreements
    cosine = "none" if both.cosine is None else f"{both.cosine:.4f}"
    return f"{what}: ours {found.norms[0]:.4g}, theirs {found.norms[1]:.4g}; cosine {cosine}"
