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


# Checkpoints of several files ----------------------------------------------------------------------------------------

INDEX = "model.safetensors.index.json"


def shards(*cuts: dict[str, str], names: str = "model-{:05d}-of-{:05d}.safetensors") -> dict[str, Any]:
    """The files of a checkpoint that is cut so, with their index; what another cut has left is removed."""
    files = {names.format(number, len(cuts)): values for number, values in enumerate(cuts, 1)}
    places = {name: file for file, values in files.items() for name in values}
    return {**files, INDEX: json.dumps({"weight_map": places}).encode()}


def cut(values: dict[str, str], *sizes: int, **how: str) -> dict[str, Any]:
    """A checkpoint in shards of so many parameters."""
    left = list(values.items())
    return shards(*[dict(left.pop(0) for _ in range(size)) for size in sizes], **how)


@pytest.fixture
def sharded(tmp_path: Path) -> Story:
    """A checkpoint of two shards on main."""
    story = Story(Sandbox.create(tmp_path / "repository"))
    story.commit("Base", {**cut(MODEL, 2, 3), ".gitattributes": b"*.safetensors filter=theta -text\n"})
    return story


def gone(*sizes: int) -> dict[str, None]:
    """What a cut left, to be removed."""
    return {path: None for path in cut(MODEL, *sizes) if path != INDEX}


def test_a_sharded_run_that_did_not_train_is_noticed_once(sharded: Story) -> None:
    sharded.commit("Train", {path: manifest(values, metadata="new") if isinstance(values, dict) else values
                             for path, values in cut(MODEL, 2, 3).items()})  # fmt: skip
    assert alarms(sharded) == [("same-as-parent", "Train", "Base")]
    assert noted(sharded).count(INDEX) == 1
    assert "with the weights of its parent" in noted(sharded)
    sharded.commit("Train", cut(TRAINED, 2, 3))
    assert noted(sharded) == ""


def test_a_shard_that_two_runs_have_in_common_is_no_checkpoint(sharded: Story) -> None:
    sharded.commit("Train", cut(TRAINED | {"layer.3.weight": "1"}, 2, 3), branch="one")
    sharded.commit("Train", cut(TRAINED | {"layer.3.weight": "2"}, 2, 3), branch="two")
    assert alarms(sharded, "one", "two") == []
    assert noted(sharded) == ""


def test_two_runs_with_the_same_outcome_are_noticed_however_they_cut_it(sharded: Story) -> None:
    sharded.commit("One", cut(TRAINED, 2, 3), branch="one")
    sharded.commit("Two", {**gone(2, 3), **cut(TRAINED, 1, 2, 2)}, branch="two")
    assert alarms(sharded, "two") == [("same-as-other-branch", "Two", "One")]
    assert "both changed the weights" in noted(sharded)


def test_to_cut_a_checkpoint_anew_is_no_training(sharded: Story) -> None:
    sharded.commit("Cut", {**gone(2, 3), **cut(MODEL, 1, 2, 2)})
    sharded.commit("Join", {**gone(1, 2, 2), INDEX: None, FILE: MODEL})
    assert alarms(sharded) == []
    assert noted(sharded) == ""


def test_weights_that_came_back_in_another_cut_are_restored_not_trained(sharded: Story) -> None:
    sharded.commit("Train", cut(TRAINED, 2, 3), branch="one")
    sharded.commit("Cut", {**gone(2, 3), **cut(TRAINED, 1, 2, 2)}, branch="one", parents=["one"])
    sharded.commit("Back", {**gone(1, 2, 2), **cut(MODEL, 2, 3)}, branch="one", parents=["one"])
    sharded.commit("Again", cut(TRAINED, 2, 3), branch="one", parents=["one"])
    sharded.commit("Train", cut(TRAINED, 2, 3), branch="two")
    assert alarms(sharded, "one", "two") == [("same-as-other-branch", "Train", "Train")]


def test_shards_that_only_their_index_tells_are_one_checkpoint_in_the_log(tmp_path: Path) -> None:
    story = Story(Sandbox.create(tmp_path / "repository"))
    names = "part{}of{}.safetensors"
    story.commit("Base", {**cut(MODEL, 2, 3, names=names), ".gitattributes": b"*.safetensors filter=theta -text\n"})
    story.commit("Train", cut(TRAINED, 1, 4, names=names))
    first, base = json.loads(story.sandbox.theta("log", "--json").stdout)
    assert [one["path"] for one in (*first["checkpoints"], *base["checkpoints"])] == [INDEX, INDEX]
    assert {one["name"]: one["status"] for one in first["checkpoints"][0]["changes"]} == {
        "layer.0.weight": "changed", "layer.1.weight": "changed"
    }  # fmt: skip
    story.commit("Move", cut(TRAINED, 2, 3, names=names))
    (moved,) = json.loads(story.sandbox.theta("log", "--json", "-n", "1").stdout)[0]["checkpoints"]
    assert [(one["name"], one["status"]) for one in moved["changes"]] == [("layer.1.weight", "moved")]
    blamed = json.loads(story.sandbox.theta("blame", "--json", INDEX).stdout)
    assert {one["name"]: one["subject"] for one in blamed} == {
        name: "Train" if TRAINED[name] != MODEL[name] else "Base" for name in MODEL
    }
