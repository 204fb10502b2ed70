"""Frames merged as values: what each head says anew beside the parameters, by key.

Every frame lists names and shapes, and a torch archive has checksums of its tensors in it, so frames differ whenever
parameters do, and ids cannot say more. A format can: it tells the facts of a frame, which are merged like parameters.
What comes out has the frame of a head that says just that, or of the first one with the others' facts put in.

Of a format that tells no facts, a head's frame that comes out when the format rebuilds the base's around that head's
parameters holds nothing new, but for what a writer derives; where more than one holds something new, it is contested
in one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from git_theta.errors import ConflictError, FormatError, PluginError
from git_theta.formats.base import Fact, Template
from git_theta.formats.guarded_format import GuardedFormat, load_format
from git_theta.merging.planning.decisions import CONTESTED_STATES
from git_theta.merging.planning.plan import Plan, settle_contested
from git_theta.operations.context import Context
from git_theta.operations.merging.bound_facts import BoundFacts, ChooseSide, may_be_bound
from git_theta.operations.merging.frame_keys import FrameKey, FrameSides, decide_key, list_keys, read_frames
from git_theta.operations.templates import TAKE_A_SIDE, is_rebuilt_from, read_template
from git_theta.words import join_some

_FRAME_CONTESTED = "both sides changed what is no parameter, and its format cannot tell what"
_FILE_CONTESTED = "both sides changed it, and it is kept whole, not by parameters"
_ENTANGLED = "it can only be taken from one side with all that is no parameter, not by keys"


class FrameMerge(NamedTuple):
    """The frame of a merged file, as far as it is settled.

    Attributes:
        plan: the plan, with the head whose frame is the template of the result.
        template: a frame to build like that no head has; None for that of the plan's template.
        contested: the keys that are contested still; what the first head has stands for them.
        settled: the keys that were contested and have been chosen.
        whole: why the frame can only be settled as one; "" where it is settled, or contested by keys.
        bound: facts that come from one side with the tensors they are about; None where there are none.
        is_whole: whether the frame is one side's, or will be, so that what is bound to it comes from there too.
    """

    plan: Plan
    template: Template | None = None
    contested: tuple[FrameKey, ...] = ()
    settled: tuple[FrameKey, ...] = ()
    whole: str = ""
    bound: BoundFacts | None = None
    is_whole: bool = False


class FrameChoices(NamedTuple):
    """Who chooses, of what a merge of frames contests.

    Attributes:
        key: the source of a contested key: a head, BASE, or None to leave it.
        tensor: the same of a contested tensor that a bound fact is about.
        before: by name, what was chosen earlier of tensors that only their bound facts make contested.
    """

    key: Callable[[FrameKey], int | None]
    tensor: ChooseSide = lambda _: None
    before: Mapping[str, int] = MappingProxyType({})


def merge_frame(made: Plan, context: Context, choices: FrameChoices) -> FrameMerge:
    """Merge what is no parameter.

    Raises ConflictError where a frame is too large to be read, or the format fails; MissingObject, CorruptObject.
    """
    if made.frame.source is not None and not may_be_bound(made):
        return FrameMerge(made)
    if made.whole:
        return FrameMerge(made, whole="" if made.frame.source is not None else _FILE_CONTESTED)
    ancestor = made.base or made.heads[0]
    if {head.format for head in made.heads} != {ancestor.format}:
        return FrameMerge(made, whole="" if made.frame.source is not None else "the sides have different formats")
    try:
        found = _merge_facts(made, load_format(made.format), context, choices)
        return found or (FrameMerge(made) if made.frame.source is not None else _merge_whole(made, context))
    except PluginError as error:
        raise ConflictError(error.message, hint=f"{error.hint} {TAKE_A_SIDE}") from error


def _merge_whole(made: Plan, context: Context) -> FrameMerge:
    """The frame of the one head that changed it. Without a base the first one stands for it: no other may differ."""
    reader = load_format(made.format)
    base = read_template(made.base or made.heads[0], context)
    news = [index for index, head in enumerate(made.heads) if not is_rebuilt_from(head, base, reader, context)]
    if len(news) > (1 if made.base else 0):
        return FrameMerge(made, whole=_FRAME_CONTESTED)
    return FrameMerge(settle_contested(made, {}, frame=news[0] if news else 0))


def _merge_facts(made: Plan, reader: GuardedFormat, context: Context, choices: FrameChoices) -> FrameMerge | None:
    """The frame merged by keys; None where the format, or one of the frames, does not tell them."""
    sides = read_frames(made, reader, context)
    if sides is None:
        return None
    bound = BoundFacts(sides.facts)
    if made.frame.source is not None and (made.frame.state in CONTESTED_STATES or not bound.names):
        return FrameMerge(made, bound=bound, is_whole=True)
    made = bound.join_decisions(made, choices.before)
    followed = bound.find_sources(made, choices.tensor)
    outcome, asked = _settle_keys(made, sides, followed, choices)
    contested = tuple([key for key in asked if key.decision.source is None])
    settled = tuple([key for key in asked if key.decision.source is not None])
    framed = _build_frame(made, reader, sides, outcome)._replace(contested=contested, settled=settled)
    if framed.whole and bound.names:
        reason = f"{framed.whole}, with the tensors whose scales it holds"
        return framed._replace(whole=reason, bound=bound, is_whole=True)
    return framed._replace(bound=bound)


def _settle_keys(
    made: Plan, sides: FrameSides, followed: Mapping[str, int], choices: FrameChoices
) -> tuple[dict[str, int], list[FrameKey]]:
    """The side that each key is taken from, and the keys that ids do not decide, as they were chosen.

    ``followed``: keys that go with a tensor. What nobody chose stands as the first head has it.
    """
    outcome: dict[str, int] = {}
    asked: list[FrameKey] = []
    for key in list_keys(made, sides):
        if key in followed:
            outcome[key] = followed[key]
            continue
        item = decide_key(made, key, sides)
        source = item.decision.source
        if source is None:
            source = choices.key(item)
            asked.append(item._replace(decision=item.decision._replace(source=source)))
        outcome[key] = 0 if source is None else source
    return outcome, asked


def _build_frame(made: Plan, reader: GuardedFormat, sides: FrameSides, outcome: Mapping[str, int]) -> FrameMerge:
    """The plan with a head that says just what comes out; else with the first that can be made to."""

    def differing(head: int) -> list[str]:
        return [
            key
            for key, source in outcome.items()
            if _content(sides.fact(source, key)) != _content(sides.fact(head, key))
        ]

    news = {source: differing(source) for source in sides.facts}
    if agreeing := [settle_contested(made, {}, frame=source) for source, keys in news.items() if not keys]:
        return FrameMerge(next((plan for plan in agreeing if plan.exact), agreeing[0]))
    for head in sorted(range(len(made.heads)), key=lambda head: len(news[head])):
        try:
            takes = {key: sides.templates[outcome[key]] for key in news[head]}
            template = reader.take_facts(sides.templates[head], takes)
        except FormatError:
            continue
        return FrameMerge(settle_contested(made, {}, frame=head), template)
    return FrameMerge(made, whole=f"{join_some(_newest_keys(news), most=3)}: {_ENTANGLED}")


def _content(fact: Fact | None) -> bytes | None:
    return fact and fact.content


def _newest_keys(news: Mapping[int, Sequence[str]]) -> list[str]:
    return sorted({key for keys in news.values() for key in keys})
