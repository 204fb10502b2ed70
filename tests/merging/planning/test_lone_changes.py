"""What only some heads of a round changed."""

from __future__ import annotations

from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage
from git_theta.merging.planning.decisions import DecisionState
from git_theta.merging.planning.lone_changes import contest_lone_changes
from git_theta.merging.planning.plan import plan_merge

OIDS = {place: str(place) * 64 for place in range(4)}


def manifest(**places: int) -> Manifest:
    """A file of parameters; a number tells which values each has. What begins with ``steps`` is an integer."""
    return Manifest("safetensors", 4 * len(places), tuple(_entry(name, place) for name, place in places.items()))


def _entry(name: str, place: int) -> Entry:
    storage = Storage(Coding("dense", "raw"), Place(OIDS[place], 4))
    return Entry(OIDS[place], 4, storage, name, "I32" if name.startswith("steps") else "F32", (1,))


def test_weights_that_some_heads_left_alone_are_contested() -> None:
    base = manifest(alone=0, same=0, all=0, none=0, steps=0)
    heads = [
        manifest(alone=1, same=1, all=1, none=0, steps=1),
        manifest(alone=0, same=1, all=1, none=0, steps=0),
        manifest(alone=0, same=0, all=1, none=0, steps=0),
    ]
    made = contest_lone_changes(plan_merge(base, heads, ("ann", "bob", "cat")))
    states = {decision.name: decision.state for decision in made.decisions}
    assert states == {
        "alone": DecisionState.CONTESTED,
        "same": DecisionState.CONTESTED,
        "all": DecisionState.CHANGED_SAME,
        "none": DecisionState.UNCHANGED,
        "steps": DecisionState.CHANGED,
    }


def test_one_head_is_taken_as_it_is() -> None:
    made = plan_merge(manifest(alone=0), [manifest(alone=1)], ("ann",))
    assert contest_lone_changes(made) == made
