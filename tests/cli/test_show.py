"""``git theta show``: what one version of a checkpoint is made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.manifest_history import Story
from tests.sandbox import Sandbox, model, safetensors_bytes

FILE = "model.safetensors"


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(Sandbox.create(tmp_path / "repository", install=False))


@pytest.fixture
def large(story: Story) -> Story:
    """A checkpoint of a thousand parameters in an encoder and a head, two of them tied."""
    layers = {f"model.encoder.{index}.{name}": f"{index}{name}" for index in range(499) for name in ("q", "k")}
    story.commit("Base", {FILE: {"model.embed=head.weight": "e", "head.bias": "b", **layers}})
    return story


def test_a_thousand_parameters_are_told_by_modules(large: Story) -> None:
    lines = large.sandbox.theta("show", FILE, "--depth", "1").stdout.splitlines()
    assert lines[:1] == [f"{FILE} at HEAD"]
    assert "parameters  1,000, 1.02 M elements, 4.1 MB" in lines
    assert "tied        model.embed = head.weight" in lines
    rows = [line.split() for line in lines[lines.index("") + 1 :]]
    assert [(row[0], row[1]) for row in rows[1:]] == [("(all)", "1,000"), ("model", "999"), ("head", "1")]
    deep = large.sandbox.theta("show", FILE).stdout.splitlines()
    assert any(line.startswith("    encoder ") for line in deep)
    assert len(deep) < 20
    every = large.sandbox.theta("show", FILE, "--parameters", "-p", "model.encoder.1*").stdout.splitlines()
    assert len([line for line in every if line.startswith("model.encoder.1")]) == 2 * (1 + 10 + 100)


def test_a_version_is_named_as_for_git_show(story: Story) -> None:
    story.commit("Base", {f"sub/{FILE}": {"a": "1"}})
    story.commit("More", {f"sub/{FILE}": {"a": "1", "b": "2"}})
    story.sandbox.git("reset", "--quiet", "main~1")  # what the index holds; HEAD is there, too
    (story.sandbox.root / "sub").mkdir()
    below = Sandbox(story.sandbox.root / "sub")

    def names(where: Sandbox, name: str) -> list[str]:
        return [entry["name"] for entry in json.loads(where.theta("show", "--json", name).stdout)["parameters"]]

    assert names(story.sandbox, f"HEAD@{{1}}:sub/{FILE}") == ["a", "b"]
    assert names(below, f"HEAD@{{1}}:sub/{FILE}") == ["a", "b"], "from the top"
    assert names(below, f"HEAD@{{1}}:./{FILE}") == ["a", "b"], "from here"
    for where, name in [(below, FILE), (story.sandbox, f":sub/{FILE}"), (below, f":./{FILE}"), (below, "main")]:
        assert names(where, name) == ["a"], name


def test_shards_are_one_checkpoint(story: Story) -> None:
    first, second = (f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
    index = json.dumps({"weight_map": {"a": first, "b": second}}).encode()
    story.commit("Base", {first: {"a": "1"}, second: {"b": "2"}, "model.safetensors.index.json": index})
    for name in ("main", "HEAD:model.safetensors.index.json"):
        shown = json.loads(story.sandbox.theta("show", "--json", name).stdout)
        assert [file["path"] for file in shown["files"]] == [first, second]
        assert shown["total"]["parameters"] == 2


def test_what_shares_bytes_is_told_and_counted_once(story: Story) -> None:
    story.commit("Base", {FILE: {"a": "1", "b": "1", "c": "2"}})
    shown = json.loads(story.sandbox.theta("show", "--json").stdout)
    assert shown["shared"] == [["a", "b"]]
    assert (shown["total"]["size"], shown["total"]["stored"]) == (3 * 4096, 2 * 4096)
    assert "shared      a = b\n" in story.sandbox.theta("show").stdout


def test_metadata_come_from_the_frame(sandbox: Sandbox) -> None:
    import torch

    sandbox.theta("track", "*.safetensors", "*.pt")
    sandbox.write(FILE, safetensors_bytes({"a": ("U8", (1,), b"x")}, {"format": "pt", "evil": "\x1b[2J"}))
    torch.save({"model": {"w": torch.zeros(3)}, "epoch": 3, "config": {"lr": 0.5}}, sandbox.root / "run.pt")
    sandbox.git("add", "--all")
    data = [json.loads(sandbox.theta("show", "--json", f":{path}").stdout) for path in (FILE, "run.pt")]
    assert [one["files"][0]["metadata"] for one in data] == [
        {"format": "pt", "evil": "\x1b[2J"},
        {"epoch": 3, "config.lr": 0.5},
    ]
    text = sandbox.theta("show", f":{FILE}").stdout
    assert "metadata    format: pt\n            evil: \\x1b[2J\n" in text
    for file in (sandbox.root / ".git/theta/objects").rglob("?" * 64):
        file.unlink()
    assert "metadata    cannot be read: " in sandbox.theta("show", f":{FILE}").stdout, "the rest is shown"


def test_metadata_come_from_a_header_that_is_longer_than_frames_are(sandbox: Sandbox) -> None:
    """Then it is parts without names, and there may be no frame at all."""
    sandbox.theta("track", "*.safetensors")
    tensors = {f"{number:05}": ("U8", (1,), b"x") for number in range(2000)}
    sandbox.write(FILE, safetensors_bytes(tensors, {"format": "pt"}))
    sandbox.commit()
    assert '"range"' in sandbox.git("show", f"HEAD:{FILE}").stdout
    (shown,) = json.loads(sandbox.theta("show", "--json", FILE).stdout)["files"]
    assert shown["metadata"] == {"format": "pt"}


def test_bare_repositories_are_no_hindrance(large: Story, tmp_path: Path) -> None:
    bare = Sandbox(tmp_path / "bare")
    large.sandbox.git("clone", "--quiet", "--bare", large.sandbox.root, bare.root)
    for name in (FILE, f"HEAD:{FILE}", "main"):
        assert bare.theta("show", name).stdout.startswith(FILE)


def test_before_the_first_commit_the_index_can_be_shown(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write(FILE, model())
    sandbox.git("add", "--all")
    assert sandbox.theta("show", f":{FILE}").stdout.startswith(f"{FILE} at the index\n")
    for name in ("HEAD", FILE):
        done = sandbox.theta("show", name, check=False)
        assert (done.returncode, done.stderr.splitlines()[0]) == (2, "theta: error: there is no commit yet")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("HEAD", "HEAD has 2 checkpoints: a.pt, b.pt"),
        ("HEAD:README", "'README' is no checkpoint in HEAD: Git has it as it is"),
        ("HEAD:nix", "'nix' is no file in HEAD"),
        ("nix", "'nix' is no revision, and no file at HEAD"),
        ("nix:a.pt", "'nix' is no revision here"),
        ("main", "'main' is a revision and a path"),
    ],
)
def test_mistakes_are_said_in_words(story: Story, name: str, what: str) -> None:
    files: dict[str, dict[str, str] | bytes] = {"a.pt": {"a": "1"}, "b.pt": {"a": "2"}, "README": b"", "main": b""}
    story.commit("Base", files)
    done = story.sandbox.theta("show", name, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, f"theta: error: {what}")


def test_shards_that_say_the_same_say_it_once(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    for number in (1, 2):
        tensors = {f"w{number}": ("U8", (1,), b"x")}
        sandbox.write(f"model-0000{number}-of-00002.safetensors", safetensors_bytes(tensors, {"format": "pt"}))
    weights = {f"w{number}": f"model-0000{number}-of-00002.safetensors" for number in (1, 2)}
    sandbox.write("model.safetensors.index.json", json.dumps({"weight_map": weights}).encode())
    sandbox.commit()
    assert sandbox.theta("show", "HEAD:model.safetensors.index.json").stdout.count("format: pt") == 1
