"""``git theta blame``: the commit that last changed each parameter, told from manifests alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.manifest_history import Story
from tests.sandbox import Sandbox

MODEL = {f"layer.{index}.weight": f"w{index}" for index in range(6)}
FILE = "model.safetensors"


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(Sandbox.create(tmp_path / "repository", install=False))


def blamed(story: Story, *args: str) -> dict[str, str]:
    """Name of each parameter to the subject of the commit that is blamed for it."""
    found = json.loads(story.sandbox.theta("blame", "--json", *args).stdout)
    return {one["name"]: one["subject"] for one in found}


def test_each_parameter_has_its_commit(story: Story) -> None:
    base = story.commit("Base", {FILE: MODEL})
    tune = story.commit("Tune", {FILE: MODEL | {"layer.1.weight": "a", "head": "h"}})
    story.commit("Readme", {"README": b"text\n"})
    found = blamed(story, f"./{FILE}")
    assert found == dict.fromkeys(MODEL, "Base") | {"layer.1.weight": "Tune", "head": "Tune"}
    lines = story.sandbox.theta("blame", FILE, "-p", "layer.[01].*").stdout.splitlines()
    assert lines == [
        f"{base[:8]} (A. U. Thor 2005-04-07 22:13:13 +0000) layer.0.weight Base",
        f"{tune[:8]} (A. U. Thor 2005-04-07 22:13:14 +0000) layer.1.weight Tune",
    ]
    assert blamed(story, FILE, base) == blamed(story, base, "--", FILE) == dict.fromkeys(MODEL, "Base")


def test_a_parameter_that_came_back_is_blamed_on_who_brought_it(story: Story) -> None:
    story.commit("Base", {FILE: MODEL})
    story.commit("Change", {FILE: MODEL | {"layer.1.weight": "a"}})
    story.commit("Revert", {FILE: MODEL})
    assert blamed(story, FILE) == dict.fromkeys(MODEL, "Base") | {"layer.1.weight": "Revert"}


def test_files_and_parameters_are_followed_through_renames(story: Story) -> None:
    story.commit("Base", {FILE: MODEL})
    renamed = {name.replace("layer.5", "head"): value for name, value in MODEL.items()}
    story.commit("Rename a parameter", {FILE: renamed})
    story.rename(FILE, "best.safetensors")
    story.commit("Tune", {"best.safetensors": renamed | {"layer.0.weight": "new"}})
    assert blamed(story, "best.safetensors") == dict.fromkeys(renamed, "Base") | {"layer.0.weight": "Tune"}
    (head,) = json.loads(story.sandbox.theta("blame", "--json", "best.safetensors", "-p", "head.*").stdout)
    assert (head["path_there"], head["name_there"]) == (FILE, "layer.5.weight")
    assert "head.weight (was layer.5.weight)" in story.sandbox.theta("blame", "best.safetensors").stdout


def test_of_a_merge_the_parent_with_the_same_values_is_blamed(story: Story) -> None:
    base = story.commit("Base", {FILE: MODEL})
    story.commit("Side", {FILE: MODEL | {"layer.0.weight": "s", "layer.2.weight": "s"}}, branch="side")
    story.commit("Main", {FILE: MODEL | {"layer.1.weight": "m", "layer.2.weight": "m"}}, parents=[base])
    merged = MODEL | {"layer.0.weight": "s", "layer.1.weight": "m", "layer.2.weight": "average"}
    story.commit("Merge", {FILE: merged}, parents=["main", "side"])
    expected = {"layer.0.weight": "Side", "layer.1.weight": "Main", "layer.2.weight": "Merge"}
    assert blamed(story, FILE) == dict.fromkeys(MODEL, "Base") | expected


def test_a_checkpoint_of_shards_is_blamed_by_its_index(story: Story) -> None:
    first, second = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
    low, high = dict(list(MODEL.items())[:3]), dict(list(MODEL.items())[3:])
    places = dict.fromkeys(low, first) | dict.fromkeys(high, second)
    index = json.dumps({"weight_map": places}).encode()
    story.commit("Base", {first: low, second: high, "model.safetensors.index.json": index})
    moved = low.pop("layer.2.weight")
    story.commit("Balance", {first: low, second: high | {"layer.2.weight": moved, "layer.4.weight": "new"}})
    found = blamed(story, "model.safetensors.index.json")
    assert found == dict.fromkeys(MODEL, "Base") | {"layer.4.weight": "Balance"}


def test_what_was_cut_into_shards_of_little_likeness_is_followed(story: Story) -> None:
    """Git takes no shard here for a renamed one, as none is half alike."""
    first = "model-00001-of-0000{}.safetensors"
    files = {f"model-{at:05d}-of-00007.safetensors": {name: MODEL[name]} for at, name in enumerate(MODEL, 1)}
    story.commit("Base", {first.format(2): MODEL, first.format(2).replace("1", "2"): {"head": "h"}})
    last = {"model-00007-of-00007.safetensors": {"head": "h"}}
    gone = {first.format(2): None, first.format(2).replace("1", "2"): None}
    index = {"weight_map": {name: file for file, names in (files | last).items() for name in names}}
    name = "model.safetensors.index.json"
    story.commit("Cut", {**gone, **files, **last, name: json.dumps(index).encode()})
    assert blamed(story, name) == dict.fromkeys((*MODEL, "head"), "Base")


def test_tied_names_are_blamed_each(story: Story) -> None:
    story.commit("Base", {FILE: {"embed": "1", "head": "2"}})
    story.commit("Tie", {FILE: {"embed=head": "1"}})
    assert blamed(story, FILE) == {"embed": "Base", "head": "Tie"}


def test_the_end_of_a_shallow_clone_is_marked(story: Story, tmp_path: Path) -> None:
    story.commit("Base", {FILE: MODEL})
    second = story.commit("Second", {FILE: MODEL | {"layer.0.weight": "a"}})
    story.commit("Third", {FILE: MODEL | {"layer.0.weight": "a", "layer.1.weight": "b"}})
    shallow = Sandbox(tmp_path / "shallow")
    story.sandbox.git("clone", "--quiet", "--bare", "--depth=2", f"file://{story.sandbox.root}", shallow.root)
    marks = {line[:8] for line in shallow.theta("blame", FILE).stdout.splitlines()}
    assert f"^{second[:7]}" in marks
    assert len(marks) == 2


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["README"], "'README' is no checkpoint in HEAD: Git has it as it is"),
        (["nix"], "'nix' is no file in HEAD"),
        (["../nix"], "'../nix' is outside of the repository"),
        ([FILE, "nix"], "'nix' is no revision here"),
        ([FILE, "HEAD^{tree}"], "'HEAD^{tree}' is no commit"),
        ([FILE, "-p", "nix"], f"no parameter of {FILE} matches"),
        ([], "one file, and at most one revision"),
    ],
)
def test_mistakes_are_said_in_words(story: Story, words: list[str], what: str) -> None:
    story.commit("Base", {FILE: MODEL, "README": b"text\n"})
    done = story.sandbox.theta("blame", *words, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, f"theta: error: {what}")
