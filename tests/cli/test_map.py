"""``git theta map``, as a person types it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from tests.sandbox import Sandbox, safetensors_bytes
from tests.templates import built_once

MODEL = "m.safetensors"
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/spec/map.schema.json").read_text())
HOSTILE = "<img/onerror=alert(1)>&amp"
SIDES = {"a": (3.0, 0.0), "b": (0.0, 4.0), HOSTILE: (0.0, 4.5)}


def checkpoint(head: tuple[float, float] = (0, 0), **more: tuple[str, bytes]) -> bytes:
    """A checkpoint in which two numbers tell where it is; each of ``more`` is dtype and bytes of a vector."""
    tensors: dict[str, tuple[str, tuple[int, ...], bytes]] = {
        "embed": ("F32", (64,), np.arange(64, dtype="<f4").tobytes()),
        "head": ("F32", (2,), np.array(head, "<f4").tobytes()),
    }
    for name, (dtype, data) in more.items():
        tensors[name] = (dtype, (len(data) // (8 if dtype == "I64" else 4),), data)
    return safetensors_bytes(tensors)


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    """Branches that left main at its first commit; ``a`` came to its place in two steps, and a note between them."""
    _branch_out(sandbox)
    return sandbox


@built_once
def _branch_out(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write(MODEL, checkpoint())
    sandbox.commit("Base")
    for branch, place in SIDES.items():
        sandbox.git("checkout", "-q", "-b", branch, "main")
        if branch == "a":
            sandbox.write(MODEL, checkpoint((1, 0)))
            sandbox.commit("Half-way")
            sandbox.write("note.txt", b"text\n")
            sandbox.commit("Note")
        sandbox.write(MODEL, checkpoint(place, step=("I64", bytes(8))))
        sandbox.commit(f"Tune {branch}")
    sandbox.git("checkout", "-q", "main")


def mapped(repository: Sandbox, *args: str, code: int = 0) -> Mapping[str, Any]:
    """What ``--json`` says, which is as the schema has it."""
    done = repository.theta("map", "--json", *args, check=False)
    assert done.returncode == code, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)
    jsonschema.validate(found, SCHEMA)
    return found


def labels(found: Mapping[str, Any]) -> list[str]:
    return [version["label"] for version in found["versions"]]


def test_branches_are_measured_from_their_merge_base(repository: Sandbox) -> None:
    found = mapped(repository, "main", *SIDES, MODEL)
    assert found["base"]["label"] == "main"
    assert found["base"]["merge_base"]
    assert [version["norm"] for version in found["versions"]] == [0, 3, 4, 4.5]
    assert found["distances"][1][:3] == [3, 0, 5]
    assert found["cosines"][1:] == [[None, 1, 0, 0], [None, 0, 1, 1], [None, 0, 1, 1]]
    assert found["clusters"][0] == {"left": 2, "right": 3, "height": 0.5, "size": 2}
    assert found["shown"] == pytest.approx(1)
    points = [version["point"] for version in found["versions"]]
    assert math.dist(points[1], points[2]) == pytest.approx(5)
    assert (found["parameters"], found["same"], found["elements"]) == (2, 1, 66)
    assert [(one["name"], one["failed"]) for one in found["left_out"]] == [("step", False)]


def test_a_range_is_every_commit_in_it_that_changed_the_checkpoint(repository: Sandbox) -> None:
    repository.git("checkout", "-q", "a")
    repository.git("merge", "-q", "--no-ff", "--no-edit", "-s", "ours", "b")
    found = mapped(repository, "main..a", "--", MODEL)
    assert [version["subject"] for version in found["versions"]] == ["Half-way", "Tune b", "Tune a"]
    assert found["base"]["subject"] == "Base"
    named = mapped(repository, "a~1", "main..a", "--base", "b", "--", MODEL)
    assert len(named["versions"]) == 3, "what has a name is there once"
    assert named["base"]["label"] == "b"
    assert not named["base"]["merge_base"]


def test_parameters_can_be_chosen(repository: Sandbox) -> None:
    found = mapped(repository, "a", "b", "-p", "emb*", "--", MODEL)
    assert (found["parameters"], found["same"], found["shown"], found["left_out"]) == (1, 1, None, [])


def test_text_has_matrices_and_clusters(repository: Sandbox) -> None:
    text = repository.theta("map", "main", "a", "b", MODEL).stdout
    assert "base        main " in text
    assert "left out    1 parameter, not in all versions: step\n" in text
    assert "distance     1     2     3\n1 main       0  3.00  4.00\n2 a       3.00     0  5.00\n" in text
    assert "clusters, by average distance\n4.50\n  3.00\n    1 main\n    2 a\n  3 b\n" in text
    narrow = repository.theta("map", "main", "a", "b", MODEL, env={"COLUMNS": "24"}).stdout
    assert "distance     1     2\n1 main       0  3.00\n" in narrow
    assert "distance     3\n1 main    4.00\n" in narrow


def test_what_cannot_be_read_is_left_out_and_named(repository: Sandbox) -> None:
    (line,) = [line for line in repository.git("show", f"b:{MODEL}").stdout.splitlines() if '"name":"head"' in line]
    oid = json.loads(line.rstrip(","))["storage"]["object"]
    repository.git("checkout", "-q", "--detach")
    next((repository.root / ".git/theta/objects").rglob(oid)).unlink()
    found = mapped(repository, "a", "b", "--", MODEL, code=2)
    failed = [one for one in found["left_out"] if one["failed"]]
    assert [one["name"] for one in failed] == ["head"]
    assert found["parameters"] == 1
    text = repository.theta("map", "a", "b", MODEL, check=False)
    assert text.returncode == 2
    assert "1 parameter, " in text.stdout


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_and_the_picture_hold_whatever_branches_are_called(repository: Sandbox, tmp_path: Path) -> None:
    page, picture = tmp_path / "map.html", tmp_path / "map.png"
    done = repository.theta("map", "main", *SIDES, "--html", page, "--png", picture, MODEL)
    assert done.stdout == ""
    seen = _Tags(page.read_text())
    assert not {"img", "iframe"} & seen.tags
    assert not [name for name in seen.attributes if name.startswith(("on", "style"))]
    assert seen.words.count(HOSTILE) >= 4, "in the plane, the tree, the matrices and the list"
    assert {"svg", "circle", "line", "table"} <= seen.tags
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_shards_are_one_checkpoint(tmp_path: Path) -> None:
    sandbox = Sandbox.create(tmp_path / "repository")
    sandbox.theta("track", "*.safetensors")
    paths = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    weights = {"embed": paths[0], "head": paths[1]}
    sandbox.write("model.safetensors.index.json", json.dumps({"weight_map": weights}).encode())
    zeros = np.zeros(2, "<f4").tobytes()
    for step in range(3):
        sandbox.write(paths[0], safetensors_bytes({"embed": ("F32", (2,), zeros)}))
        head = np.array([step, 0], "<f4").tobytes()
        sandbox.write(paths[1], safetensors_bytes({"head": ("F32", (2,), head)}))
        sandbox.commit(f"Step {step}")
    found = mapped(sandbox, "HEAD~2..HEAD", "--", "model.safetensors.index.json")
    assert [version["norm"] for version in found["versions"]] == [1, 2]
    assert found["parameters"] == 2


def test_the_only_checkpoint_need_not_be_named(repository: Sandbox) -> None:
    assert mapped(repository, "a", "b") == mapped(repository, "a", "b", "--", MODEL)
    assert mapped(repository, "main..a", "b") == mapped(repository, "main..a", "b", "--", MODEL)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a", "--", MODEL], "a map takes two versions or more"),
        (["--", MODEL], "a map is of versions of one checkpoint"),
        (["a", "b", "--", MODEL, "other.pt"], "a map is of versions of one checkpoint"),
        (["a", "nix", "--", MODEL], "'nix' is no revision here"),
        (["a", "b", "--", "none.pt"], "'none.pt' is no file in a\n"),
        (["main..main", "b", "--", MODEL], "no commit in main..main changed 'm.safetensors'"),
        (["a", "b", "--html", "none/x.html", "--", MODEL], "none/x.html: cannot be written there"),
        (["a", "alone", "--", MODEL], "these versions have no history in common"),
    ],
)
def test_mistakes_are_said_in_words(repository: Sandbox, words: list[str], said: str) -> None:
    if "alone" in words:
        tree = repository.git("rev-parse", "b^{tree}").stdout.strip()
        repository.git("branch", "alone", repository.git("commit-tree", "-m", "Alone", tree).stdout.strip())
        assert mapped(repository, *words[:2], "--base", "main", *words[2:])["versions"][1]["norm"] == 4
    done = repository.theta("map", *words, check=False)
    assert done.returncode == 2
    assert f"theta: error: {said}" in done.stderr
