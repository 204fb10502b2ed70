"""Versions stored relative to each other, through Git's life: what is checked out, compared and merged is values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chained_versions import (
    ELEMENTS,
    MODEL,
    commit_version,
    commit_versions,
    depth_at,
    entry_at,
    manifest_at,
    object_files,
    tensor,
    version,
)
from tests.sandbox import Sandbox, safetensors_bytes
from tests.sharded_checkpoints import INDEX, shard_name


def assert_whole(sandbox: Sandbox) -> None:
    """Git has nothing to say, and nothing is missing or damaged."""
    assert sandbox.git("status", "--porcelain").stdout == ""
    assert "missing" not in sandbox.theta("fsck").stdout


def test_versions_build_on_each_other_and_come_back(chaining: Sandbox) -> None:
    versions = commit_versions(chaining, 6)
    assert [depth_at(chaining, f"v{number}") for number in range(6)] == [0, 1, 2, 3, 1, 2]
    sizes = [entry_at(chaining, f"v{number}").storage.place.size for number in range(6)]
    assert max(sizes[1:4]) < sizes[0] / 4
    for number in (0, 3, 5, 2):
        chaining.git("checkout", "--quiet", f"v{number}")
        assert chaining.read(MODEL) == versions[number]
    assert_whole(chaining)


def test_l2_a_second_look_stores_nothing_and_keeps_the_storage(chaining: Sandbox) -> None:
    versions = commit_versions(chaining, 3)
    blob, stored = chaining.git("rev-parse", f":{MODEL}").stdout, set(object_files(chaining))
    for forgotten in (False, True):
        if forgotten:
            for file in (chaining.root / ".git/theta").glob("state.sqlite*"):
                file.unlink()
        chaining.write(MODEL, versions[2])
        assert chaining.git("status", "--porcelain").stdout == ""
        chaining.git("add", MODEL)
        assert chaining.git("rev-parse", f":{MODEL}").stdout == blob
    assert set(object_files(chaining)) == stored
    chaining.write(MODEL, version(9))
    assert chaining.git("status", "--porcelain").stdout == f" M {MODEL}\n"
    assert set(object_files(chaining)) == stored


def test_without_being_asked_versions_are_stored_as_deltas(chaining: Sandbox) -> None:
    for key in ("theta.updates", "theta.delta.depth"):
        chaining.git("config", "--global", "--unset", key)
    versions = commit_versions(chaining, 5)
    entries = [entry_at(chaining, f"v{number}") for number in range(5)]
    assert [entry.storage.coding.update for entry in entries] == ["dense", *["delta"] * 4]
    assert [len(entry.storage.coding.chain) for entry in entries] == [0, 1, 1, 1, 1]
    for number in (0, 4, 3):
        chaining.git("checkout", "--quiet", f"v{number}")
        assert chaining.read(MODEL) == versions[number]
    assert_whole(chaining)


def test_what_was_staged_and_never_committed_is_no_base(chaining: Sandbox) -> None:
    commit_version(chaining, 0)
    for number in (1, 2):
        chaining.write(MODEL, version(number))
        chaining.git("add", MODEL)
    (link,) = entry_at(chaining).storage.coding.chain
    assert link.oid == entry_at(chaining, "HEAD").oid


def test_a_renamed_file_builds_on_what_it_was(chaining: Sandbox) -> None:
    commit_version(chaining, 0)
    chaining.git("mv", MODEL, "renamed.safetensors")
    chaining.write("renamed.safetensors", version(1))
    chaining.git("add", "--all")
    assert depth_at(chaining, path="renamed.safetensors") == 1


def test_a_parameter_that_moved_to_another_shard_finds_its_base(chaining: Sandbox) -> None:
    one, two = shard_name(1, 2), shard_name(2, 2)
    before, after = {one: ("embed", "layer"), two: ("head",)}, {one: ("embed",), two: ("layer", "head")}
    for number, shards in enumerate((before, after)):
        for path, names in shards.items():
            chaining.write(path, version(number, *names))
        places = {name: path for path, names in shards.items() for name in names}
        chaining.write(INDEX, json.dumps({"metadata": {}, "weight_map": places}).encode())
        chaining.commit(f"cut {number}")
    (link,) = entry_at(chaining, path=two).storage.coding.chain
    assert link.oid == entry_at(chaining, "HEAD^", path=one).oid
    (chaining.root / two).unlink()
    chaining.git("checkout", "--", two)
    assert chaining.read(two) == version(1, "layer", "head")


def test_one_file_that_became_shards_gives_them_bases(chaining: Sandbox) -> None:
    commit_version(chaining, 0)
    chaining.git("rm", "--quiet", MODEL)
    for number, name in enumerate(("embed", "layer"), 1):
        chaining.write(shard_name(number, 2), version(1, name))
    chaining.write(INDEX, json.dumps({"metadata": {}, "weight_map": {}}).encode())
    chaining.git("add", "--all")
    assert depth_at(chaining, path=shard_name(2, 2)) == 1


def test_a_merge_reads_values_and_ends_as_one_of_dense_versions_does(chaining: Sandbox, tmp_path: Path) -> None:
    dense = Sandbox.create(tmp_path / "dense", install=False)
    dense.git("config", "theta.updates", "dense")
    dense.theta("track", "*.safetensors")
    dense.commit("track")
    merged = []
    for sandbox in (chaining, dense):
        commit_version(sandbox, 0)
        sandbox.git("switch", "--quiet", "-c", "side")
        commit_version(sandbox, 1)
        sandbox.git("switch", "--quiet", "main")
        commit_version(sandbox, 2)
        sandbox.theta("merge", "-s", "average", "side")
        merged.append(sandbox.read(MODEL))
        assert_whole(sandbox)
    assert depth_at(chaining, "v1") == depth_at(chaining, "v2") == 1
    assert merged[0] == merged[1]
    commit_version(chaining, 7)
    assert [link.oid for link in entry_at(chaining).storage.coding.chain] == [entry_at(chaining, "HEAD^").oid]


def fork(chaining: Sandbox) -> None:
    """Two branches that changed one parameter each, on top of three versions; ``main`` is checked out."""
    commit_versions(chaining, 3)
    chaining.git("switch", "--quiet", "-c", "side")
    commit_version(chaining, 3, mixed(3, 2))
    chaining.git("switch", "--quiet", "main")
    commit_version(chaining, 4, mixed(2, 4))


def mixed(embed: int, layer: int) -> bytes:
    """A checkpoint whose parameters are of different versions."""
    numbers = {"embed": embed, "layer": layer}
    return safetensors_bytes({name: ("F32", (ELEMENTS,), tensor(name, at)) for name, at in numbers.items()})


@pytest.mark.parametrize("command", ["merge --quiet --no-edit side", "rebase --quiet side", "cherry-pick side"])
def test_histories_are_joined_by_parameters(chaining: Sandbox, command: str) -> None:
    fork(chaining)
    chaining.git(*command.split())
    assert chaining.read(MODEL) == mixed(3, 4)
    assert (depth_at(chaining, name="embed"), depth_at(chaining)) == (3, 3)
    assert_whole(chaining)


def test_switch_stash_and_revert(chaining: Sandbox) -> None:
    fork(chaining)
    chaining.write(MODEL, mixed(5, 4))
    chaining.git("stash", "--quiet")
    chaining.git("switch", "--quiet", "side")
    assert chaining.read(MODEL) == mixed(3, 2)
    chaining.git("switch", "--quiet", "main")
    chaining.git("stash", "pop", "--quiet")
    assert chaining.read(MODEL) == mixed(5, 4)
    chaining.commit("popped")
    chaining.git("revert", "--no-edit", "HEAD")
    assert chaining.read(MODEL) == mixed(2, 4)
    assert manifest_at(chaining).entries == manifest_at(chaining, "v4").entries
    assert_whole(chaining)


def test_the_objects_of_a_whole_chain_travel(chaining: Sandbox, tmp_path: Path) -> None:
    versions = commit_versions(chaining, 4)
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    chaining.git("push", "--quiet", bare.root, "main")
    assert set(object_files(bare)) >= set(manifest_at(chaining, "HEAD").objects())
    shallow = Sandbox.clone(f"file://{bare.root}", tmp_path / "shallow", "--depth=1")
    assert shallow.read(MODEL) == versions[3]
    assert depth_at(shallow, "HEAD") == 3
    assert_whole(shallow)
    versions.append(commit_version(chaining, 4))
    chaining.git("push", "--quiet", bare.root, "main")
    shallow.git("pull", "--quiet")
    assert shallow.read(MODEL) == versions[4]
    commit_version(shallow, 5)
    assert depth_at(shallow) == 2
    assert_whole(shallow)


def test_the_same_bytes_stored_otherwise_elsewhere_are_no_change(chaining: Sandbox, tmp_path: Path) -> None:
    commit_version(chaining, 0)
    other = Sandbox.clone(chaining, tmp_path / "other")
    other.git("config", "theta.updates", "dense")
    for sandbox in (chaining, other):
        commit_version(sandbox, 1)
    assert (depth_at(chaining), depth_at(other)) == (1, 0)
    other.git("fetch", "--quiet", "origin")
    assert other.theta("diff", "--stat", "HEAD", "origin/main").stdout.strip() == ""
    other.git("merge", "--quiet", "--no-edit", "--allow-unrelated-histories", "origin/main")
    assert other.read(MODEL) == version(1)
    assert other.git("status", "--porcelain").stdout == ""
    other.git("checkout", "--quiet", "origin/main")
    assert other.read(MODEL) == version(1)
    assert_whole(other)


def test_l1_the_same_bytes_in_another_shape_come_back(chaining: Sandbox) -> None:
    commit_versions(chaining, 2)
    reshaped = safetensors_bytes({name: ("F32", (60, 100), tensor(name, 1)) for name in ("embed", "layer")})
    commit_version(chaining, 2, reshaped)
    assert entry_at(chaining).oid == entry_at(chaining, "v1").oid
    chaining.git("checkout", "--quiet", "v1")
    chaining.git("checkout", "--quiet", "v2")
    assert chaining.read(MODEL) == reshaped
    assert_whole(chaining)


def test_log_counts_what_a_version_needed_that_those_before_did_not(chaining: Sandbox) -> None:
    commit_versions(chaining, 4)
    logged = json.loads(chaining.theta("log", "--json", MODEL).stdout)
    stored = [commit["stored"] for commit in logged][::-1]
    new = [sum(entry.storage.place.size for entry in manifest_at(chaining, f"v{at}").parameters()) for at in range(4)]
    assert stored[1:] == new[1:]


def test_show_says_how_a_version_is_stored(chaining: Sandbox) -> None:
    commit_versions(chaining, 3)
    told = chaining.theta("show", "--parameters", f"HEAD:{MODEL}").stdout
    assert "\n            difference: 2 parameters, on 2 update bases at most\n" in told
    assert "update" in told and told.count("difference 2") == 2
    assert "difference" not in chaining.theta("show", "--parameters", f"v0:{MODEL}").stdout
    (found, _) = json.loads(chaining.theta("show", "--json", f"HEAD:{MODEL}").stdout)["parameters"]
    assert (found["update"], len(found["bases"])) == ("difference", 2)
