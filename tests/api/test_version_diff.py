"""Differences from Python: rows, frames, the page."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import git_theta
from git_theta.errors import UsageError
from tests.api.api_repositories import FILE, two_versions, values_of
from tests.sandbox import Sandbox, model, track_and_commit
from tests.sharded_checkpoints import INDEX, replace_files, shard_name, sharded


def test_a_row_says_by_how_much_a_parameter_changed(sandbox: Sandbox) -> None:
    first, second = two_versions(sandbox)
    found = git_theta.diff("v1.0", "dev", FILE, sandbox.root)
    (row,) = found
    was, now = (values_of(content)["head.weight"].astype(np.float64) for content in (first, second))
    assert (row.checkpoint, row.name, row.status, row.dtype, row.shape) == (
        FILE,
        "head.weight",
        "changed",
        "F32",
        (4, 32),
    )
    assert (row.elements, row.differing, row.nan, row.infinite, row.failure) == (128, 128, 0, 0, "")
    assert row.norm is not None and math.isclose(row.norm, float(np.linalg.norm(now - was)), rel_tol=1e-12)
    assert row.norm_before is not None and row.relative == row.norm / row.norm_before
    cosine = float((was * now).sum() / np.linalg.norm(was) / np.linalg.norm(now))
    assert row.cosine is not None and math.isclose(row.cosine, cosine, rel_tol=1e-9)
    assert (found.labels, found.remarks) == (("v1.0", "dev"), ())


def test_rows_are_a_frame(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    frame = git_theta.diff("v1.0", "dev", FILE, sandbox.root).to_frame()
    assert list(frame["name"]) == ["head.weight"]
    assert list(frame.columns) == list(git_theta.diff("dev", "dev", FILE, sandbox.root).to_frame().columns)


def test_the_page_is_that_of_the_command(sandbox: Sandbox, tmp_path: Path) -> None:
    two_versions(sandbox)
    found = git_theta.diff("v1.0", "dev", repo=sandbox.root)
    sandbox.theta("diff", "v1.0", "dev", "--html", tmp_path / "page.html")
    assert found.html() == (tmp_path / "page.html").read_text("utf-8")
    shown = found._repr_html_()
    assert shown.startswith("<iframe srcdoc=")
    assert "<script" not in shown and "&lt;main&gt;" in shown
    assert found.png().startswith(b"\x89PNG")


def test_what_was_added_and_removed_has_one_version(sandbox: Sandbox) -> None:
    track_and_commit(sandbox, {FILE: model(a=3, b=4)})
    sandbox.write(FILE, model(a=3, c=5))
    sandbox.commit()
    rows = {row.name: row for row in git_theta.diff("HEAD~1", "HEAD", FILE, sandbox.root)}
    assert (rows["b"].status, rows["b"].shape, rows["b"].shape_before) == ("removed", (4,), (4,))
    assert (rows["c"].status, rows["c"].shape, rows["c"].shape_before) == ("added", (5,), None)


def test_names_may_be_chosen_and_rows_sorted(sandbox: Sandbox) -> None:
    track_and_commit(sandbox, {FILE: model(b=4, a=4)})
    sandbox.write(FILE, model(seed=1, b=4, a=4))
    sandbox.commit()
    assert [row.name for row in git_theta.diff("HEAD~1", "HEAD", FILE, sandbox.root)] == ["b", "a"]
    assert [row.name for row in git_theta.diff("HEAD~1", "HEAD", FILE, sandbox.root, sort="name")] == ["a", "b"]
    assert [row.name for row in git_theta.diff("HEAD~1", "HEAD", FILE, sandbox.root, include="a")] == ["a"]
    measured = git_theta.diff("HEAD~1", "HEAD", FILE, sandbox.root, measures="sign-flips")
    assert [list(row.further) for row in measured] == [["sign-flips"]] * 2
    with pytest.raises(UsageError, match="cannot be sorted by size"):
        git_theta.diff("HEAD~1", "HEAD", FILE, sandbox.root, sort="size")


@pytest.mark.parametrize("path", [INDEX, shard_name(1, 2), shard_name(2, 2)])
def test_shards_are_compared_as_one(sandbox: Sandbox, path: str) -> None:
    sandbox.theta("track", "*.safetensors")
    replace_files(sandbox, sharded("ab", "cd"), "two shards")
    replace_files(sandbox, sharded("ab", "cd", a=1.0, c=2.0), "trained")
    sandbox.write("other.safetensors", model())
    sandbox.commit()
    found = git_theta.diff("HEAD~2", "HEAD", path, sandbox.root)
    assert [(row.checkpoint, row.name) for row in found] == [(INDEX, "a"), (INDEX, "c")]


def test_a_file_that_is_raw_at_one_version_is_remarked_on(sandbox: Sandbox) -> None:
    sandbox.write(FILE, model())
    sandbox.commit()
    sandbox.theta("track", "*.safetensors")
    sandbox.git("add", "--renormalize", ".")
    sandbox.commit()
    found = git_theta.diff("HEAD~1", "HEAD", FILE, sandbox.root)
    assert not found
    assert len(found.remarks) == 1 and FILE in found.remarks[0]


def test_an_unknown_file_is_an_error(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    with pytest.raises(UsageError, match="is no file at either version"):
        git_theta.diff("v1.0", "dev", "other.safetensors", sandbox.root)
    with pytest.raises(UsageError, match="is no commit here"):
        git_theta.diff("v1.0", "no-such", FILE, sandbox.root)
