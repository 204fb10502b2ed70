"""The plan of a merge: what becomes of every parameter, and of the file, as a pure function of manifests.

It is made from ids alone, for any number of heads at once (two in `git merge`: ours, theirs). What it leaves contested
is for strategies, or for the person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from git_theta.manifest.model import Entry, Manifest
from git_theta.merging.planning.decisions import (
    BASE,
    CONTESTED_STATES,
    Decision,
    DecisionState,
    Entries,
    classify_settled,
    decide_parameter,
    identity_of,
    slot_of,
    trivial_merge,
)
from git_theta.merging.planning.groups import find_groups
from git_theta.merging.planning.ties import entries_of, join_names, owners_of


class PlannedParameter(NamedTuple):
    """A parameter in the result: its entry's own name, and the head (or BASE) whose entry it is."""

    name: str
    source: int


class Plan(NamedTuple):
    """The plan of one file: a decision for each parameter, and the layout of the result.

    Attributes:
        labels: what people call the heads.
        base, heads: the manifests that it was made from.
        whole: whether the file is taken or contested as one, since it is opaque somewhere, or its tensors have no
            names; ``decisions`` is then empty.
        frame: the decision about everything that is no parameter: frame, parts without a name, format, order. Where it
            is contested, its ids cannot tell whether more than the layout (or a checksum) changed: the format has to
            read it. Of a ``whole`` file it is the decision about all of it.
        decisions: one for each parameter, or parameters that are tied somewhere or are a group: in the file order of
            the first head, then what only the next one has, and so on, then what only the base has. Each name is in
            exactly one.
        like: the head (or BASE) that is the template of the result: its frame, format and order.
        exact: whether the result has just the template's names, dtypes and shapes, so that nothing but the bytes of
            parameters are replaced; otherwise the format has to build it.
        layout: the result's parameters in order. Contested ones are where, and if, the first head has them.
    """

    labels: tuple[str, ...]
    base: Manifest | None
    heads: tuple[Manifest, ...]
    whole: bool
    frame: Decision
    decisions: tuple[Decision, ...]
    like: int = 0
    exact: bool = True
    layout: tuple[PlannedParameter, ...] = ()

    @property
    def contested(self) -> tuple[Decision, ...]:
        """What is not settled: parameters, or the file (its ``frame``) where that is one ``whole``."""
        decisions = (self.frame,) if self.whole else self.decisions
        return tuple(decision for decision in decisions if decision.source is None)

    @property
    def counts(self) -> dict[DecisionState, int]:
        """How many decisions are in which state, for those states that there are."""
        found = Counter(decision.state for decision in self.decisions)
        return {state: found[state] for state in DecisionState if found[state]}

    @property
    def format(self) -> str:
        """The format of the result."""
        return self.manifest(self.like).format

    def manifest(self, source: int) -> Manifest:
        """The manifest of a head, or of BASE. Raises ValueError where there is no base."""
        found = self.base if source == BASE else self.heads[source]
        if found is None:
            raise ValueError("the merge has no base")
        return found


def plan_merge(base: Manifest | None, heads: Sequence[Manifest], labels: Sequence[str] = ()) -> Plan:
    """The plan that merges the heads of a file.

    Args:
        base: the file at the merge base; None where it was not there (both sides added it).
        heads: the file at each head, ours first.
        labels: what people call the heads, all different and none "base". By default ours and theirs; head 1, head 2,
            ... where there are not two.

    Raises ValueError without heads, or where the labels are not such, one for each.
    """
    called = tuple(labels) or _default_labels(len(heads))
    if not heads or "base" in called or not len(set(called)) == len(called) == len(heads):
        raise ValueError(f"{len(heads)} heads, labelled {called}")
    if any(manifest.is_opaque or manifest.is_positional for manifest in (*heads, base) if manifest):
        frame = _decide_file(base, heads, _file_identity, _parts)
        return _arrange_result(Plan(called, base, tuple(heads), True, frame, ()))
    frame = _decide_file(base, heads, _frame_identity, _nameless_parts)
    owners, ancestor = list(map(owners_of, heads)), owners_of(base)
    found = list(find_groups([*owners, ancestor], lambda entry: entry.dtype))
    groups = {name: one.group for one in found for name in one.names}
    decisions = [
        decide_parameter(
            names,
            entries_of(ancestor, names),
            tuple([entries_of(owner, names) for owner in owners]),
            next((groups[name] for name in names if name in groups), None) if groups else None,
        )
        for names in join_names([*owners, ancestor], found)
    ]
    return _arrange_result(Plan(called, base, tuple(heads), False, frame, tuple(decisions)))


def settle_contested(made: Plan, choices: Mapping[str, int], frame: int | None = None) -> Plan:
    """The plan in which contested parameters, or the frame, are taken from a head or from BASE.

    Where a strategy computes a parameter, the choice says whose entry the outcome is like. A parameter that the chosen
    one lacks is removed.

    Args:
        made: the plan.
        choices: the ``name`` of a contested decision to the head.
        frame: the head whose frame to take; of a ``whole`` file, all of it.

    Raises ValueError for a name that is not a contested decision's, and for the frame of a base that is not there.
    """
    if not choices and frame is None:
        return made
    unsettled = {decision.name for decision in made.decisions if decision.state in CONTESTED_STATES}
    if unknown := sorted(choices.keys() - unsettled):
        raise ValueError(f"not contested: {', '.join(unknown)}")
    decisions = [
        decision._replace(source=choices[decision.name]) if decision.name in choices else decision
        for decision in made.decisions
    ]
    taken = made.frame if frame is None else made.frame._replace(source=frame)
    return _arrange_result(made._replace(decisions=tuple(decisions), frame=taken))


def replace_decisions(made: Plan, decisions: Iterable[Decision]) -> Plan:
    """The plan with other decisions about the same parameters, in their order."""
    return _arrange_result(made._replace(decisions=tuple(decisions)))


def _default_labels(count: int) -> tuple[str, ...]:
    return ("ours", "theirs") if count == 2 else tuple(f"head {number}" for number in range(1, count + 1))


def _decide_file(
    base: Manifest | None,
    heads: Sequence[Manifest],
    identify: Callable[[Manifest], Hashable],
    parts: Callable[[Manifest], Entries],
) -> Decision:
    by, source = trivial_merge(None if base is None else identify(base), list(map(identify, heads)))
    contested = DecisionState.ADDED_DIFFERENTLY if base is None else DecisionState.CONTESTED
    state = contested if source is None else classify_settled(by, had=base is not None, has=True)
    return Decision((), state, by, source, () if base is None else parts(base), tuple(map(parts, heads)))


def _frame_identity(manifest: Manifest) -> Hashable:
    """What makes a file's frame the same as another's: everything but the parameters' values."""
    parts = tuple([(None, part.oid) if part.name is None else part.name for part in manifest.entries])
    return manifest.format, manifest.frame and manifest.frame.oid, parts


def _file_identity(manifest: Manifest) -> Hashable:
    return manifest.format, manifest.frame and manifest.frame.oid, tuple(map(identity_of, manifest.entries))


def _nameless_parts(manifest: Manifest) -> Entries:
    return tuple([part for part in manifest.parts() if part.name is None])


def _parts(manifest: Manifest) -> Entries:
    return tuple(manifest.parts())


def _arrange_result(made: Plan) -> Plan:
    """The plan with its template and layout: the first template that fits exactly, else the first."""
    likes = _template_candidates(made)
    fitting = next((like for like in likes if _fits_template(made, like)), None)
    like = likes[0] if fitting is None else fitting
    sources = {entry.name or "": source for source, entry in _result_entries(made, like)}
    own = [entry.name or "" for entry in made.manifest(like).parameters()]
    ordered = dict.fromkeys(name for name in own if name in sources) | sources
    layout = tuple([PlannedParameter(name, sources[name]) for name in ordered])
    return made._replace(like=like, exact=fitting is not None, layout=layout)


def _template_candidates(made: Plan) -> list[int]:
    """Whose frame the result may have: any that has the one which came out."""
    source = made.frame.source
    if made.whole:
        return [source or 0]
    if source is None:
        formats = [head.format for head in made.heads]
        _, formatted = trivial_merge(made.base and made.base.format, formats)
        return [index for index, name in enumerate(formats) if name == formats[formatted or 0]]
    frame = _frame_identity(made.manifest(source))
    return [
        source,
        *(index for index, head in enumerate(made.heads) if index != source and _frame_identity(head) == frame),
    ]


def _fits_template(made: Plan, like: int) -> bool:
    """Whether the result has just the parameters of a template, each where the template has one like it."""
    own = {entry.name: entry for entry in made.manifest(like).parameters()}
    placed = 0
    for source, entry in _result_entries(made, like):
        if source != like and (entry.name not in own or slot_of(own[entry.name]) != slot_of(entry)):
            return False
        placed += 1
    return placed == len(own)


def _result_entries(made: Plan, like: int) -> Iterator[tuple[int, Entry]]:
    """The parameters of the result, each with where it is from."""
    if made.whole:
        yield from ((like, entry) for entry in made.manifest(like).parameters())
    for decision in made.decisions:
        source = _choose_source(decision, like)
        for entry in decision.entries_of(source):
            yield source, entry


_AGREED_STATES = frozenset((DecisionState.CHANGED_SAME, DecisionState.ADDED_SAME))


def _choose_source(decision: Decision, like: int) -> int:
    """Whose entry to take: the template's where it has the outcome, so that a file which wins is taken as it is."""
    if decision.state is DecisionState.UNCHANGED or (decision.state in _AGREED_STATES and like in decision.by):
        return like
    return 0 if decision.source is None else decision.source
