"""Looking back in real repositories: weights that are the same where they should differ, and values that broke."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.manifest_history import Story, manifest
from tests.sandbox import Sandbox, changed, model

MODEL = {f"layer.{index}.weight": f"w{index}" for index in range(4)} | {"step": "0"}
TRAINED = MODEL | {"layer.0.weight": "new", "layer.1.weight": "new too"}
FILE = "model.safetensors"


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """A checkpoint on main, which is checked out as its manifest."""
    story = Story(Sandbox.create(tmp_path / "repository"))
    story.commit("Base", {FILE: MODEL, ".gitattributes": b"*.safetensors filter=theta -text\n"})
    return story


def alarms(story: Story, *args: str) -> list[tuple[str, str, str]]:
    """What `git theta log` finds alarming: kind, and the subjects of both commits."""
    found: list[dict[str, Any]] = json.loads(story.sandbox.theta("log", "--json", *args).stdout)
    return [
        (alarm["kind"], *(_subject(story, alarm[key]) for key in ("commit", "same_as")))
        for commit in found
        for alarm in commit["alarms"]
    ]


def _subject(story: Story, commit: str) -> str:
    return story.sandbox.git("log", "-1", "--format=%s", commit).stdout.strip()


def noted(story: Story) -> str:
    """What `git theta doctor` says of weights."""
    story.sandbox.git("read-tree", "HEAD")
    found = json.loads(story.sandbox.theta("doctor", "--json", check=False).stdout)
    (finding,) = [one for one in found if one["check"] == "weights"]
    assert finding["state"] in ("ok", "note")
    return str(finding["text"])


def test_two_runs_with_the_same_outcome_are_noticed(story: Story) -> None:
    one = story.commit("Train with seed 1", {FILE: TRAINED | {"step": "1"}}, branch="seed1")
    story.commit("Train with seed 2", {FILE: TRAINED | {"step": "2"}}, branch="seed2")
    expected = [("same-as-other-branch", "Train with seed 2", "Train with seed 1")]
    assert alarms(story, "seed2") == alarms(story, "seed2", "--", FILE) == expected
    assert f"{one[:12]} (on seed1) both changed the weights" in story.sandbox.theta("log", "seed2").stdout
    assert "(on seed1)" in noted(story)
    story.commit("Train on", {FILE: TRAINED | {"layer.2.weight": "1"}}, branch="seed1", parents=["seed1"])
    assert noted(story), "seed2 has them still"
    story.commit("Train on", {FILE: TRAINED | {"layer.2.weight": "2"}}, branch="seed2", parents=["seed2"])
    assert noted(story) == "", "it is past"


def test_a_run_that_did_not_train_is_noticed(story: Story) -> None:
    story.commit("Train", {FILE: MODEL | {"step": "1000"}})
    assert alarms(story) == [("same-as-parent", "Train", "Base")]
    assert "with the weights of its parent" in noted(story)
    story.commit("Train", {FILE: TRAINED})
    assert noted(story) == ""


def test_merges_cherry_picks_and_reverts_are_left_alone(story: Story) -> None:
    now = 1_200_000_000
    story.commit("Train", {FILE: TRAINED}, branch="topic", written=now)
    story.commit("Readme", {"README": b"text\n"})
    story.commit("Train", {FILE: TRAINED}, branch="picked", written=now)
    story.commit("Merge", {FILE: TRAINED}, parents=["main", "topic"])
    story.commit("Revert", {FILE: MODEL})
    story.commit("Revert the revert", {FILE: TRAINED})
    story.commit("Back to the base", {FILE: MODEL}, branch="picked", parents=["picked"])
    story.commit("Rename", {FILE: None, "best.safetensors": TRAINED})
    for tip in ("main", "topic", "picked"):
        assert alarms(story, tip) == []
    assert noted(story) == ""


def test_adding_the_same_pretrained_model_is_no_training(story: Story) -> None:
    story.commit("Add", {"pretrained.safetensors": MODEL}, branch="one")
    story.commit("Add it, too", {"pretrained.safetensors": manifest(MODEL, metadata="x")}, branch="two")
    assert alarms(story, "one", "two") == []


def test_values_that_broke_are_found_when_asked_for(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write(FILE, model())
    sandbox.commit()
    assert "ok: values" in sandbox.theta("doctor", "--values").stdout
    sandbox.write(FILE, changed(model(), "layer.bias", b"\0\0\xc0\x7f\0\0\x80\x7f"))
    sandbox.commit()
    broken = sandbox.theta("doctor", "--values", check=False)
    assert broken.returncode == 1
    said = f"problem: values: {FILE}: 1 NaN and 1 infinite appeared with HEAD in 1 parameter: layer.bias"
    assert said in broken.stdout
    assert "values" not in sandbox.theta("doctor").stdout, "tensors are read on request alone"
