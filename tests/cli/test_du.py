"""``git theta du``: what takes space, with sums that are right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox import Sandbox, changed, model, track_and_commit
from tests.templates import built_once

FIRST = model(0, weight=(600, 600), other=(600, 600), bias=30)
SECOND = changed(FIRST, "weight")


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    """Two checkpoints, of which one gets a second version, in full, that shares a tensor with the first."""
    _store_versions(sandbox)
    return sandbox


@built_once
def _store_versions(sandbox: Sandbox) -> None:
    sandbox.git("config", "theta.updates", "dense")
    track_and_commit(sandbox, {"a.safetensors": FIRST, "big/b.safetensors": model(1, weight=(500, 500))})
    sandbox.write("a.safetensors", SECOND)
    sandbox.commit("second")


def sizes(sandbox: Sandbox) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in (sandbox.root / ".git/theta/objects").glob("??/??/*")}


def du(sandbox: Sandbox, *options: str) -> Any:
    return json.loads(sandbox.theta("du", "--json", *options).stdout)


def named(sandbox: Sandbox, revision: str) -> set[str]:
    """The objects that a version names."""
    lines = sandbox.git("cat-file", "blob", revision).stdout.split('"object":"')[1:]
    return {line[:64] for line in lines}


def test_checkpoints_of_head(repository: Sandbox) -> None:
    there = sizes(repository)
    told = du(repository)
    expected = {path: named(repository, f"HEAD:{path}") for path in ("a.safetensors", "big/b.safetensors")}
    assert [row["checkpoint"] for row in told["rows"]] == ["a.safetensors", "big/b.safetensors"]
    for row in told["rows"]:
        size = sum(there[oid] for oid in expected[row["checkpoint"]])
        assert (row["items"], row["objects"], row["bytes"]) == (1, len(expected[row["checkpoint"]]), size)
        assert row["alone"] == size
    total = sum(there[oid] for oid in set.union(*expected.values()))
    assert told["total"] == {"objects": len(set.union(*expected.values())), "bytes": total, "shared": 0, "here": total}
    assert told["clone"] == {"objects": told["total"]["objects"], "bytes": total}
    assert told["store"] == {"objects": len(there), "bytes": sum(there.values())}
    assert told["unneeded"] == {"objects": 0, "bytes": 0}


def test_what_lies_in_objects_for_no_version_is_told(sandbox: Sandbox) -> None:
    """Small payloads share an object, and a part of them is all that history still has."""
    track_and_commit(sandbox, {"a.safetensors": model(0, kept=(100, 100), dropped=(100, 100))})
    sandbox.write("a.safetensors", model(0, kept=(100, 100)))
    sandbox.git("commit", "-qam", "one alone", "--amend")
    sandbox.git("reflog", "expire", "--expire=now", "--all")
    (sandbox.root / ".git/ORIG_HEAD").unlink(missing_ok=True)
    left = next(row for row in du(sandbox, "--all", "--by", "update")["rows"] if row["update"] is None)
    assert left["bytes"] > 30_000
    told = sandbox.theta("du", "--all", "--by", "update").stdout
    assert "in the same objects, for no version" in told
    assert "in the same objects, for other versions" in sandbox.theta("du", "--by", "update").stdout


@pytest.mark.parametrize("by", ["checkpoint", "commit", "update"])
@pytest.mark.parametrize("which", [["--all"], ["--rev", "HEAD"], ["--rev", "HEAD~..HEAD"], []])
def test_sums_are_right(repository: Sandbox, by: str, which: list[str]) -> None:
    told = du(repository, "--by", by, *which)
    assert sum(row["alone"] for row in told["rows"]) + told["total"]["shared"] == told["total"]["bytes"]
    if which == ["--all"]:
        assert told["total"]["bytes"] == told["store"]["bytes"]


def test_commits_have_what_they_brought(repository: Sandbox) -> None:
    there = sizes(repository)
    old = {oid for path in ("a.safetensors", "big/b.safetensors") for oid in named(repository, f"HEAD~:{path}")}
    new = named(repository, "HEAD:a.safetensors") - old
    rows = du(repository, "--by", "commit")["rows"]
    ids = repository.git("rev-list", "--reverse", "HEAD").stdout.split()
    assert [(row["commit"], row["bytes"]) for row in rows] == [
        (ids[0], sum(there[oid] for oid in old)),
        (ids[1], sum(there[oid] for oid in new)),
    ]
    [row] = du(repository, "--by", "commit", "--rev", "HEAD~..HEAD")["rows"]
    assert (row["commit"], row["bytes"]) == (ids[1], sum(there[oid] for oid in new))


def test_what_is_staged_is_in_no_commit(repository: Sandbox) -> None:
    before = sizes(repository)
    repository.write("c.safetensors", model(5, weight=(400, 400)))
    repository.git("add", "c.safetensors")
    new = sum(sizes(repository).values()) - sum(before.values())
    rows = du(repository, "--by", "commit", "--all")["rows"]
    assert [(row["commit"], row["bytes"]) for row in rows if row["commit"] is None] == [(None, new)]
    assert "in no commit" in repository.theta("du", "--by", "commit", "--all").stdout


def test_what_two_files_share_is_said(repository: Sandbox) -> None:
    repository.write("copy.safetensors", SECOND)
    repository.write("like.safetensors", changed(SECOND, "other"))
    repository.commit("copies")
    told = {row["checkpoint"]: row for row in du(repository)["rows"]}
    assert told["copy.safetensors"]["bytes"] == told["a.safetensors"]["bytes"] > 0
    assert told["copy.safetensors"]["alone"] == told["a.safetensors"]["alone"] == 0
    assert 0 < told["like.safetensors"]["alone"] < told["like.safetensors"]["bytes"]


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (["a.safetensors"], ["a.safetensors"]), (["big"], ["big/b.safetensors"]), (["big/"], ["big/b.safetensors"]),
        (["*.safetensors"], ["a.safetensors", "big/b.safetensors"]), (["."], ["a.safetensors", "big/b.safetensors"]),
        (["a*", "big"], ["a.safetensors", "big/b.safetensors"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("which", [[], ["--all"]])
def test_paths_are_files_folders_and_globs(
    repository: Sandbox, paths: list[str], found: list[str], which: list[str]
) -> None:
    assert sorted(row["checkpoint"] for row in du(repository, *which, *paths)["rows"]) == found


def test_paths_start_at_the_current_folder(repository: Sandbox) -> None:
    inner = Sandbox(repository.root / "big")
    assert [row["checkpoint"] for row in du(inner, "b.safetensors")["rows"]] == ["big/b.safetensors"]
    assert "  b.safetensors\n" in inner.theta("du", "b.safetensors").stdout
    assert [row["checkpoint"] for row in du(inner, ".")["rows"]] == ["big/b.safetensors"]
    assert inner.theta("du", "../..", check=False).returncode == 2


def test_what_nothing_needs_is_counted(repository: Sandbox) -> None:
    before = sizes(repository)
    repository.write("a.safetensors", changed(SECOND, "other"))
    repository.git("add", "a.safetensors")
    repository.git("reset", "-q", "--hard")
    (repository.root / ".git/ORIG_HEAD").unlink(missing_ok=True)
    new = sum(sizes(repository).values()) - sum(before.values())
    assert du(repository)["unneeded"] == {"objects": 1, "bytes": new}
    assert "git theta gc" in repository.theta("du").stdout
    repository.theta("gc", "--grace", "now")
    assert du(repository)["unneeded"] == {"objects": 0, "bytes": 0}


def test_a_clone_tells_what_it_has(repository: Sandbox, tmp_path: Path, home: Path) -> None:
    repository.theta("install")
    clone = Sandbox.clone(repository, tmp_path / "clone")
    told, there = du(clone, "--all"), sizes(clone)
    assert told["clone"]["bytes"] == told["store"]["bytes"] == told["total"]["here"] == sum(there.values())
    assert told["total"]["bytes"] == sum(sizes(repository).values()) > told["total"]["here"]
    assert "not here" in clone.theta("du", "--all").stdout


def test_words(repository: Sandbox) -> None:
    printed = repository.theta("du").stdout
    assert "  a.safetensors\n" in printed
    assert "  big/b.safetensors\n" in printed
    assert "total, 4 objects" in printed
    assert "a clone of HEAD downloads " in printed
    assert "second" in repository.theta("du", "--by", "commit").stdout
    assert "  dense\n" in repository.theta("du", "--by", "update").stdout


def test_an_empty_repository(sandbox: Sandbox) -> None:
    done = sandbox.theta("du", "--all")
    assert "0 B" in done.stdout
    assert du(sandbox, "--all")["clone"] is None
    assert sandbox.theta("du", check=False).returncode == 2


def test_a_bare_repository(repository: Sandbox, tmp_path: Path) -> None:
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    repository.git("push", "-q", bare.root, "main")
    assert [row["checkpoint"] for row in du(bare)["rows"]] == ["a.safetensors", "big/b.safetensors"]
    assert [row["checkpoint"] for row in du(bare, "big")["rows"]] == ["big/b.safetensors"]


def test_a_manifest_that_cannot_be_read_is_told(repository: Sandbox) -> None:
    broken = repository.git("hash-object", "-w", "--stdin", input="git-theta manifest 1\n{\n").stdout.strip()
    repository.git("update-index", "--add", "--cacheinfo", f"100644,{broken},b.txt")
    done = repository.theta("du", "--json")
    assert json.loads(done.stdout)["unneeded"] is None
    assert "cannot be told" in done.stderr
    assert broken in done.stderr


def test_all_and_a_revision_exclude_each_other(repository: Sandbox) -> None:
    assert repository.theta("du", "--all", "--rev", "HEAD", check=False).returncode == 2
    assert repository.theta("du", "--rev", "nothing", check=False).returncode == 2
