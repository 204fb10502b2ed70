"""Merges of checkpoints of several files: planned whole, so that nothing is lost between shards (L13)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from tests.integration.three_branches import assert_clean
from tests.sandbox import Sandbox
from tests.sharded_checkpoints import INDEX, read_checkpoint, replace_files, shard_name, sharded, tensor_of
from tests.templates import built_once

Files = Mapping[str, bytes | None]


class Case(NamedTuple):
    """Three versions of a checkpoint, what an average of the two heads gives (delta by name), and its shards."""

    base: Files
    ours: Files
    theirs: Files
    merged: Mapping[str, float]
    shards: Sequence[str]


CASES = {
    "moved on one side, trained on the other": Case(
        sharded("abc", "de"), sharded("ab", "cde"), sharded("abc", "de", c=1), {"c": 1}, ["ab", "cde"]
    ),
    "trained on our side, moved on theirs": Case(
        sharded("abc", "de"),
        sharded("abc", "de", c=1, d=2),
        sharded("ab", "cde", e=4),
        {"c": 1, "d": 2, "e": 4},
        ["ab", "cde"],
    ),
    "moved on one side, its neighbour trained": Case(
        sharded("abc", "de"), sharded("ab", "cde"), sharded("abc", "de", a=1), {"a": 1}, ["ab", "cde"]
    ),
    "moved by one, trained by both": Case(
        sharded("abc", "de"), sharded("ab", "cde", c=2), sharded("abc", "de", c=4), {"c": 3}, ["ab", "cde"]
    ),
    "both cut alike, one trained": Case(
        sharded("abc", "de"), sharded("ab", "cd", "e"), sharded("ab", "cd", "e", c=1), {"c": 1}, ["ab", "cd", "e"]
    ),
    "both cut alike, both trained": Case(
        sharded("abc", "de"), sharded("ab", "cd", "e", d=2), sharded("ab", "cd", "e", d=4), {"d": 3}, ["ab", "cd", "e"]
    ),
    "three shards against five": Case(
        sharded("abc", "de"),
        sharded("ab", "cd", "e", a=1),
        sharded("a", "b", "c", "d", "e", e=1),
        {"a": 1, "e": 1},
        ["ab", "cd", "e"],
    ),
    "one side made a single file": Case(
        sharded("abc", "de"), sharded("abcde", b=1), sharded("abc", "de", c=2, d=1), {"b": 1, "c": 2, "d": 1}, ["abcde"]
    ),
    "a single file that one side cut": Case(
        sharded("abcde"), sharded("abcde", b=2, c=1), sharded("abc", "de", b=4), {"b": 3, "c": 1}, ["abc", "de"]
    ),
    "a new parameter on each side": Case(
        sharded("abc", "de"), sharded("abcx", "de", a=1), sharded("abc", "dey", a=3), {"a": 2}, ["abcx", "dey"]
    ),
    "a new parameter on each side of one shard": Case(
        sharded("abc", "de"), sharded("abcx", "de"), sharded("abcy", "de"), {}, ["abcxy", "de"]
    ),
    "a parameter removed and another trained": Case(
        sharded("abc", "de"), sharded("ab", "de"), sharded("abc", "de", a=1), {"a": 1}, ["ab", "de"]
    ),
    "nobody moved anything": Case(
        sharded("abc", "de"),
        sharded("abc", "de", a=2, d=1),
        sharded("abc", "de", a=4, e=1),
        {"a": 3, "d": 1, "e": 1},
        ["abc", "de"],
    ),
}  # fmt: skip


@pytest.fixture(params=CASES.values(), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def start(sandbox: Sandbox, base: Files, ours: Files, theirs: Files) -> Sandbox:
    """``theirs`` is a branch; ``main``, with ours, is checked out."""
    _start(sandbox, base, ours, theirs)
    return sandbox


@built_once
def _start(sandbox: Sandbox, base: Files, ours: Files, theirs: Files) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.commit("track")
    replace_files(sandbox, base, "base")
    sandbox.git("switch", "-qc", "theirs")
    replace_files(sandbox, theirs, "theirs")
    sandbox.git("switch", "-q", "main")
    replace_files(sandbox, ours, "ours")


def assert_merged(sandbox: Sandbox, deltas: Mapping[str, float], shards: Sequence[str]) -> None:
    """The checkpoint is whole, says where everything is, and has these values: in the worktree and in the commit."""
    found = read_checkpoint(sandbox.root)
    assert sorted(found) == sorted("".join(shards))
    for name, values in found.items():
        assert np.allclose(values, tensor_of(name, deltas.get(name, 0.0)), atol=1e-6), name
    files = {file.name for file in sandbox.root.glob("model*")}
    names = [shard_name(number, len(shards)) for number in range(1, len(shards) + 1)]
    assert files == ({"model.safetensors"} if len(shards) == 1 else {INDEX, *names})
    assert_clean(sandbox)


def assert_refused(sandbox: Sandbox, path: str) -> None:
    """Settling changes nothing, and says that this file is the person's."""
    before = sandbox.git("ls-files", "-s").stdout
    done = sandbox.theta("resolve", "-s", "average", check=False)
    assert done.returncode == 2
    assert f"{path} was changed since the merge" in done.stderr
    assert sandbox.git("ls-files", "-s").stdout == before


def test_git_theta_merge_merges_whole_checkpoints(sandbox: Sandbox, case: Case) -> None:
    start(sandbox, *case[:3])
    sandbox.theta("merge", "theirs", "-s", "average")
    assert len(sandbox.git("rev-list", "--parents", "-1", "HEAD").stdout.split()) == 3
    assert_merged(sandbox, case.merged, case.shards)


def test_git_theta_resolve_settles_what_git_left(sandbox: Sandbox, case: Case) -> None:
    start(sandbox, *case[:3])
    if sandbox.git("merge", "-q", "theirs", "-m", "merged", check=False).returncode:
        sandbox.theta("resolve", "-s", "average")
        assert sandbox.git("ls-files", "-u").stdout == ""
        sandbox.git("commit", "-qm", "merged")
    assert_merged(sandbox, case.merged, case.shards)


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_side_is_taken_for_what_is_contested_alone(sandbox: Sandbox, side: str) -> None:
    start(sandbox, *CASES["moved by one, trained by both"][:3])
    assert sandbox.git("merge", "theirs", check=False).returncode == 1
    sandbox.theta("resolve", f"--{side}")
    sandbox.git("commit", "-qm", "merged")
    assert_merged(sandbox, {"c": {"ours": 2, "theirs": 4}[side]}, ["ab", "cde"])


def test_what_was_settled_is_given_up_at_once(sandbox: Sandbox) -> None:
    """Git gives up no merge with files that it distrusts: it is told of the index of shards too."""
    start(sandbox, *CASES["moved by one, trained by both"][:3])
    assert sandbox.git("merge", "theirs", check=False).returncode == 1
    sandbox.theta("resolve", "--theirs")
    assert sandbox.git("diff-files").stdout == ""
    sandbox.git("merge", "--abort")
    assert_merged(sandbox, {"c": 2}, ["ab", "cde"])


@pytest.mark.parametrize("command", [("merge", "-q", "theirs"), ("rebase", "-q", "main", "theirs")])
@pytest.mark.parametrize(
    "name", ["moved on one side, its neighbour trained", "a parameter removed and another trained"]
)
def test_git_itself_gets_it_right_where_the_driver_knows_the_heads(
    sandbox: Sandbox, command: tuple[str, ...], name: str
) -> None:
    case = CASES[name]
    start(sandbox, *case[:3])
    sandbox.git(*command)
    assert_merged(sandbox, case.merged, case.shards)


def test_a_cherry_pick_stops_and_resolve_settles(sandbox: Sandbox) -> None:
    start(sandbox, *CASES["moved on one side, trained on the other"][:3])
    done = sandbox.git("cherry-pick", "theirs", check=False)
    assert done.returncode
    assert "git theta resolve" in done.stderr
    sandbox.theta("resolve")
    sandbox.git("-c", "core.editor=true", "cherry-pick", "--continue")
    assert_merged(sandbox, {"c": 1}, ["ab", "cde"])


def test_a_revert_of_a_cut_keeps_what_was_trained_since(sandbox: Sandbox) -> None:
    start(sandbox, sharded("abc", "de"), sharded("ab", "cde"), sharded("abc", "de"))
    replace_files(sandbox, sharded("ab", "cde", c=1), "trained")
    assert sandbox.git("revert", "--no-edit", "HEAD~1", check=False).returncode
    sandbox.theta("resolve")
    sandbox.git("-c", "core.editor=true", "revert", "--continue")
    assert_merged(sandbox, {"c": 1}, ["abc", "de"])


def test_many_heads_are_merged_at_once(sandbox: Sandbox) -> None:
    start(sandbox, sharded("abc", "de"), sharded("ab", "cde", a=3), sharded("abc", "de", a=6))
    sandbox.git("switch", "-qc", "third", "main~1")
    replace_files(sandbox, sharded("abc", "de", a=9, c=1), "third")
    sandbox.git("switch", "-q", "main")
    sandbox.theta("merge", "theirs", "third", "-s", "average")
    assert_merged(sandbox, {"a": 6, "c": 1}, ["ab", "cde"])


def test_what_is_contested_stays_a_conflict_and_is_told(sandbox: Sandbox) -> None:
    start(sandbox, *CASES["moved by one, trained by both"][:3])
    assert sandbox.theta("merge", "theirs", check=False).returncode == 1
    done = sandbox.theta("resolve", check=False)
    assert done.returncode == 1
    assert f"{INDEX}: 0 settled, 1 contested parameter left\n  c\n" in done.stdout
    assert sandbox.git("ls-files", "-u").stdout
    data = json.loads(sandbox.theta("resolve", "--json", check=False).stdout)
    assert [file["path"] for file in data["files"]] == [INDEX]
    sandbox.theta("resolve", "--base")
    sandbox.git("commit", "-qm", "merged")
    assert_merged(sandbox, {}, ["ab", "cde"])


def test_settling_overwrites_nothing_that_was_changed_since(sandbox: Sandbox) -> None:
    start(sandbox, *CASES["moved on one side, trained on the other"][:3])
    assert sandbox.git("merge", "theirs", check=False).returncode == 1
    mine = sharded("abc", "de", e=7)[shard_name(2, 2)]
    assert mine
    sandbox.write(shard_name(2, 2), mine)
    assert_refused(sandbox, shard_name(2, 2))
    assert sandbox.read(shard_name(2, 2)) == mine


@pytest.fixture(params=["merge", "diff3"])
def torn_index(sandbox: Sandbox, request: pytest.FixtureRequest) -> Sandbox:
    """A merge that stopped with markers in the index: both sides cut the checkpoint anew."""
    sandbox.git("config", "merge.conflictStyle", request.param)
    start(sandbox, *CASES["three shards against five"][:3])
    assert sandbox.git("merge", "theirs", check=False).returncode == 1
    assert b"<<<<<<< HEAD" in sandbox.read(INDEX)
    return sandbox


def test_an_index_in_conflict_that_was_edited_is_not_overwritten(torn_index: Sandbox) -> None:
    mine = torn_index.read(INDEX).replace(b'"total_size"', b'"my_note": 1, "total_size"')
    torn_index.write(INDEX, mine)
    assert_refused(torn_index, INDEX)
    assert torn_index.read(INDEX) == mine
    torn_index.git("checkout", "--merge", "--", INDEX)
    torn_index.theta("resolve", "-s", "average")


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_an_index_in_conflict_may_be_that_of_a_side(torn_index: Sandbox, side: str) -> None:
    torn_index.git("checkout", f"--{side}", "--", INDEX)
    torn_index.theta("resolve", "-s", "average")
    torn_index.git("commit", "-qm", "merged")
    assert_merged(torn_index, {"a": 1, "e": 1}, ["ab", "cd", "e"])


def test_an_index_that_we_wrote_before_we_were_stopped_is_no_edit(sandbox: Sandbox) -> None:
    case = CASES["a new parameter on each side"]
    start(sandbox, *case[:3])
    assert sandbox.git("merge", "theirs", check=False).returncode == 1
    assert INDEX in sandbox.git("ls-files", "-u").stdout
    sandbox.write(INDEX, sharded(*case.shards)[INDEX] or b"")
    sandbox.theta("resolve", "-s", "average")
    sandbox.git("commit", "-qm", "merged")
    assert_merged(sandbox, case.merged, case.shards)


@pytest.mark.parametrize("path", [INDEX, shard_name(2, 3)])
@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_stands_in_the_way_of_a_file_is_not_overwritten(torn_index: Sandbox, path: str, kind: str) -> None:
    file = torn_index.root / path
    file.unlink()
    if kind == "link":
        torn_index.write("mine", b"mine")
        file.symlink_to("mine")
    else:
        torn_index.write(f"{path}/mine", b"mine")
    assert_refused(torn_index, path)
    assert file.is_symlink() if kind == "link" else file.is_dir()


@pytest.mark.parametrize("path", [shard_name(1, 2), shard_name(3, 3)])
def test_a_file_that_git_does_not_know_is_never_lost(sandbox: Sandbox, path: str) -> None:
    """One that was a shard before both sides cut the checkpoint anew, and one where a shard would be written."""
    start(sandbox, *CASES["both cut alike, both trained"][:3])
    assert sandbox.git("merge", "theirs", check=False).returncode == 1
    if path == shard_name(3, 3):
        sandbox.git("rm", "-q", "--cached", path)
    sandbox.write(path, b"mine")
    done = sandbox.theta("resolve", "-s", "average", check=False)
    assert sandbox.read(path) == b"mine"
    assert done.returncode == (2 if path == shard_name(3, 3) else 0)


def test_what_files_say_beside_their_tensors_is_merged(sandbox: Sandbox) -> None:
    told = {"format": "pt", "step": "200"}
    start(sandbox, sharded("abc", "de"), sharded("ab", "cde"), sharded("abc", "de", metadata=told, c=1))
    sandbox.theta("merge", "theirs", "-s", "average")
    assert_merged(sandbox, {"c": 1}, ["ab", "cde"])
    for file in sandbox.root.glob("model-*.safetensors"):
        assert b'"step":"200"' in file.read_bytes()


def test_other_keys_of_an_index_are_merged_one_by_one(sandbox: Sandbox) -> None:
    def with_keys(files: Files, **keys: str) -> Files:
        content = json.loads(files[INDEX] or b"")
        content["metadata"] |= keys
        return {**files, INDEX: json.dumps(content).encode()}

    start(
        sandbox,
        with_keys(sharded("abc", "de"), tool="1", kept="x"),
        with_keys(sharded("ab", "cde"), tool="1", kept="x", ours="a"),
        with_keys(sharded("abc", "de", c=1), tool="2", kept="x"),
    )
    sandbox.theta("merge", "theirs")
    said = json.loads(sandbox.read(INDEX))["metadata"]
    assert said == {"total_size": said["total_size"], "tool": "2", "kept": "x", "ours": "a"}
    assert_merged(sandbox, {"c": 1}, ["ab", "cde"])


def test_a_stash_of_a_moved_parameter_is_not_merged_file_by_file(sandbox: Sandbox) -> None:
    start(sandbox, sharded("abc", "de"), sharded("abc", "de", c=1), sharded("abc", "de"))
    sandbox.git("switch", "-q", "--detach", "main~1")
    for path, content in sharded("ab", "cde").items():
        assert content
        sandbox.write(path, content)
    sandbox.git("stash", "-q")
    sandbox.git("switch", "-q", "main")
    assert sandbox.git("stash", "pop", check=False).returncode == 1
    done = sandbox.theta("resolve", check=False)
    assert done.returncode == 1
    assert "git checkout --ours" in done.stderr


def test_the_plan_is_of_the_whole_checkpoint(sandbox: Sandbox) -> None:
    start(sandbox, *CASES["moved by one, trained by both"][:3])
    data = json.loads(sandbox.theta("merge", "theirs", "--plan", "--json", "-s", "average").stdout)
    [file] = data["files"]
    assert file["path"] == INDEX
    assert [one["names"] for one in file["plan"]["parameters"] if one["state"] == "contested"] == [["c"]]


def of_variant(files: Files) -> Files:
    """The same files as ``save_pretrained(variant="fp16")`` calls them."""
    found = {}
    for path, content in files.items():
        assert content is not None
        name = path.replace(".index.json", ".index.fp16.json").replace("model-", "model.fp16-")
        found[name] = content.replace(b"model-0", b"model.fp16-0") if path == INDEX else content
    return found


@pytest.mark.parametrize("command", ["merge", "resolve"])
def test_a_variant_is_merged_whole_too(sandbox: Sandbox, command: str) -> None:
    case = CASES["three shards against five"]
    start(sandbox, *map(of_variant, case[:3]))
    if command == "merge":
        sandbox.theta("merge", "theirs", "-s", "average")
    else:
        assert sandbox.git("merge", "theirs", check=False).returncode == 1
        sandbox.theta("resolve", "-s", "average")
        sandbox.git("commit", "-qm", "merged")
    assert sandbox.theta("status").stdout.count("shards:") == 0
    for file in sandbox.root.glob("model*"):
        name = file.name.replace(".index.fp16.json", ".index.json").replace("model.fp16-", "model-")
        content = file.read_bytes().replace(b"model.fp16-0", b"model-0") if name == INDEX else file.read_bytes()
        file.unlink()
        (sandbox.root / name).write_bytes(content)
    found = read_checkpoint(sandbox.root)
    assert all(np.allclose(found[name], tensor_of(name, case.merged.get(name, 0))) for name in "abcde")
