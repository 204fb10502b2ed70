"""``git theta repack``, as a person types it: other bytes in the store, the same version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chained_versions import (
    MODEL,
    commit_version,
    commit_versions,
    depth_at,
    entry_at,
    manifest_at,
    object_files,
    version,
)
from tests.sandbox import Sandbox, changed


@pytest.fixture
def dense(chaining: Sandbox) -> Sandbox:
    """Two versions that were stored in full; updates are wanted from now on."""
    chaining.git("config", "theta.updates", "dense")
    commit_versions(chaining, 2)
    chaining.git("config", "--unset", "theta.updates")
    return chaining


def payloads(sandbox: Sandbox, revision: str = "") -> int:
    return sum(entry.storage.place.size for entry in manifest_at(sandbox, revision).parameters())


def assert_same_version(sandbox: Sandbox, content: bytes) -> None:
    """Identity is as at HEAD, and the file comes back."""
    now, was = manifest_at(sandbox), manifest_at(sandbox, "HEAD")
    assert [(*entry[:2], *entry[3:]) for entry in now.entries] == [(*entry[:2], *entry[3:]) for entry in was.entries]
    assert sandbox.git("diff", "--name-only").stdout == ""
    assert sandbox.theta("diff", "--cached", "--stat").stdout.strip() == ""
    (sandbox.root / MODEL).unlink()
    sandbox.git("checkout", "--", MODEL)
    assert sandbox.read(MODEL) == content


def test_a_version_is_stored_on_the_one_before_and_stays_what_it_is(dense: Sandbox) -> None:
    before = payloads(dense)
    told = dense.theta("repack", MODEL).stdout
    assert told.startswith(f"{MODEL}: 2 parameters are stored otherwise, ")
    assert payloads(dense) < before / 3
    (link,) = entry_at(dense).storage.coding.chain
    assert link.oid == entry_at(dense, "HEAD^").oid
    assert_same_version(dense, version(1))
    dense.git("commit", "--quiet", "--amend", "--no-edit")
    assert dense.git("status", "--porcelain").stdout == ""
    dense.theta("fsck")
    assert "stays as it is" in dense.theta("repack").stdout


def test_git_does_not_look_into_the_file_again(dense: Sandbox) -> None:
    dense.theta("repack")
    dense.git("config", "filter.theta.process", "false")
    dense.git("config", "filter.theta.clean", "false")
    assert dense.git("status", "--porcelain").stdout == f"M  {MODEL}\n"


def test_a_staged_version_builds_on_head(dense: Sandbox) -> None:
    dense.git("config", "theta.updates", "dense")
    dense.write(MODEL, version(2))
    dense.git("add", MODEL)
    dense.git("config", "theta.updates", "difference")
    dense.theta("repack")
    (link,) = entry_at(dense).storage.coding.chain
    assert link.oid == entry_at(dense, "HEAD").oid


def test_dense_is_the_way_back(chaining: Sandbox) -> None:
    commit_versions(chaining, 3)
    assert depth_at(chaining) == 2
    told = json.loads(chaining.theta("repack", "--dense", "--json").stdout)
    assert [(one["path"], one["parameters"], one["done"]) for one in told] == [(MODEL, 2, True)]
    assert (told[0]["own_before"], told[0]["own_after"]) == (payloads(chaining, "HEAD"), payloads(chaining))
    assert depth_at(chaining) == 0
    assert_same_version(chaining, version(2))
    assert "stays as it is" in chaining.theta("repack", "--dense").stdout


def test_a_dense_version_needs_no_object_that_others_fill(chaining: Sandbox, tmp_path: Path) -> None:
    """The frame is as it was at first, and lies among the parameters of then."""
    commit_versions(chaining, 3)
    before = manifest_at(chaining).objects()
    (told,) = json.loads(chaining.theta("repack", "--dense", "--json").stdout)
    now = manifest_at(chaining).objects()
    assert (told["objects_before"], told["objects_after"]) == (sum(before.values()), sum(now.values()))
    assert not now.keys() & before.keys()
    chaining.commit("stands alone")
    clone = Sandbox.clone(chaining, tmp_path / "clone")
    assert clone.read(MODEL) == version(2)
    assert object_files(clone).keys() == now.keys()


def test_dense_leaves_alone_what_is_most_of_an_object(chaining: Sandbox) -> None:
    chaining.git("config", "theta.updates", "dense")
    commit_version(chaining, 0)
    commit_version(chaining, 1, changed(version(0), "embed", bytes(4)))
    staged = chaining.git("ls-files", "-s").stdout
    assert "stays as it is" in chaining.theta("repack", "--dense").stdout
    assert chaining.git("ls-files", "-s").stdout == staged


@pytest.mark.parametrize("way", [[], ["--dense"]])
def test_a_dry_run_says_what_it_would_come_to_and_changes_nothing(chaining: Sandbox, way: list[str]) -> None:
    chaining.git("config", "theta.updates", "difference" if way else "dense")
    commit_versions(chaining, 2)
    chaining.git("config", "--unset", "theta.updates")
    blob, stored = chaining.git("rev-parse", f":{MODEL}").stdout, set(object_files(chaining))
    (would,) = json.loads(chaining.theta("repack", "--dry-run", "--json", *way).stdout)
    assert not would["done"]
    assert chaining.git("rev-parse", f":{MODEL}").stdout == blob
    assert set(object_files(chaining)) == stored
    (did,) = json.loads(chaining.theta("repack", "--json", *way).stdout)
    assert did == would | {"done": True}
    assert did["own_after"] == payloads(chaining)


@pytest.mark.parametrize("way", [[], ["--dense"]], ids=["on others", "dense"])
def test_it_counts_as_show_does(chaining: Sandbox, way: list[str]) -> None:
    chaining.git("config", "theta.updates", "difference" if way else "dense")
    commit_versions(chaining, 2)
    chaining.git("config", "--unset", "theta.updates")

    def shown(name: str) -> tuple[int, int]:
        total = json.loads(chaining.theta("show", "--json", name).stdout)["total"]
        return total["own"], total["stored"]

    (told,) = json.loads(chaining.theta("repack", "--json", *way).stdout)
    assert (told["own_before"], told["stored_before"]) == shown(f"HEAD:{MODEL}")
    assert (told["own_after"], told["stored_after"]) == shown(f":{MODEL}")
    assert told["own_before"] != told["stored_before" if way else "own_after"]


def test_unstaged_changes_are_refused_and_nothing_is_stored(dense: Sandbox) -> None:
    stored = set(object_files(dense))
    dense.write(MODEL, version(5))
    done = dense.theta("repack", MODEL, check=False)
    assert done.returncode == 2
    assert MODEL in done.stderr and "not staged" in done.stderr
    (dense.root / MODEL).unlink()
    done = dense.theta("repack", MODEL, check=False)
    assert done.returncode == 2 and "git theta checkout" in done.stderr
    assert set(object_files(dense)) == stored


@pytest.mark.parametrize("path", ["nothing.safetensors", ".gitattributes"])
def test_what_is_not_versioned_is_refused(dense: Sandbox, path: str) -> None:
    assert dense.theta("repack", path, check=False).returncode != 0


def test_files_below_this_folder(dense: Sandbox) -> None:
    dense.git("config", "theta.updates", "dense")
    for number in (3, 4):
        commit_version(dense, number, path="sub/other.safetensors")
    dense.git("config", "--unset", "theta.updates")
    told = Sandbox(dense.root / "sub").theta("repack").stdout
    assert told.startswith("other.safetensors: 2 parameters")
    assert len(told.splitlines()) == 1


def test_a_rotten_version_before_is_told_of_and_left_alone(dense: Sandbox) -> None:
    file: Path = object_files(dense)[entry_at(dense, "HEAD^").storage.place.object]
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(bytes(len(content)))
    done = dense.theta("repack", MODEL)
    assert "stays as it is" in done.stdout
    assert f"{MODEL}: embed, layer: stored without the version before" in done.stderr


def test_a_version_that_is_damaged_itself_is_an_error(dense: Sandbox) -> None:
    file = object_files(dense)[entry_at(dense).storage.place.object]
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(bytes(len(content)))
    done = dense.theta("repack", MODEL, check=False)
    assert done.returncode == 4
    assert MODEL in done.stderr and "embed" in done.stderr


def test_a_commit_of_nothing_else_is_no_training_that_did_not_train(dense: Sandbox) -> None:
    dense.theta("repack")
    dense.git("commit", "--quiet", "-m", "stored otherwise")
    assert "note: weights" not in dense.theta("doctor", check=False).stdout


@pytest.mark.parametrize("flag", ["assume-unchanged", "skip-worktree"])
def test_a_file_that_git_does_not_look_at_is_refused(dense: Sandbox, flag: str) -> None:
    """It may have changes: the index would then say that they are what is staged, and a switch would drop them."""
    before = dense.git("ls-files", "-s").stdout
    dense.git("update-index", f"--{flag}", MODEL)
    dense.write(MODEL, version(7))
    done = dense.theta("repack", check=False)
    assert (done.returncode, f"git update-index --no-{flag} {MODEL}" in done.stderr) == (2, True)
    assert dense.git("ls-files", "-s").stdout == before
    dense.git("update-index", f"--no-{flag}", MODEL)
    assert dense.git("status", "--porcelain").stdout == f" M {MODEL}\n"
    assert dense.read(MODEL) == version(7)


@pytest.mark.parametrize("command", ["repack", "relayout", "checkout"])
def test_what_matches_no_file_is_said_in_our_words(dense: Sandbox, command: str) -> None:
    done = dense.theta(command, MODEL, "nope", check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "theta: error: 'nope' matches no file of the index")
