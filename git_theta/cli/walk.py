"""Contested parameters one after the other, on a terminal: what each side did to it, and the question what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from git_theta.merging.agreement import HeadChanges
from git_theta.merging.globs import name_matcher
from git_theta.merging.policy import Choice
from git_theta.merging.render import reason
from git_theta.merging.trivial import Decision
from git_theta.operations.conflicts import FRAME, Conflict
from git_theta.operations.desk import Desk
from git_theta.operations.merge import Choose, Merged, Settings
from git_theta.operations.resolve import changes, resolve
from git_theta.words import printable

_SKIP, _QUIT = "skip", "quit"


def walked(conflict: Conflict, path: str, only: Sequence[str], desk: Desk) -> Choose:
    """What a person answers, as the strategy for each contested parameter; None for those skipped.

    Args:
        conflict: what is in conflict.
        path: the file, as the person sees it.
        only: globs of the names to ask about; none for all, and the frame.
        desk: what to work with.

    Raises click.Abort when the person leaves (Ctrl-C, end of input): nothing is settled then.
    """
    merged = resolve(conflict, _nothing, Settings(), desk)
    asked = list(_asked(merged, only))
    answers: dict[str, str] = {}
    for number, decision in enumerate(asked, 1):
        names = ", ".join(decision.names) or FRAME
        click.echo(printable(f"{path}: {number} of {len(asked)}: {names}"))
        click.echo(f"  {printable(reason(merged.plan, decision))}")
        found = changes(decision, desk) if decision.names else None
        if found:
            click.echo(f"  {_spoken(found)}")
        answer = _answer(_offered(decision, merged, found))
        if answer == _QUIT:
            break
        if answer != _SKIP:
            answers[decision.name] = answer
    return lambda decision: Choice(answers[decision.name], {}, "-i") if decision.name in answers else None


def _nothing(_: Decision) -> None:
    """Chooses nothing: what is left is what is asked about."""


def _asked(merged: Merged, only: Sequence[str]) -> Iterator[Decision]:
    matches = name_matcher(tuple(only)) if only else None
    for left in merged.left:
        if matches is None or any(map(matches, left.decision.names)):
            yield left.decision


def _offered(decision: Decision, merged: Merged, found: HeadChanges | None) -> list[str]:
    base = ["base"] if merged.plan.base is not None and (decision.base or not decision.names) else []
    return ["ours", "theirs", *base, *(["average"] if found else []), _SKIP, _QUIT]


def _answer(offered: Sequence[str]) -> str:
    """One of what is offered, which its first letter names too."""
    letters = {word[0]: word for word in offered}
    question = click.Choice([*offered, *letters], case_sensitive=False)
    words = ", ".join(f"[{word[0]}]{word[1:]}" for word in offered)
    answer: str = click.prompt(f"  {words}", type=question, default=_SKIP, show_choices=False)
    return letters.get(answer, answer)


def _spoken(found: HeadChanges) -> str:
    what = "change" if found.since_base else "norm"
    [both] = found.agreements
    cosine = "none" if both.cosine is None else f"{both.cosine:.4f}"
    return f"{what}: ours {found.norms[0]:.4g}, theirs {found.norms[1]:.4g}; cosine {cosine}"
