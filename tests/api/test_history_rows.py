"""Looking back from Python."""

from __future__ import annotations

import pytest

import git_theta
from git_theta.errors import UsageError
from tests.api.api_repositories import FILE, two_versions
from tests.sandbox import Sandbox, changed, model, track_and_commit
from tests.sharded_checkpoints import INDEX, replace_files, shard_name, sharded


def test_the_log_has_a_row_for_each_change(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    found = git_theta.log(FILE, "dev", sandbox.root)
    assert [(row.subject, row.changed, row.added, row.names[:1]) for row in found] == [
        ("Train the head", 1, 0, ("head.weight",)),
        ("a commit", 0, 4, ("encoder.weight",)),
    ]
    assert found[0].commit == sandbox.git("rev-parse", "dev").stdout.strip()
    assert (found[0].author, found[0].email, found[0].date) == (
        "A. U. Thor", "author@example.com", "2005-04-07T15:13:13-07:00",
    )  # fmt: skip
    assert [row.subject for row in git_theta.log(FILE, "dev", sandbox.root, limit=1)] == ["Train the head"]
    assert [row.subject for row in git_theta.log(FILE, "main..dev", sandbox.root)] == ["Train the head"]
    assert [row.subject for row in git_theta.log(None, "dev", sandbox.root, include="encoder.*")] == ["a commit"]
    assert next(iter(found.to_frame()["stored"])) == found[0].stored > 0


def test_a_commit_that_only_stored_anew_is_noted(sandbox: Sandbox) -> None:
    from tests.sandbox import safetensors_bytes

    tensor = {"a": ("F32", (2,), bytes(8))}
    track_and_commit(sandbox, {FILE: safetensors_bytes(tensor)})
    sandbox.write(FILE, safetensors_bytes(tensor, {"step": "2"}))
    sandbox.commit()
    first, _ = git_theta.log(FILE, repo=sandbox.root)
    assert len(first.notes) == 1 and "with the weights of its parent" in first.notes[0]


def test_blame_names_the_commit_of_each_parameter(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    found = git_theta.blame(FILE, "dev", sandbox.root)
    assert {row.name: row.subject for row in found} == {
        "encoder.weight": "a commit", "encoder.bias": "a commit", "head.weight": "Train the head",
        "head.bias": "a commit",
    }  # fmt: skip
    assert [row.name for row in git_theta.blame(FILE, "dev", sandbox.root, include="*.bias")] == [
        "encoder.bias",
        "head.bias",
    ]
    row = found[2]
    assert (row.path, row.dtype, row.shape, row.path_there, row.name_there) == (
        FILE,
        "F32",
        (4, 32),
        FILE,
        "head.weight",
    )
    assert row.oid == git_theta.open(FILE, "dev", sandbox.root)["head.weight"].oid


@pytest.mark.parametrize("path", [INDEX, shard_name(2, 2)])
def test_shards_have_one_history(sandbox: Sandbox, path: str) -> None:
    sandbox.theta("track", "*.safetensors")
    replace_files(sandbox, sharded("ab", "cd"), "two shards")
    replace_files(sandbox, sharded("ab", "cd", a=1.0), "train a")
    assert [row.subject for row in git_theta.log(INDEX, repo=sandbox.root)] == ["train a", "two shards"]
    found = git_theta.blame(path, repo=sandbox.root)
    assert {row.name: row.subject for row in found} == {
        "a": "train a", "b": "two shards", "c": "two shards", "d": "two shards",
    }  # fmt: skip


def test_from_a_folder_within_it_is_the_same(sandbox: Sandbox) -> None:
    track_and_commit(sandbox, {f"models/{FILE}": model(a=3)})
    sandbox.write(f"models/{FILE}", changed(model(a=3), "a"))
    sandbox.commit("Train")
    assert [row.subject for row in git_theta.log(FILE, repo=sandbox.root / "models")] == ["Train", "a commit"]
    assert [row.subject for row in git_theta.blame(FILE, repo=sandbox.root / "models")] == ["Train"]


def test_a_path_without_history_is_an_error(sandbox: Sandbox) -> None:
    two_versions(sandbox)
    with pytest.raises(UsageError, match="no commit has a checkpoint there"):
        git_theta.log("other.safetensors", repo=sandbox.root)
    with pytest.raises(UsageError, match=r"no parameter of model.safetensors matches"):
        git_theta.blame(FILE, repo=sandbox.root, include="no-such")
