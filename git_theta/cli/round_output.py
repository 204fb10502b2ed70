"""How ``git theta round`` says what it found: to people, and to programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from git_theta.cli.eval_json import comparisons_json
from git_theta.cli.listing import align_table
from git_theta.repository.evaluating.version_comparison import VersionComparison
from git_theta.repository.rounds.head_screening import ScreenedHead, ScreenedRound
from git_theta.repository.rounds.head_submission import HeadSubmission
from git_theta.repository.rounds.round_refs import Round
from git_theta.repository.rounds.shared_heads import RoundStart, SharedHead, list_private
from git_theta.words import join_some, pluralize

VERSION = 1
"""Of the JSON: it grows when a program that read the former one would be misled."""
_TITLES = ("", "distance", "cosine")
_MOST_NAMES = 5


def render_start(start: RoundStart) -> Iterator[str]:
    """What a round starts from."""
    yield f"{start.round.tag} starts at {start.commit[:12]}: {join_some(list(start.checkpoints), _MOST_NAMES)}"
    if start.policy.private:
        yield f"private: {join_some(list_private(start), _MOST_NAMES) or 'none of its parameters'}"


def render_screened(found: ScreenedRound) -> Iterator[str]:
    """All heads of a round: how far each is, and whether it is merged."""
    done = "merged" if found.next else "to be merged"
    yield f"{found.start.round.tag}: {pluralize(len(found.heads), 'head')}, {len(found.kept)} {done}"
    scored = [one.score.evaluation for one in found.heads if one.score]
    titles = (*_TITLES, *dict.fromkeys(scored))
    rows = [
        (one.head.who, *_figures(one), *([_show(one.score and one.score.after)] if scored else []))
        for one in found.heads
    ]
    if rows:
        yield from align_table([titles, *rows])
    kept_out: dict[str, list[str]] = {}
    for one in found.heads:
        for line in _describe_kept_out(one.shared, one.framed):
            kept_out.setdefault(line, []).append(one.head.who)
    yield from (f"{', '.join(who)}: {line}" for line, who in kept_out.items())
    for one in found.heads:
        yield from _describe_head(one)
    yield from _describe_screen(found)


def render_submission(found: HeadSubmission) -> Iterator[str]:
    """What was submitted."""
    distance = _show(found.distance)
    yield f"{found.branch} is {found.commit[:12]}, at a distance of {distance} from its start"
    if found.replaced:
        yield f"it replaces {found.replaced[:12]}"
    yield from _describe_kept_out(found.shared, found.framed)


def start_json(start: RoundStart) -> dict[str, Any]:
    """A round without its heads."""
    return {
        "version": VERSION,
        "round": {**start.round._asdict(), "tag": start.round.tag},
        "checkpoints": list(start.checkpoints),
        "private": list_private(start),
    }


def submission_json(found: HeadSubmission, start: RoundStart) -> dict[str, Any]:
    """What was submitted."""
    return start_json(start) | {
        "branch": found.branch,
        "commit": found.commit,
        "replaced": [found.replaced] if found.replaced else [],
        "kept_out": list(found.shared.private),
        "own_frames": list(found.framed),
        "distance": found.distance,
    }


def screened_json(found: ScreenedRound, following: Round | None = None) -> dict[str, Any]:
    """All heads of a round, what they were held to, and the round after it, where that is closed."""
    usual = found.distances
    return start_json(found.start) | {
        "screen": {
            "mad": found.screen.mad,
            "eval": found.screen.evaluation,
            "median": usual.median,
            "least": usual.least,
            "most": usual.most,
            "omitted": usual.omitted,
        },
        "heads": list(map(_head_json, found.heads)),
        "next": following and {"tag": following.tag, "commit": following.start},
    }


def closing_json(
    found: ScreenedRound, following: Round | None, conflicts: Sequence[str], compared: Sequence[VersionComparison]
) -> dict[str, Any]:
    """A round that was closed, or was not: then there is no next."""
    judged = {"evaluations": comparisons_json(compared)["comparisons"]} if compared else {}
    return screened_json(found, following) | {"conflicts": list(conflicts)} | judged


def _head_json(one: ScreenedHead) -> dict[str, Any]:
    return {
        "who": one.head.who,
        "branch": one.head.ref,
        "commit": one.head.commit,
        "replaced": list(one.head.replaced),
        "merged": one.is_kept,
        "reasons": list(one.reasons),
        "kept_out": list(one.shared.private),
        "own_frames": list(one.framed),
        "distance": one.distance,
        "cosine": one.cosine,
        "score": one.score and {"eval": one.score.evaluation, "before": one.score.before, "after": one.score.after},
    }


def _figures(one: ScreenedHead) -> tuple[str, str]:
    return _show(one.distance), _show(one.cosine)


def _show(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.4g}"


def _describe_head(one: ScreenedHead) -> Iterator[str]:
    for reason in one.reasons:
        yield f"{one.head.who} is left out: {reason}"
    if one.head.replaced:
        yield f"{one.head.who}: {one.head.ref} counts, and replaces {', '.join(one.head.replaced)}"


def _describe_kept_out(shared: SharedHead, framed: Sequence[str]) -> Iterator[str]:
    """What a head has, and a round does not take."""
    if shared.private:
        yield f"private, and kept out: {join_some(shared.private, _MOST_NAMES)}"
    if framed:
        yield f"kept out, and the start's is taken: what is no parameter in {join_some(framed, _MOST_NAMES)}"


def _describe_screen(found: ScreenedRound) -> Iterator[str]:
    usual = found.distances
    if usual.omitted:
        yield f"not screened by distance: {usual.omitted}"
    elif usual.least is not None and usual.most is not None:
        yield f"distances within {found.screen.mad:g} MAD of the median: {usual.least:.4g} to {usual.most:.4g}"
    if found.screen.evaluation and not all(one.score and one.score.after is not None for one in found.kept):
        yield f"not known by {found.screen.evaluation} yet: closing the round evaluates it"
