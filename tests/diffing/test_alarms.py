"""The same-weights alarm, and what does not set it off."""

from __future__ import annotations

from git_theta.diffing.alarms import Alarm, Kind, Step, Watch, untrained


def step(commit: str, before: str, after: str, *, path: str = "m.pt", stamp: str = "") -> Step:
    return Step(commit, f"{commit}^", (stamp or f"author of {commit}",), path, before, after)


def trained(_: Step) -> bool:
    return True


def test_two_commits_that_both_changed_the_weights_to_the_same_ones() -> None:
    found = Watch(trained).watch([step("one", "base", "same"), step("two", "base", "same")])
    assert found == [Alarm(Kind.BRANCH, "m.pt", "two", "one")]


def test_what_is_legitimate_is_left_alone() -> None:
    one = step("one", "base", "same")
    legitimate = {
        "cherry-pick or rebase": step("two", "base", "same", stamp="author of one"),
        "other weights": step("two", "base", "others"),
        "another file": step("two", "base", "same", path="n.pt"),
        "metadata alone": step("two", "same", "same"),
        "the same commit, met twice": one,
        "no weights at all": step("two", "base", ""),
    }
    for why, other in legitimate.items():
        assert not Watch(trained).watch([one, other]), why
    pair = [one, step("two", "base", "same")]
    for restored in pair:
        assert not Watch(restored.__ne__).watch(pair), "its history had them"


def test_weights_that_a_parent_had_already() -> None:
    assert untrained(step("one", "base", "base")) == Alarm(Kind.PARENT, "m.pt", "one", "one^")
    assert untrained(step("one", "base", "new")) is None
    assert untrained(step("one", "", "")) is None, "it has no weights"
