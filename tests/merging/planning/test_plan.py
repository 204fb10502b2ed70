"""The plan of a merge: every state, ties, the file around the parameters, and what holds for any manifests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from git_theta.formats.detect import OPAQUE
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage, View
from git_theta.merging.planning.decisions import (
    BASE,
    CONTESTED_STATES,
    Decision,
    DecisionState,
    identity_of,
    names_of,
    slot_of,
)
from git_theta.merging.planning.plan import Plan, PlannedParameter, plan_merge, settle_contested
from git_theta.merging.planning.plan_json import plan_json
from git_theta.merging.planning.plan_rendering import explain_decision, render_plan
from git_theta.merging.policies.policy import Choice, Policy, make_global_rule
from tests.work_units import takes_fewer_units

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/spec/plan.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


def oid(content: str) -> str:
    return sha256(content.encode()).hexdigest()


def part(content: str) -> Entry:
    """Bytes without a name."""
    return Entry(oid(content), 9, Storage(Coding("dense", "raw"), Place(oid(content), 9)))


def parameter(text: str) -> Entry:
    """``NAME[=TIED...][:SHAPE] CONTENT``, F32, of shape 2x2 unless said otherwise."""
    names, content = text.split()
    names, _, shape = names.partition(":")
    own, *ties = names.split("=")
    sizes = tuple(map(int, shape.split("x"))) if shape else (2, 2)
    views = tuple(View(tie, "F32", sizes) for tie in ties)
    return part(content)._replace(name=own, dtype="F32", shape=sizes, views=views)


def checkpoint(text: str, frame: str = "", format_name: str = "safetensors") -> Manifest:
    """Parameters with commas between them; what starts with ``-`` is a part without a name.

    The frame is the header unless it is named: what a format writes follows from names and shapes.
    """
    items = [item.strip() for item in text.split(",") if item.strip()]
    entries = tuple(part(item) if item.startswith("-") else parameter(item) for item in items)
    header = frame or " ".join(item.split()[0] for item in items)
    return Manifest(format_name, 100, entries, part(f"frame {header}"))


def decided(base: str | None, *heads: str) -> Decision:
    """The one decision about files that hold one thing."""
    (decision,) = plan_merge(None if base is None else checkpoint(base), list(map(checkpoint, heads))).decisions
    return decision


def valid(made: Plan, **arguments: Any) -> dict[str, Any]:
    """The plan's JSON as a program reads it, after checking it against the published schema."""
    data: dict[str, Any] = json.loads(json.dumps(plan_json(made, **arguments)))
    VALIDATOR.validate(data)
    return data


STATES = {
    "nobody": ("w 1", ["w 1", "w 1"], DecisionState.UNCHANGED, (), 0),
    "ours": ("w 1", ["w 2", "w 1"], DecisionState.CHANGED, (0,), 0),
    "theirs": ("w 1", ["w 1", "w 2"], DecisionState.CHANGED, (1,), 1),
    "both the same": ("w 1", ["w 2", "w 2"], DecisionState.CHANGED_SAME, (0, 1), 0),
    "both differently": ("w 1", ["w 2", "w 3"], DecisionState.CONTESTED, (0, 1), None),
    "ours adds": ("", ["w 1", ""], DecisionState.ADDED, (0,), 0),
    "theirs adds": ("", ["", "w 1"], DecisionState.ADDED, (1,), 1),
    "both add the same": ("", ["w 1", "w 1"], DecisionState.ADDED_SAME, (0, 1), 0),
    "both add differently": ("", ["w 1", "w 2"], DecisionState.ADDED_DIFFERENTLY, (0, 1), None),
    "no base, the same": (None, ["w 1", "w 1"], DecisionState.ADDED_SAME, (0, 1), 0),
    "no base, differently": (None, ["w 1", "w 2"], DecisionState.ADDED_DIFFERENTLY, (0, 1), None),
    "no base, theirs alone": (None, ["", "w 1"], DecisionState.ADDED, (1,), 1),
    "ours removes": ("w 1", ["", "w 1"], DecisionState.REMOVED, (0,), 0),
    "theirs removes": ("w 1", ["w 1", ""], DecisionState.REMOVED, (1,), 1),
    "both remove": ("w 1", ["", ""], DecisionState.REMOVED_SAME, (0, 1), 0),
    "ours removes, theirs modifies": ("w 1", ["", "w 2"], DecisionState.REMOVED_MODIFIED, (0, 1), None),
    "theirs removes, ours modifies": ("w 1", ["w 2", ""], DecisionState.REMOVED_MODIFIED, (0, 1), None),
    "ours reshapes": ("w 1", ["w:4 1", "w 1"], DecisionState.CHANGED, (0,), 0),
    "ours reshapes, theirs modifies": ("w 1", ["w:4 1", "w 2"], DecisionState.SPEC_CHANGED, (0, 1), None),
    "both grow alike, differently": ("w 1", ["w:3x2 2", "w:3x2 3"], DecisionState.CONTESTED, (0, 1), None),
    "both add, of two shapes": ("", ["w:4 1", "w:5 2"], DecisionState.SPEC_CHANGED, (0, 1), None),
    "five heads, one changes": ("w 1", ["w 1", "w 1", "w 1", "w 2", "w 1"], DecisionState.CHANGED, (3,), 3),
    "three heads, two the same": ("w 1", ["w 1", "w 2", "w 2"], DecisionState.CHANGED_SAME, (1, 2), 1),
    "three heads, two of them differently": ("w 1", ["w 1", "w 2", "w 3"], DecisionState.CONTESTED, (1, 2), None),
    "three heads, one adds nothing": ("", ["", "w 2", "w 3"], DecisionState.ADDED_DIFFERENTLY, (1, 2), None),
    "three heads, one of another shape than two": (
        "w 1",
        ["w 1", "w:4 2", "w:4 3"],
        DecisionState.SPEC_CHANGED,
        (1, 2),
        None,
    ),
    "one head, add": (None, ["w 1"], DecisionState.ADDED, (0,), 0),
}


@pytest.mark.parametrize("case", STATES)
def test_every_state(case: str) -> None:
    base, heads, state, by, source = STATES[case]
    decision = decided(base, *heads)
    assert (decision.state, decision.by, decision.source) == (state, by, source)
    assert (decision.state in CONTESTED_STATES) == (source is None)


def test_every_state_but_that_of_ties_is_above() -> None:
    assert {state for _, _, state, _, _ in STATES.values()} == set(DecisionState) - {DecisionState.NAMES_CHANGED}


def test_storage_is_not_identity() -> None:
    stored_otherwise = checkpoint("w 1")
    entry = stored_otherwise.entries[0]
    elsewhere = entry._replace(storage=Storage(Coding("dense", "planes"), Place(oid("bundle"), 1000, (10, 5))))
    heads = [stored_otherwise._replace(entries=(elsewhere,)), checkpoint("w 1")]
    assert plan_merge(checkpoint("w 1"), heads).counts == {DecisionState.UNCHANGED: 1}


# Ties ---------------------------------------------------------------------------------------------------------------

TIES = {
    "a tie on both sides, its values changed by one": ("a=b 1", ["a=b 2", "a=b 1"], DecisionState.CHANGED, 0),
    "a tie on both sides, its values contested": ("a=b 1", ["a=b 2", "a=b 3"], DecisionState.CONTESTED, None),
    "the other name first": ("a=b 1", ["b=a 1", "a=b 1"], DecisionState.UNCHANGED, 0),
    "ours breaks the tie": ("a=b 1", ["a 1, b 2", "a=b 1"], DecisionState.CHANGED, 0),
    "ours breaks the tie, and keeps both values": ("a=b 1", ["a 1, b 1", "a=b 1"], DecisionState.CHANGED, 0),
    "both break the tie alike": ("a=b 1", ["a 1, b 2", "a 1, b 2"], DecisionState.CHANGED_SAME, 0),
    "ours breaks the tie, theirs changes the values": (
        "a=b 1",
        ["a 1, b 2", "a=b 3"],
        DecisionState.NAMES_CHANGED,
        None,
    ),
    "both break the tie, differently": ("a=b 1", ["a 1, b 2", "a 1, b 3"], DecisionState.NAMES_CHANGED, None),
    "ours ties": ("a 1, b 2", ["a=b 1", "a 1, b 2"], DecisionState.CHANGED, 0),
    "theirs ties, ours changes one of the two": ("a 1, b 2", ["a 1, b 3", "a=b 1"], DecisionState.NAMES_CHANGED, None),
    "ours ties, theirs removes one": ("a 1, b 2", ["a=b 1", "a 1"], DecisionState.NAMES_CHANGED, None),
    "ours removes one name of a tie": ("a=b 1", ["a 1", "a=b 1"], DecisionState.CHANGED, 0),
    "ours removes one name, theirs changes the values": ("a=b 1", ["a 1", "a=b 2"], DecisionState.NAMES_CHANGED, None),
    "ours removes both names, theirs changes the values": (
        "a=b 1",
        ["", "a=b 2"],
        DecisionState.REMOVED_MODIFIED,
        None,
    ),
    "both remove another name of three": ("a=b=c 1", ["a=b 1", "a=c 1"], DecisionState.NAMES_CHANGED, None),
    "chained by way of another head": (
        "a 1, b 2, c 3",
        ["a=b 1, c 3", "a 1, b=c 2"],
        DecisionState.NAMES_CHANGED,
        None,
    ),
    "added as a tie, and as two": (None, ["a=b 1", "a 1, b 1"], DecisionState.NAMES_CHANGED, None),
}


@pytest.mark.parametrize("case", TIES)
def test_names_that_share_values_are_decided_together(case: str) -> None:
    base, heads, state, source = TIES[case]
    decision = decided(base, *heads)
    assert (decision.state, decision.source) == (state, source)
    assert set(decision.names) >= {"a", "b"}


def test_the_order_of_windows_is_nothing_that_a_file_must_agree_on() -> None:
    assert slot_of(parameter("a=b=c 1")) == slot_of(parameter("a=c=b 2"))
    assert len({slot_of(parameter(text)) for text in ("a 1", "a=b 1", "a=c 1", "a:4 1", "b=a 1")}) == 5


def test_a_window_that_moved_is_a_change_of_the_spec() -> None:
    def windows(offset: int, content: str) -> Manifest:
        flat = parameter(f"a:8 {content}")
        return Manifest(
            "torch", 9, (flat._replace(views=(View("a", "F32", (2,)), View("b", "F32", (2,), None, offset))),)
        )

    base, moved, changed = windows(2, "1"), windows(4, "1"), windows(2, "2")
    assert plan_merge(base, [moved, base]).decisions[0].state is DecisionState.CHANGED
    assert plan_merge(base, [moved, changed]).decisions[0].state is DecisionState.SPEC_CHANGED
    assert plan_merge(base, [moved, changed]).decisions[0].names == ("a", "b")


# The file around the parameters -------------------------------------------------------------------------------------


def test_each_side_adds_a_parameter_and_the_file_is_built_like_ours() -> None:
    made = plan_merge(checkpoint("m 1"), [checkpoint("a 2, m 1"), checkpoint("m 1, z 3")])
    assert (made.like, made.exact) == (0, False)
    assert made.layout == (PlannedParameter("a", 0), PlannedParameter("m", 0), PlannedParameter("z", 1))
    assert made.frame.state is DecisionState.CONTESTED
    assert made.contested == ()


def test_one_side_adds_in_the_middle_and_its_layout_is_the_results() -> None:
    made = plan_merge(checkpoint("a 1, c 1"), [checkpoint("a 2, c 1"), checkpoint("a 1, b 1, c 1")])
    assert (made.frame.state, made.like, made.exact) == (DecisionState.CHANGED, 1, True)
    assert made.layout == (PlannedParameter("a", 0), PlannedParameter("b", 1), PlannedParameter("c", 1))


def test_a_frame_contested_by_checksums_goes_by_the_side_whose_layout_fits() -> None:
    made = plan_merge(archive("a 1"), [archive("a 2"), archive("a 1, b 1")])
    assert made.frame.source is None
    assert (made.like, made.exact) == (1, True)
    assert made.layout == (PlannedParameter("a", 0), PlannedParameter("b", 1))


def archive(text: str) -> Manifest:
    """A torch file: its frame has a checksum of every tensor."""
    return checkpoint(text, frame=text, format_name="torch")


def test_of_files_with_one_frame_that_whose_layout_fits_is_the_template() -> None:
    """A format whose frame does not tell shapes: all have the frame that came out, and theirs the shapes."""
    base = checkpoint("w:4 1, v 1", "names alone")
    made = plan_merge(base, [checkpoint("w:4 1, v 2", "names alone"), checkpoint("w:2x2 2, v 1", "names alone")])
    assert (made.frame.state, made.like, made.exact) == (DecisionState.UNCHANGED, 1, True)


def test_a_header_too_large_for_the_frame_is_frame_all_the_same() -> None:
    made = plan_merge(checkpoint("-header 1, w 1"), [checkpoint("-header 1, w 2"), checkpoint("-header 2, w 1")])
    assert (made.frame.state, made.frame.source, made.like) == (DecisionState.CHANGED, 1, 1)
    assert [len(held) for held in made.frame.heads] == [2, 2]
    both = plan_merge(checkpoint("-header 1, w 1"), [checkpoint("-header 3, w 2"), checkpoint("-header 2, w 1")])
    assert both.frame.source is None
    assert not both.whole
    assert both.contested == ()


def test_one_side_turns_to_another_format_and_its_file_is_the_template() -> None:
    base, ours = checkpoint("a 1, b 1"), checkpoint("a 2, b 1")
    theirs = checkpoint("b 1, a 1", format_name="torch")
    made = plan_merge(base, [ours, theirs])
    assert (made.frame.source, made.like, made.exact, made.format) == (1, 1, True, "torch")
    assert made.layout == (PlannedParameter("b", 1), PlannedParameter("a", 0))


def test_the_changed_format_counts_where_both_frames_changed() -> None:
    theirs = checkpoint("a 1, b 1", format_name="safetensors")
    made = plan_merge(archive("a 1, b 1"), [archive("a 2, b 1"), theirs])
    assert (made.frame.source, made.like, made.format) == (None, 1, "safetensors")


def test_two_formats_without_a_base_go_by_ours() -> None:
    made = plan_merge(None, [checkpoint("a 1"), archive("a 1")])
    assert (made.frame.state, made.like, made.format) == (DecisionState.ADDED_DIFFERENTLY, 0, "safetensors")
    assert made.counts == {DecisionState.ADDED_SAME: 1}


@pytest.mark.parametrize("frame", [1, BASE])
def test_an_opaque_file_that_both_changed_is_one_conflict(frame: int) -> None:
    files = [checkpoint(text, frame="f", format_name=OPAQUE) for text in ("-1, -2", "-1, -3", "-4, -2")]
    made = plan_merge(files[0], files[1:])
    assert (made.whole, made.decisions, made.contested) == (True, (), (made.frame,))
    assert valid(made)["frame"]["take"] is None
    taken = settle_contested(made, {}, frame)
    assert (taken.contested, taken.like, taken.exact) == ((), frame, True)


def test_an_opaque_file_that_one_side_changed_is_taken() -> None:
    base, theirs = (checkpoint(text, format_name=OPAQUE) for text in ("-1, -2", "-1, -3"))
    made = plan_merge(base, [base, theirs])
    assert (made.whole, made.frame.source, made.like, made.contested) == (True, 1, 1, ())


def test_l7_a_side_that_cannot_be_read_has_not_removed_its_parameters() -> None:
    base, ours = checkpoint("a 1, b 1"), checkpoint("a 2, b 1")
    damaged = checkpoint("-bytes", format_name=OPAQUE)
    made = plan_merge(base, [ours, damaged])
    assert (made.whole, made.contested, made.layout) == (
        True,
        (made.frame,),
        (PlannedParameter("a", 0), PlannedParameter("b", 0)),
    )
    healthy = plan_merge(base, [base, damaged])
    assert (healthy.frame.source, healthy.layout) == (1, ())


def test_whole_files_differ_by_one_parameter() -> None:
    made = plan_merge(checkpoint("-x", format_name=OPAQUE), [checkpoint("a 1"), checkpoint("a 2")])
    assert made.contested == (made.frame,)


# Settling -----------------------------------------------------------------------------------------------------------


def test_settling_some_leaves_the_others_and_places_all() -> None:
    made = plan_merge(checkpoint("a 1, b 1, c 1"), [checkpoint("a 2, b 2"), checkpoint("a 3, b:4 3, c 3")])
    assert made.layout == (PlannedParameter("a", 0), PlannedParameter("b", 0))
    taken = settle_contested(made, {"c": 1, "b": 1})
    assert [decision.name for decision in taken.contested] == ["a"]
    assert taken.layout == (PlannedParameter("a", 0), PlannedParameter("b", 1), PlannedParameter("c", 1))
    assert (taken.like, taken.exact) == (1, True)
    assert settle_contested(taken, {"a": BASE, "c": BASE}).layout == (
        PlannedParameter("a", BASE),
        PlannedParameter("b", 1),
        PlannedParameter("c", BASE),
    )


def test_what_is_settled_against_what_the_base_lacks_is_removed() -> None:
    made = plan_merge(None, [checkpoint("a 1, b 1"), checkpoint("a 2, b 1")])
    assert settle_contested(made, {"a": BASE}).layout == (PlannedParameter("b", 0),)


def test_a_broken_tie_goes_as_one() -> None:
    made = plan_merge(checkpoint("a=b 1"), [checkpoint("a=b 3"), checkpoint("a 1, b 2")])
    assert made.layout == (PlannedParameter("a", 0),)
    assert settle_contested(made, {"a": 1}).layout == (PlannedParameter("a", 1), PlannedParameter("b", 1))


def test_only_what_is_contested_can_be_settled() -> None:
    made = plan_merge(checkpoint("a 1, b 1"), [checkpoint("a 2, b 1"), checkpoint("a 3, b 1")])
    with pytest.raises(ValueError, match="not contested: b, nowhere"):
        settle_contested(made, {"a": 0, "b": 0, "nowhere": 0})


def test_there_is_no_frame_in_no_base() -> None:
    with pytest.raises(ValueError, match="no base"):
        settle_contested(plan_merge(None, [checkpoint("a 1"), checkpoint("a 1, b 1")]), {}, BASE)


@pytest.mark.parametrize(("heads", "labels"), [(0, ()), (2, ("a",)), (2, ("a", "a")), (1, ("a", "b")), (1, ("base",))])
def test_heads_have_labels_of_their_own(heads: int, labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="labelled"):
        plan_merge(None, [checkpoint("a 1")] * heads, labels)


# What holds for any manifests ---------------------------------------------------------------------------------------

NAMES = ("a", "b", "c", "d", "e")


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Five names at most, in any order, some tied, of few values and shapes; sometimes parts without a name.

    The views of an entry stand in one order, since in files that follows from the frame.
    """
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    items: list[str] = []
    while names:
        taken = draw(st.sampled_from((1, 1, 1, 2, 3)))
        shape, content = draw(st.sampled_from(("", "", "", ":4"))), draw(st.sampled_from("1123"))
        items.append(f"{'='.join([names[0], *sorted(names[1:taken])])}{shape} {content}")
        names = names[taken:]
    items += draw(st.lists(st.sampled_from(("-1", "-2")), max_size=1))
    frame, format_name = draw(st.sampled_from(("", "", "x"))), draw(st.sampled_from(("safetensors", "torch")))
    return checkpoint(", ".join(items), frame, format_name)


bases = st.none() | manifests()
several = st.lists(manifests(), min_size=1, max_size=4)
many = settings(max_examples=100, deadline=None)


def every_name(all_of: Sequence[Manifest | None]) -> Iterator[str]:
    for manifest in all_of:
        for entry in manifest.parameters() if manifest else ():
            yield from names_of(entry)


@many
@given(bases, several)
def test_no_parameter_is_lost_and_none_is_decided_twice(base: Manifest | None, heads: list[Manifest]) -> None:
    names = [name for decision in plan_merge(base, heads).decisions for name in decision.names]
    assert len(names) == len(set(names))
    assert set(names) == set(every_name([base, *heads]))


@many
@given(bases, several)
def test_names_in_the_layout_are_those_of_the_outcomes_once(base: Manifest | None, heads: list[Manifest]) -> None:
    made = plan_merge(base, heads)
    result = list(every_name([result_of(made)]))
    assert len(result) == len(set(result))
    outcomes = [decision.heads[0] if decision.outcome is None else decision.outcome for decision in made.decisions]
    assert set(result) == {name for held in outcomes for entry in held for name in names_of(entry)}


def result_of(made: Plan) -> Manifest:
    """The template with the layout's entries."""
    entries = {
        place.name: next(entry for entry in made.manifest(place.source).parameters() if entry.name == place.name)
        for place in made.layout
    }
    template = made.manifest(made.like)
    own = {entry.name for entry in template.parameters()}
    kept = [
        entry if entry.name is None else entries[entry.name]
        for entry in template.entries
        if entry.name in {None, *entries}
    ]
    return template._replace(entries=(*kept, *(entry for name, entry in entries.items() if name not in own)))


@many
@given(bases, st.tuples(manifests(), manifests()))
def test_who_is_ours_only_swaps_the_sides(base: Manifest | None, heads: tuple[Manifest, Manifest]) -> None:
    there, back = plan_merge(base, heads), plan_merge(base, heads[::-1])
    mirrored = {frozenset(decision.names): decision for decision in back.decisions}
    assert there.counts == back.counts
    for decision in there.decisions:
        twin = mirrored[frozenset(decision.names)]
        assert (decision.state, sorted(1 - head for head in decision.by)) == (twin.state, list(twin.by))
        assert outcome(decision) == outcome(twin)
    assert there.frame.state == back.frame.state


def outcome(decision: Decision) -> frozenset[Any] | None:
    return None if decision.outcome is None else frozenset(map(identity_of, decision.outcome))


@many
@given(manifests(), manifests(), st.integers(0, 2))
def test_where_one_head_changed_its_file_is_the_result(base: Manifest, changed: Manifest, place: int) -> None:
    heads = [base, base]
    heads.insert(place, changed)
    made = plan_merge(base, heads)
    assert made.contested == ()
    assert made.exact
    assert result_of(made) == changed


@many
@given(bases, manifests(), st.integers(1, 4))
def test_heads_that_are_all_alike_are_the_result(base: Manifest | None, head: Manifest, count: int) -> None:
    made = plan_merge(base, [head] * count)
    assert made.contested == ()
    assert result_of(made) == head


@many
@given(bases, several)
def test_merging_the_result_of_a_clean_merge_again_changes_nothing(
    base: Manifest | None, heads: list[Manifest]
) -> None:
    made = plan_merge(base, heads)
    if not made.contested:
        result = result_of(made)
        again = plan_merge(base, [result, *heads])
        assert {entry.name: identity_of(entry) for entry in result_of(again).parameters()} == {
            entry.name: identity_of(entry) for entry in result.parameters()
        }
        assert again.contested == ()


@many
@given(bases, several)
def test_an_exact_result_is_the_template_but_for_values(base: Manifest | None, heads: list[Manifest]) -> None:
    made = plan_merge(base, heads)
    if made.exact:
        template, result = made.manifest(made.like).entries, result_of(made).entries
        assert [entry[3:7] for entry in template] == [entry[3:7] for entry in result]


@many
@given(bases, several)
def test_every_plan_is_as_the_schema_says(base: Manifest | None, heads: list[Manifest]) -> None:
    made = plan_merge(base, heads)
    data = valid(made)
    assert sum(data["counts"].values()) == len(data["parameters"])
    assert [one["name"] for one in data["parameters"] if one["take"] is None] == [one.name for one in made.contested]


# Shown --------------------------------------------------------------------------------------------------------------

MADE = plan_merge(
    checkpoint("a 1, b 1, c 1, d=e 1"),
    [checkpoint("a 2, b 1, c 2, d=e 2, f:4 1"), checkpoint("a 3, b 2, d 1, e 2, f:5 1")],
)


def test_the_schema_has_the_states_that_there_are() -> None:
    assert SCHEMA["$defs"]["state"]["enum"] == [state.value for state in DecisionState]
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("version",), 2),
        (("like",), None),
        (("surprise",), 1),
        (("parameters", 0, "state"), "merged"),
        (("parameters", 0, "names"), []),
        (("parameters", 0, "heads", 0, 0, "oid"), "A" * 64),
        (("frame", "state"), "removed-by-one"),
        (("counts", "merged"), 1),
    ],
)
def test_the_schema_refuses_what_is_no_plan(place: tuple[Any, ...], value: Any) -> None:
    data = valid(MADE)
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(ValidationError):
        VALIDATOR.validate(data)


def test_json_says_ours_and_theirs() -> None:
    first = valid(MADE)["parameters"][1]
    assert first == {
        "name": "b",
        "names": ["b"],
        "state": "changed-by-one",
        "by": ["theirs"],
        "take": "theirs",
        "reason": "theirs changed it",
        "base": [{"name": "b", "dtype": "F32", "shape": [2, 2], "oid": oid("1"), "ties": []}],
        "heads": [
            [{"name": "b", "dtype": "F32", "shape": [2, 2], "oid": oid("1"), "ties": []}],
            [{"name": "b", "dtype": "F32", "shape": [2, 2], "oid": oid("2"), "ties": []}],
        ],
    }


def test_a_person_reads_counts_and_every_contested_name() -> None:
    assert render_plan(MADE) == (
        "5 parameters\n"
        "  1 changed by one (theirs)\n"
        "  1 contested (ours and theirs)\n"
        "  1 removed against modified (ours and theirs)\n"
        "  1 spec changed (ours and theirs)\n"
        "  1 names changed (ours and theirs)\n"
        "frame: ours and theirs changed it differently; merged key by key\n"
        "layout: that of ours (safetensors)\n"
        "contested: a: ours and theirs changed it differently\n"
        "contested: c: theirs removed it, ours changed it\n"
        "contested: d: the names that share its values differ (base d = e; ours d = e; theirs d and e)\n"
        "contested: f: its dtype or shape differs (ours F32 [4]; theirs F32 [5])\n"
    )


def test_what_the_policy_chooses_is_shown() -> None:
    rules = Policy([make_global_rule("ties", ["density=0.5"], origin="-s")])

    def choose(decision: Decision) -> Choice | None:
        return rules.choose("m.pt", *decision.names) if decision.state is DecisionState.CONTESTED else None

    lines = render_plan(MADE, choose).splitlines()
    assert lines[lines.index("contested: a: ours and theirs changed it differently") + 1] == "    ties density=0.5 (-s)"
    assert lines[-1] == "    conflict"
    shown = [one["strategy"] for one in valid(MADE, choose=choose)["parameters"] if "strategy" in one]
    assert shown == [{"name": "ties", "options": {"density": "0.5"}, "origin": "-s"}, None, None, None]


def test_law_7_tensors_without_names_are_never_merged_by_their_places() -> None:
    """A strategy would average what stands in the same place, whatever it is."""
    base, ours, theirs = (checkpoint(text) for text in ("#0 1, #1 2", "#0 3, #1 2", "#0 1, #1 4"))
    made = plan_merge(base, [ours, theirs])
    assert (made.whole, made.frame.state, made.decisions) == (True, DecisionState.CONTESTED, ())
    assert plan_merge(base, [ours, base]).frame.source == 0
    assert not plan_merge(checkpoint("#a 1"), [checkpoint("#a 2"), checkpoint("#a 3")]).whole


def test_a_whole_file_is_shown_as_one() -> None:
    files = [checkpoint(text, format_name=OPAQUE) for text in ("-1", "-2", "-3")]
    made = plan_merge(files[0], files[1:])
    assert (
        render_plan(made, lambda _: None).splitlines()[0]
        == "not by parameters: one of the files is opaque, or has no names for its tensors"
    )
    assert "contested: the file: ours and theirs changed it differently\n    conflict\n" in render_plan(
        made, lambda _: None
    )
    assert valid(made, choose=lambda _: Choice("ours", {}, "-s"))["frame"]["strategy"]["name"] == "ours"


def test_a_base_of_another_shape_is_told() -> None:
    made = plan_merge(checkpoint("w 1"), [checkpoint("w:3x2 2"), checkpoint("w:3x2 3")])
    assert explain_decision(made, made.decisions[0]) == (
        "ours and theirs changed it differently (base F32 [2, 2]; ours F32 [3, 2]; theirs F32 [3, 2])"
    )


def test_more_heads_are_numbered_or_called_what_people_call_them() -> None:
    base, heads = checkpoint("w 1"), [checkpoint("w 1"), checkpoint("w 2"), checkpoint("w 3")]
    assert "contested: w: head 2 and head 3 changed it differently\n" in render_plan(plan_merge(base, heads))
    assert "contested: w: b and c changed it differently\n" in render_plan(plan_merge(base, heads, ("a", "b", "c")))


def test_a_name_cannot_speak_to_the_terminal() -> None:
    evil = checkpoint("w 1")
    heads = [evil._replace(entries=(parameter(f"w {content}")._replace(name="w\x1b[2J\n"),)) for content in ("1", "2")]
    assert "contested: w\\x1b[2J\\n: " in render_plan(plan_merge(None, heads))


# Speed --------------------------------------------------------------------------------------------------------------


def large(stride: int) -> Manifest:
    """10,000 parameters, every ``stride``-th changed."""
    storage = Storage(Coding("dense", "planes"), Place(oid("bundle"), 1 << 40, (1, 4000)))
    contents = (f"{number + (number % stride == 0) * stride * 100_000:064x}" for number in range(10_000))
    entries = [Entry(text, 4096, storage, f"l.{at}.w", "F32", (32, 32)) for at, text in enumerate(contents)]
    return Manifest("safetensors", 10_000 * 4096, tuple(entries), part("frame"))


def test_ten_thousand_parameters_are_planned_in_a_moment() -> None:
    """1.4 units of work."""
    base, ours, theirs = large(10_001), large(3), large(5)
    assert plan_merge(base, [ours, theirs]).counts == {
        DecisionState.UNCHANGED: 5333,
        DecisionState.CHANGED: 4000,
        DecisionState.CONTESTED: 667,
    }
    assert takes_fewer_units(5, lambda: plan_merge(base, [ours, theirs]))


def test_ties_in_a_long_chain_are_found_in_time() -> None:
    """One head ties 0=1, 2=3 ..., the other 1=2, 3=4 ...: all of them are one group. 3 to 10 units of work."""
    ours = [parameter(f"{at}={at + 1} 1") for at in range(0, 20_000, 2)]
    theirs = [parameter("0 1"), *(parameter(f"{at}={at + 1} 1") for at in range(1, 19_999, 2)), parameter("19999 1")]
    heads = [Manifest("torch", 9, tuple(entries)) for entries in (ours, theirs)]
    (decision,) = plan_merge(None, heads).decisions
    assert (len(decision.names), decision.state) == (20_000, DecisionState.NAMES_CHANGED)
    assert takes_fewer_units(50, lambda: plan_merge(None, heads))
