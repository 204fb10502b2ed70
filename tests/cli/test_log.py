"""``git theta log``: which commits changed parameters, told from manifests alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from git_theta.operations.comparing.parameter_history import _find_named_objects
from tests.chained_versions import depth_at, version
from tests.manifest_history import Story, manifest
from tests.sandbox import Sandbox
from tests.work_units import takes_fewer_units

MODEL = {f"layer.{index}.weight": f"w{index}" for index in range(8)}
FILE = "model.safetensors"


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(Sandbox.create(tmp_path / "repository", install=False))


def logged(story: Story, *args: str) -> list[dict[str, Any]]:
    """The commits of ``git theta log --json``."""
    found: list[dict[str, Any]] = json.loads(story.sandbox.theta("log", "--json", *args).stdout)
    return found


def subjects(story: Story, *args: str) -> list[str]:
    return [one["subject"] for one in logged(story, *args)]


def test_commits_are_told_with_what_they_changed_and_stored(story: Story) -> None:
    story.commit("Base", {FILE: MODEL})
    story.commit("Readme", {"README": b"text\n"})
    story.commit("Tune", {FILE: MODEL | {"layer.0.weight": "new", "head": "w1"}})
    tune, base = logged(story)
    assert (tune["subject"], base["subject"]) == ("Tune", "Base")
    (file,) = tune["checkpoints"]
    assert {key: number for key, number in file["counts"].items() if number} == {"changed": 1, "added": 1}
    names = {change["name"]: change["status"] for change in file["changes"]}
    assert names == {"layer.0.weight": "changed", "head": "added"}
    frame = len("".join(MODEL) + "head")
    assert tune["stored"] == 4096 + frame, "what head holds was stored with layer.1 before"
    text = story.sandbox.theta("log").stdout
    assert f" {FILE}: 1 changed, 1 added of 9 parameters; 4.2 kB stored\n" in text
    assert "   ~ layer.0.weight\n   + head\n" in text


def test_a_glob_chooses_commits_and_limits_them(story: Story) -> None:
    story.commit("Base", {FILE: MODEL})
    story.commit("Metadata", {FILE: manifest(MODEL, metadata="x")})
    story.commit("One", {FILE: MODEL | {"layer.1.weight": "a"}})
    story.commit("Two", {FILE: MODEL | {"layer.1.weight": "a", "layer.2.weight": "b"}})
    assert subjects(story, "-p", "layer.1.*") == ["One", "Base"]
    assert subjects(story, "-p", "layer.1.*", "-n", "1") == ["One"]
    assert subjects(story, "-1") == ["Two"]
    assert subjects(story, "-2", "main~1", "--", FILE) == ["One", "Metadata"]
    assert subjects(story) == ["Two", "One", "Metadata", "Base"]
    assert subjects(story, "main~3..main~1") == ["One", "Metadata"]


def test_all_is_branches_and_tags_and_what_is_checked_out(story: Story) -> None:
    story.commit("Base", {FILE: MODEL})
    for name in ("branch", "tag", "detached"):
        story.commit(name, {FILE: MODEL | {"layer.1.weight": name}}, branch=name, parents=["main"])
    story.sandbox.git("tag", "a-tag", "tag")
    story.sandbox.git("update-ref", "--no-deref", "HEAD", "detached")
    story.sandbox.git("branch", "-q", "-D", "tag", "detached")
    assert sorted(subjects(story, "--all")) == ["Base", "branch", "detached", "tag"]
    assert sorted(subjects(story)) == ["Base", "detached"]


def test_a_glob_that_matches_nothing_is_told(story: Story) -> None:
    story.commit("Base", {FILE: MODEL})
    done = story.sandbox.theta("log", "-p", "layer.1.*", "-p", "lair.*")
    assert "Base" in done.stdout
    assert "no commit there changed a parameter that matches 'lair.*'\n" in done.stderr
    assert "lair" not in story.sandbox.theta("log", "-p", "lair.*", "-n", "1").stderr
    assert story.sandbox.theta("log", "-p", "layer.*").stderr == ""


def test_renamed_files_are_followed_and_others_are_not(story: Story) -> None:
    story.commit("Base", {"old.safetensors": MODEL, "other.safetensors": {"a": "1"}})
    story.commit("Tune", {"old.safetensors": MODEL | {"layer.0.weight": "new"}})
    story.commit("Other", {"other.safetensors": {"a": "2"}})
    story.rename("old.safetensors", "new.safetensors")
    changed = {"new.safetensors": MODEL | {"layer.0.weight": "newer"}, "old.safetensors": {"b": "another"}}
    story.commit("Tune again", changed)
    assert subjects(story, "--", "new.safetensors") == ["Tune again", "Tune", "Base"]
    assert subjects(story, "--", "old.safetensors")[0] == "Tune again"
    base = logged(story, "-n", "9", "--", "new.safetensors")[-1]
    assert [file["path"] for file in base["checkpoints"]] == ["old.safetensors"]


def test_a_renamed_parameter_is_renamed_not_added_and_removed(story: Story) -> None:
    story.commit("Base", {FILE: MODEL})
    renamed = {name.replace("layer.7", "head"): value for name, value in MODEL.items()}
    story.commit("Rename", {FILE: renamed})
    (change,) = logged(story)[0]["checkpoints"][0]["changes"]
    assert (change["status"], change["was"], change["name"]) == ("renamed", "layer.7.weight", "head.weight")


def test_a_file_that_was_converted_is_no_other_layout(story: Story) -> None:
    """Its objects, which are not here, are not asked for."""
    story.commit("Base", {"model.bin": manifest(MODEL).replace(b'"safetensors"', b'"torch"')})
    story.commit("Convert", {"model.bin": None, FILE: MODEL})
    done = story.sandbox.theta("log", "--json")
    converted = json.loads(done.stdout)[0]["checkpoints"][0]
    assert (converted["was"], converted["changes"], converted["rest"]) == ("model.bin", [], True)
    assert done.stderr == ""


def test_a_merge_counts_where_a_parameter_is_as_in_none_of_its_parents(story: Story) -> None:
    base = story.commit("Base", {FILE: MODEL})
    story.commit("Side", {FILE: MODEL | {"layer.0.weight": "s", "layer.2.weight": "s"}}, branch="side")
    story.commit("Main", {FILE: MODEL | {"layer.1.weight": "m", "layer.2.weight": "m"}}, parents=[base])
    taken = MODEL | {"layer.0.weight": "s", "layer.1.weight": "m", "layer.2.weight": "m"}
    story.commit("Merge, nothing new", {FILE: taken}, parents=["main", "side"])
    assert subjects(story) == ["Main", "Side", "Base"]
    story.commit("More", {FILE: taken | {"layer.2.weight": "t"}}, branch="side", parents=["side"])
    averaged = taken | {"layer.2.weight": "average"}
    story.commit("Merge, averaged", {FILE: averaged}, parents=["main", "side"])
    merge = logged(story)[0]
    assert merge["subject"] == "Merge, averaged"
    assert [change["name"] for change in merge["checkpoints"][0]["changes"]] == ["layer.2.weight"]


def test_shards_are_one_checkpoint_and_parameters_move_between_them(story: Story) -> None:
    first, second = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
    low, high = dict(list(MODEL.items())[:4]), dict(list(MODEL.items())[4:])
    story.commit("Base", {first: low, second: high})
    moved = low.pop("layer.3.weight")
    story.commit("Balance", {first: low, second: {"layer.3.weight": moved} | high})
    (file,) = logged(story, "-n", "1")[0]["checkpoints"]
    assert file["path"] == "model.safetensors.index.json"
    assert [(change["name"], change["status"]) for change in file["changes"]] == [("layer.3.weight", "moved")]
    story.commit("Tune", {second: {"layer.3.weight": moved} | high | {"layer.7.weight": "new"}})
    (file,) = logged(story, "-n", "1")[0]["checkpoints"]
    assert (file["path"], file["was"]) == ("model.safetensors.index.json", None)


def test_pathspecs_are_relative_to_the_current_folder(story: Story) -> None:
    story.commit("Base", {"a/model.pt": MODEL, "b/model.pt": {"x": "1"}})
    story.commit("B", {"b/model.pt": {"x": "2"}})
    folder = story.sandbox.root / "b"
    folder.mkdir()
    assert json.loads(Sandbox(folder).theta("log", "--json", "-n1", "--", "model.pt").stdout)[0]["subject"] == "B"
    assert subjects(story, "--", "a") == ["Base"]


def test_what_a_shallow_clone_lacks_is_said(story: Story, tmp_path: Path) -> None:
    story.commit("Base", {FILE: MODEL})
    story.commit("Tune", {FILE: MODEL | {"layer.0.weight": "new"}})
    story.sandbox.git("clone", "--quiet", "--bare", "--depth=1", f"file://{story.sandbox.root}", tmp_path / "shallow")
    text = Sandbox(tmp_path / "shallow").theta("log").stdout
    assert "    (a shallow clone ends here: everything counts as added)\n" in text


def test_mistakes_are_said_in_words(story: Story) -> None:
    unborn = story.sandbox.theta("log", check=False)
    assert (unborn.returncode, unborn.stderr.splitlines()[0]) == (2, "theta: error: there is no commit yet")
    story.commit("Base", {FILE: MODEL, "README": b"text\n"})
    for words, what in [(["--", "README"], "no commit has a checkpoint there: README"), (["nix"], "no revision here")]:
        done = story.sandbox.theta("log", *words, check=False)
        assert done.returncode == 2
        assert what in done.stderr


def test_names_cannot_steer_the_terminal(story: Story) -> None:
    story.commit("Base \x1b[31m", {FILE: {"evil\x1b[2J": "1"}})
    text = story.sandbox.theta("log").stdout
    assert "\x1b" not in text
    assert r"+ evil\x1b[2J" in text


def test_what_another_file_had_already_is_not_stored_again(sandbox: Sandbox) -> None:
    """A copy of a version that is stored as a difference, and another file that becomes the same."""
    sandbox.theta("track", "*.safetensors")
    files = ({FILE: version(0)}, {FILE: version(1), "other.safetensors": version(0, "embed")},
             {"copy.safetensors": version(1)}, {"other.safetensors": version(1)})  # fmt: skip
    for number, changed in enumerate(files):
        for path, content in changed.items():
            sandbox.write(path, content)
        sandbox.commit(f"{number}")
    assert depth_at(sandbox, path="copy.safetensors") == 1
    again, copied, *_ = json.loads(sandbox.theta("log", "--json").stdout)
    assert [one["stored"] for one in (again, copied)] == [0, 0]


def test_bytes_stored_are_told_as_quickly_of_many_parameters_as_of_few(story: Story) -> None:
    """Each object was looked for in all of the former manifest: 17 s for 20,000 parameters."""
    names = [f"w{number}" for number in range(4000)]
    story.commit("one", {FILE: dict.fromkeys(names, "the same") | {"other": "1"}})
    story.commit("two", {FILE: {name: name for name in names} | {"other": "1"}})
    former, oids = story.sandbox.git("show", f"main~:{FILE}").stdout.encode(), [f"{n:064x}" for n in range(4000)]
    assert _find_named_objects([former], oids) == set()
    assert takes_fewer_units(10, lambda: _find_named_objects([former], oids))
    assert "4,000 changed of 4,001 parameters; 16.4 MB stored" in story.sandbox.theta("log", "-n", "1").stdout


def test_a_line_for_each_commit(story: Story) -> None:
    story.commit("Base", {FILE: MODEL})
    tip = story.commit("Tune", {FILE: MODEL | {"layer.0.weight": "new"}})
    lines = story.sandbox.theta("log", "--oneline").stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(tip[:12])
    assert f"Tune [{FILE}: 1 changed of 8 parameters; 4.1 kB stored]" in lines[0]
    assert "Base" in lines[1]


def test_options_of_git_that_people_type_behind_the_command(story: Story) -> None:
    story.commit("Base", {FILE: MODEL})
    for command in (["log"], ["diff", "HEAD", "HEAD"], ["show"], ["blame", FILE], ["log", "--oneline"]):
        assert story.sandbox.theta(*command, "--no-pager").stdout == story.sandbox.theta(*command).stdout
