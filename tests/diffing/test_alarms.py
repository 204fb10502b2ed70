"""The same-weights alarm, and what does not set it off."""

from __future__ import annotations

from git_theta.diffing.alarms import Alarm, AlarmKind, Step, WeightWatch, find_untrained


def step(commit: str, before: str, after: str, *, path: str = "m.pt", stamp: str = "") -> Step:
    return Step(commit, f"{commit}^", (stamp or f"author of {commit}",), path, before, after)


def trained(_: Step) -> bool:
    return True


def test_two_commits_that_both_changed_the_weights_to_the_same_ones() -> None:
    found = WeightWatch(trained).add_all([step("one", "base", "same"), step("two", "base", "same")])
    assert found == [Alarm(AlarmKind.BRANCH, "m.pt", "two", "one")]


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
        assert not WeightWatch(trained).add_all([one, other]), why
    pair = [one, step("two", "base", "same")]
    for restored in pair:
        assert not WeightWatch(restored.__ne__).add_all(pair), "its history had them"


def test_weights_that_a_parent_had_already() -> None:
    assert find_untrained(step("one", "base", "base")) == Alarm(AlarmKind.PARENT, "m.pt", "one", "one^")
    assert find_untrained(step("one", "base", "new")) is None
    assert find_untrained(step("one", "", "")) is None, "it has no weights"
