"""Where companions lie, and what is one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from git_theta import merge_tensors
from git_theta.errors import ConflictError, UsageError
from git_theta.merging.base import Contest, Strategy
from git_theta.merging.checks import check_contest
from git_theta.merging.companions import Companion, require_tree_path
from git_theta.merging.policies.policy import Choice
from git_theta.merging.policies.treatments import spare_companion
from git_theta.testing.operands import operand

BESIDE = Companion("fisher", "{stem}.fisher{suffix}", "What counts.", option="fisher")


@pytest.mark.parametrize(
    ("path", "options", "found"),
    [
        ("model.safetensors", {}, "model.fisher.safetensors"),
        ("a/b/model.pt", {}, "a/b/model.fisher.pt"),
        ("a/model.v2.pt", {"fisher": ""}, "a/model.v2.fisher.pt"),
        ("model.safetensors.index.json", {}, "model.fisher.safetensors"),
        ("model.safetensors.index.fp16.json", {}, "model.fp16.fisher.safetensors"),
        ("a/model.pt", {"fisher": "f/{name}"}, "a/f/model.pt"),
        ("weights", {}, "weights.fisher"),
    ],
)
def test_where_it_lies(path: str, options: dict[str, str], found: str) -> None:
    assert BESIDE.find_path(path, options) == found
    assert BESIDE.is_path(found, options)
    assert not BESIDE.is_path(path, options) or options.get("fisher")


@pytest.mark.parametrize(
    "text", ["", "/a", "../a", "a/../b", "a//b", "./a", "a/.", ".git/hooks/x", "a\0b", "a\nb", "a/"]
)
def test_nothing_outside_of_the_tree(text: str) -> None:
    with pytest.raises(UsageError, match="no path inside the tree"):
        require_tree_path(text)


@pytest.mark.parametrize("text", ["{stem}" * 4, "a/" + "{stem}{name}a" * 12 + "!", "a/" * 3000 + "b"])
def test_patterns_that_take_for_ever_to_match_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="too long, or has too much"):
        BESIDE.find_path("model.safetensors", {"fisher": text})
    with pytest.raises(UsageError, match="too long, or has too much"):
        BESIDE.is_path("m" * 255, {"fisher": text})


@dataclass(frozen=True)
class Reading(Strategy):
    companions: tuple[Companion, ...] = (BESIDE,)

    def merge(self, contest: Contest):  # type: ignore[no-untyped-def]
        yield from contest.heads()[0].operand.arrays(contest.library)


READING = Reading("reading", "Reads.", "nobody")
HEADS = (operand([1.0, 2.0]), operand([3.0, 4.0]))


@pytest.mark.parametrize(
    ("fisher", "why"),
    [
        ((), "heads 1, 2 are without it"),
        ((operand([1.0, 1.0]), None), "head 2 is without it"),
        ((operand([1.0, 1.0]), operand([1.0])), r"its fisher is F32 \[1\], and the parameter F32 \[2\]"),
        ((operand([1.0, 1.0], "F64"), operand([1.0, 1.0])), "its fisher is F64"),
    ],
)
def test_every_head_has_one_of_the_same_shape(fisher: tuple[object, ...], why: str) -> None:
    asked = Contest("w", HEADS, companions={"fisher": fisher} if fisher else {})  # type: ignore[dict-item]
    with pytest.raises(ConflictError, match=why):
        check_contest(READING, asked)
    check_contest(READING, replace(asked, companions={"fisher": (operand([1.0, 1.0], "BF16"),) * 2}))


def test_heads_alike_are_told_apart_by_their_companions() -> None:
    alike = Contest("w", (HEADS[0], HEADS[0]), companions={"fisher": HEADS})
    other = replace(alike, companions={"fisher": HEADS[::-1]})
    assert [alike.companion("fisher", head).oid for head in alike.heads()] == [
        other.companion("fisher", head).oid for head in other.heads()
    ]


def test_without_git_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("git_theta.merging.state_dicts.load_strategy", lambda _: READING)
    with pytest.raises(ConflictError, match=r"reading reads \{stem\}.fisher\{suffix\} \(fisher\) of each"):
        merge_tensors("reading", [np.ones(2, "f4"), np.full(2, 3, "f4")], np.zeros(2, "f4"))


def test_a_companion_itself_is_merged_by_another_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("git_theta.merging.policies.treatments.load_strategy", lambda _: READING)
    chosen = Choice("reading", {}, "-s")
    assert spare_companion(chosen, "model.safetensors") is chosen
    spared = spare_companion(chosen, "a/model.fisher.safetensors")
    assert (spared.strategy, spared.origin) == ("average", "-s: a companion of reading")
    other = Choice("reading", {"no such option": 1}, "-s")
    assert spare_companion(other, "a/model.fisher.safetensors") is other
