"""The keys of frames: what base and heads say of each, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from git_theta.errors import FormatError
from git_theta.formats.base import Fact, Template
from git_theta.formats.guarded_format import GuardedFormat
from git_theta.manifest.model import Manifest
from git_theta.merging.planning.decisions import (
    BASE,
    Decision,
    DecisionState,
    classify_settled,
    names_of,
    trivial_merge,
)
from git_theta.merging.planning.plan import Plan
from git_theta.operations.context import Context
from git_theta.operations.templates import read_template

FRAME_LABEL = "(frame)"
"""What stands for everything that is no parameter, where contested parameters are listed; a key of it follows."""


class FrameKey(NamedTuple):
    """What the heads did to one key of the frame.

    Attributes:
        decision: the decision, which is called ``(frame) KEY``; settled by the chosen source, where there is one.
        plain: whether all that is contested are plain values.
        reason: what each says, in words.
    """

    decision: Decision
    plain: bool
    reason: str


def is_frame_name(name: str) -> bool:
    """Whether a decision of this name is about the frame, or a key of it, not about a parameter."""
    return name in ("", FRAME_LABEL) or name.startswith(f"{FRAME_LABEL} ")


class FrameSides(NamedTuple):
    """The frames of base (None without one) and heads, and what they say."""

    templates: Mapping[int, Template]
    facts: Mapping[int, Mapping[str, Fact]]

    def fact(self, source: int, key: str) -> Fact | None:
        """What the head, or BASE, says of a key; None where it has none."""
        return self.facts.get(source, {}).get(key)


def read_frames(made: Plan, reader: GuardedFormat, context: Context) -> FrameSides | None:
    """The frames of base and heads; None where the format, or one of the frames, does not tell its facts."""
    sources = [*range(len(made.heads)), *([BASE] if made.base else [])]
    templates: dict[int, Template] = {}
    facts: dict[int, Mapping[str, Fact]] = {}
    for source in sources:
        templates[source] = read_template(made.manifest(source), context)
        try:
            found = reader.read_facts(templates[source])
        except FormatError:
            return None
        if found is None:
            return None
        facts[source] = found
    return FrameSides(templates, facts)


def list_keys(made: Plan, sides: FrameSides) -> Iterator[str]:
    """The keys to decide about, sorted. How a tensor is kept that some lack goes with the tensor."""
    named = [set(_all_names(made.manifest(source))) for source in sides.facts]
    some, everywhere = set().union(*named), set.intersection(*named)
    about = {key: fact.tensor for facts in sides.facts.values() for key, fact in facts.items()}
    for key in sorted(about):
        if about[key] not in some or about[key] in everywhere:
            yield key


def _all_names(manifest: Manifest) -> Iterator[str]:
    for entry in manifest.parameters():
        yield from names_of(entry)


def decide_key(made: Plan, key: str, sides: FrameSides) -> FrameKey:
    """What the heads did to a key: settled by what they say, or contested."""
    base, heads = sides.fact(BASE, key), [sides.fact(index, key) for index in range(len(made.heads))]
    by, source = trivial_merge(base and base.content, [fact and fact.content for fact in heads])
    if source is not None:
        state = classify_settled(by, had=base is not None, has=heads[source] is not None)
    elif base is None:
        state = DecisionState.ADDED_DIFFERENTLY
    else:
        state = DecisionState.CONTESTED if all(heads) else DecisionState.REMOVED_MODIFIED
    decision = Decision((f"{FRAME_LABEL} {key}",), state, by, source, (), ((),) * len(heads))
    labelled = [("base", base)] if made.base else []
    words = [
        f"{label} {fact.text if fact else 'none'}" for label, fact in [*labelled, *zip(made.labels, heads, strict=True)]
    ]
    return FrameKey(decision, all(fact.plain for fact in (base, *heads) if fact), "; ".join(words))
