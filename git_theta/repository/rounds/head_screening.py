"""The heads of a round, screened: each is merged, or says why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ThetaError
from git_theta.merging.policies.round_policy import RoundScreen
from git_theta.merging.policies.round_screening import DistanceScreen, screen_distances
from git_theta.operations.context import Context, Progress
from git_theta.repository.rounds.head_distances import MeasuredHeads, count_bytes, measure_heads
from git_theta.repository.rounds.head_scores import HeadScore
from git_theta.repository.rounds.round_refs import Round, SubmittedHead, find_next, list_merged, list_submitted
from git_theta.repository.rounds.shared_files import find_own_frames
from git_theta.repository.rounds.shared_heads import RoundStart, SharedHead, share_head

Score = Callable[[str, SharedHead], HeadScore]
"""Scores what the round takes of a head; by the name of its branch."""


class ScreenedHead(NamedTuple):
    """A head of a round.

    Attributes:
        head: what was submitted.
        shared: what the round takes of it.
        reasons: why it is not merged, in words; () where it is.
        distance: from the start: the norm of its task vector; None where it was kept out before.
        cosine: between its task vector and the sum of those of the other heads whose distance is usual.
        framed: files of it that have other things beside parameters than those of the start, which are not taken.
        score: by the round's evaluation; None without one, and where the head was kept out before.
    """

    head: SubmittedHead
    shared: SharedHead
    reasons: tuple[str, ...] = ()
    distance: float | None = None
    cosine: float | None = None
    framed: tuple[str, ...] = ()
    score: HeadScore | None = None

    @property
    def is_kept(self) -> bool:
        """Whether it is merged."""
        return not self.reasons


class ScreenedRound(NamedTuple):
    """A round with all of its heads.

    Attributes:
        start: what they start from.
        screen: what they were held to.
        distances: which distances are usual.
        heads: of all contributors, by name.
        next: the round after it, where it is closed: then heads are told as they were merged.
    """

    start: RoundStart
    screen: RoundScreen
    distances: DistanceScreen
    heads: tuple[ScreenedHead, ...]
    next: Round | None = None

    @property
    def kept(self) -> list[ScreenedHead]:
        """The heads that are merged."""
        return [one for one in self.heads if one.is_kept]


def screen_round(
    start: RoundStart,
    screen: RoundScreen,
    excluded: Sequence[str],
    top: Path,
    context: Context,
    progress: Progress,
    score: Score | None,
) -> ScreenedRound:
    """Screen all heads of a round, in order: by what they are, by their numbers, by distance, by score.

    Args:
        start: of the round.
        screen: what they are held to.
        excluded: globs of contributors whose heads a person keeps out.
        top: of the worktree, or the bare repository.
        context: what to read values with.
        progress: told of what is read.
        score: scores a head; None for no evaluation.
    """
    found = [_share(head, start, excluded, top, context) for head in list_submitted(start.round, top)]
    shared = [one.shared for one in found if one.is_kept]
    with progress.show_work("Measuring heads", count_bytes(start, shared)):
        measured = measure_heads(start, shared, context)
    distances = [measured.find_distance(place) for place in range(len(shared))]
    usual = screen_distances([distance for distance in distances if distance is not None], screen.mad)
    sound = [place for place, distance in enumerate(distances) if distance is not None and usual.is_usual(distance)]
    places = iter(range(len(shared)))
    found = [_judge(one, next(places), measured, sound, usual, screen) if one.is_kept else one for one in found]
    if score:
        found = [_add_score(one, score(one.head.ref, one.shared)) if one.is_kept else one for one in found]
    following = find_next(start.round, top)
    if following:
        merged = list_merged(following, top) - {start.commit}
        found = [_recall(one, following, is_merged=one.head.commit in merged) for one in found]
    return ScreenedRound(start, screen, usual, tuple(found), following)


def _share(
    head: SubmittedHead, start: RoundStart, excluded: Sequence[str], top: Path, context: Context
) -> ScreenedHead:
    for glob in excluded:
        if fnmatchcase(head.who, glob):
            return ScreenedHead(head, SharedHead(head.commit), (f"excluded by --exclude {glob}",))
    shared = share_head(head.commit, start, top)
    if shared.faults:
        return ScreenedHead(head, shared, shared.faults)
    try:
        return ScreenedHead(head, shared, framed=tuple(find_own_frames(shared, start, context)))
    except ThetaError as error:
        return ScreenedHead(head, shared, (str(error),))


def _judge(
    one: ScreenedHead,
    place: int,
    measured: MeasuredHeads,
    sound: Sequence[int],
    usual: DistanceScreen,
    screen: RoundScreen,
) -> ScreenedHead:
    """A head by its numbers, and by how far it is. ``sound``: the places of those that are as far as is usual."""
    distance = measured.find_distance(place)
    if distance is None:
        return one._replace(reasons=tuple(measured.faults[place]))
    one = one._replace(distance=distance, cosine=measured.compare_with(place, sound))
    if place in sound:
        return one
    said = f"its distance is {distance:.4g}; within {screen.mad:g} MAD is {usual.least:.4g} to {usual.most:.4g}"
    return one._replace(reasons=(said,))


def _recall(one: ScreenedHead, following: Round, *, is_merged: bool) -> ScreenedHead:
    """A head of a closed round, as that went."""
    if is_merged:
        return one._replace(reasons=())
    return one._replace(reasons=one.reasons or (f"{following.tag} was made without it",))


def _add_score(one: ScreenedHead, score: HeadScore) -> ScreenedHead:
    return one._replace(score=score, reasons=(score.fault,) if score.fault else ())
