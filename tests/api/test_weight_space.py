"""``git_theta.map``: what the command shows, as rows and matrices."""

from __future__ import annotations

import json
import math

import pytest

import git_theta
from git_theta.errors import UsageError
from tests.api.api_repositories import FILE, forget_objects, two_versions
from tests.cli.test_map import MODEL, _branch_out
from tests.sandbox import Sandbox


@pytest.fixture
def family(sandbox: Sandbox) -> Sandbox:
    """The branches a, at (3, 0), and b, at (0, 4), of a base at (0, 0)."""
    _branch_out(sandbox)
    return sandbox


def test_it_says_what_the_command_says(family: Sandbox) -> None:
    found = git_theta.map(["a", "b"], MODEL, family.root)
    printed = json.loads(family.theta("map", "--json", "a", "b", "--", MODEL).stdout)
    assert [list(row) for row in found.distances] == printed["distances"]
    assert [list(row) for row in found.cosines] == printed["cosines"]
    assert [row.norm for row in found] == [version["norm"] for version in printed["versions"]] == [3, 4]
    assert [[row.x, row.y] for row in found] == [version["point"] for version in printed["versions"]]
    assert [row.label for row in found] == ["a", "b"]
    assert [row.commit for row in found] == family.git("rev-parse", "a", "b").stdout.split()
    assert (found.path, found.shown, found[0].subject) == (MODEL, printed["shown"], "Tune a")
    assert found.distances[0][1] == pytest.approx(5)
    assert [one._asdict() for one in found.clusters] == printed["clusters"]
    assert found.left_out == {one["name"]: one["reason"] for one in printed["left_out"]}


def test_frames_page_and_picture(family: Sandbox) -> None:
    found = git_theta.map(["a", "b"], MODEL, family.root, base="main", include="head")
    assert found.base == "main"
    assert list(found.to_frame().columns) == ["label", "commit", "subject", "norm", "x", "y", "nonfinite"]
    assert found.distance_frame().loc["a", "b"] == pytest.approx(math.dist((3, 0), (0, 4)))
    assert found.html().startswith("<!doctype html>") or "<html" in found.html()
    assert found.png().startswith(b"\x89PNG")
    assert found._repr_html_().startswith("<iframe srcdoc=")


def test_ranges_are_the_commits_in_them(family: Sandbox) -> None:
    found = git_theta.map(["main..a", "b"], MODEL, family.root)
    assert [row.subject for row in found] == ["Half-way", "Tune a", "Tune b"]
    alone = git_theta.map("main..a", MODEL, family.root, measures="sign-flips")
    assert [row.subject for row in alone] == ["Half-way", "Tune a"]
    assert [list(row.measures) for row in alone] == [["sign-flips"]] * 2


def test_values_that_cannot_be_had_are_warned_of(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    forget_objects(sandbox.root)
    with pytest.warns(UserWarning, match="model.safetensors: head.weight counts in no number"):
        found = git_theta.map(["v1.0", "dev"], FILE, sandbox.root)
    assert list(found.left_out) == ["head.weight"]


@pytest.mark.parametrize(
    ("revisions", "path", "said"),
    [
        (["a"], MODEL, "two versions or more"),
        (["a", "nothing"], MODEL, "no revision here"),
        (["a", "b"], "nothing", "is no file in"),
    ],
)
def test_what_cannot_be_is_told(family: Sandbox, revisions: list[str], path: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        git_theta.map(revisions, path, family.root)
