"""Checkpoints that are contested across their files, of which Git, file by file, sees no conflict (L7, L13)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from tests.integration.test_sharded_merges import Files, start
from tests.integration.three_branches import assert_clean
from tests.sandbox import Sandbox, safetensors_bytes
from tests.sharded_checkpoints import INDEX, replace_files, shard_name, sharded, tensor_of

CODES, SCALES = shard_name(1, 2), shard_name(2, 2)
TOLD = "Git merged its files one by one, but the checkpoint is contested"


def without_index(files: Files) -> Files:
    return {path: content for path, content in files.items() if path != INDEX}


def quantised(code: int, scale: float, count: int = 4096) -> Files:
    """fp8 codes in one shard, their scales in another."""
    index = {"metadata": {}, "weight_map": {"w.weight": CODES, "w.weight_scale": SCALES}}
    return {
        CODES: safetensors_bytes({"w.weight": ("F8_E4M3", (64, count // 64), bytes([code]) * count)}),
        SCALES: safetensors_bytes({"w.weight_scale": ("F32", (64,), np.full(64, scale, "<f4").tobytes())}),
        INDEX: json.dumps(index).encode(),
    }


def start_quantised(sandbox: Sandbox) -> None:
    start(sandbox, quantised(56, 1), quantised(57, 1), quantised(56, 2))


def start_added(sandbox: Sandbox) -> None:
    """Both sides add a parameter, each to another shard."""
    start(sandbox, *map(without_index, (sharded("abc", "de"), sharded("abcx", "de"), sharded("abc", "dex", x=2))))


def merge(sandbox: Sandbox, how: str) -> str:
    """Merge the branch theirs, which must not be committed; what was said."""
    command = [how, "merge", "theirs"] if how == "theta" else ["merge", "theirs"]
    done = sandbox.git(*command, check=False)
    assert done.returncode == 1
    assert (sandbox.root / ".git/MERGE_HEAD").exists()
    return done.stderr


def content_of(sandbox: Sandbox) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sandbox.root.glob("model*")}


HOW = pytest.mark.parametrize("how", ["theta", "git"])


@pytest.mark.parametrize("command", [("theta", "merge"), ("theta", "merge", "-s", "average"), ("merge",)])
def test_codes_and_scales_in_different_shards_are_one_conflict(sandbox: Sandbox, command: tuple[str, ...]) -> None:
    start_quantised(sandbox)
    done = sandbox.git(*command, "theirs", check=False)
    assert done.returncode == 1
    assert f"{INDEX}: {TOLD}" in done.stderr
    assert "w.weight" in done.stderr
    assert sandbox.git("commit", "-qm", "mixed", check=False).returncode != 0
    assert sandbox.theta("resolve", check=False).returncode == 1
    sandbox.git("merge", "--abort")
    assert_clean(sandbox)
    assert content_of(sandbox) == quantised(57, 1)


@HOW
@pytest.mark.parametrize(("side", "kept"), [("ours", quantised(57, 1)), ("theirs", quantised(56, 2))])
def test_a_side_settles_it_with_what_belongs_together(sandbox: Sandbox, side: str, kept: Files, how: str) -> None:
    start_quantised(sandbox)
    merge(sandbox, how)
    sandbox.theta("resolve", f"--{side}")
    assert sandbox.git("ls-files", "-u").stdout == ""
    sandbox.git("commit", "-qm", "merged")
    assert_clean(sandbox)
    assert content_of(sandbox)[CODES] == kept[CODES]
    assert content_of(sandbox)[SCALES] == kept[SCALES]


@HOW
def test_a_parameter_that_both_added_never_stands_twice(sandbox: Sandbox, how: str) -> None:
    start_added(sandbox)
    assert TOLD in merge(sandbox, how)
    sandbox.theta("resolve", "-s", "average")
    sandbox.git("commit", "-qm", "merged")
    assert_clean(sandbox)
    held = [load(content) for path, content in sorted(content_of(sandbox).items()) if path != INDEX]
    assert ["x" in one for one in held].count(True) == 1
    [merged] = [one["x"] for one in held if "x" in one]
    np.testing.assert_allclose(merged, tensor_of("x", 1), atol=1e-6)


def beside(name: str, *versions: Files) -> list[Files]:
    """Versions of a checkpoint, each with another file of which all differ."""
    tensors = ({"o": ("F32", (1024,), np.full(1024, at, "<f4").tobytes())} for at in range(len(versions)))
    return [{**files, name: safetensors_bytes(held)} for files, held in zip(versions, tensors, strict=True)]


def test_so_it_is_beside_a_conflict_of_another_file(sandbox: Sandbox) -> None:
    start(sandbox, *beside("other.safetensors", quantised(56, 1), quantised(57, 1), quantised(56, 2)))
    done = sandbox.theta("merge", "theirs", check=False)
    assert (done.returncode, TOLD in done.stderr) == (1, True)
    assert {CODES, SCALES, "other.safetensors"} == set(
        sandbox.git("diff", "--name-only", "--diff-filter=U").stdout.split()
    )


def test_status_names_what_is_contested(sandbox: Sandbox) -> None:
    start_quantised(sandbox)
    merge(sandbox, "git")
    said = sandbox.theta("status").stdout
    assert f"checkpoint: {INDEX}: its files are settled together\n  contested: w.weight\n" in said
    assert "  contested: w.weight_scale\n" in said
    [told] = json.loads(sandbox.theta("status", "--json").stdout)["checkpoints"]
    assert told == {"path": INDEX, "reason": None, "contested": ["w.weight", "w.weight_scale"]}


def test_json_names_the_files(sandbox: Sandbox) -> None:
    start_quantised(sandbox)
    done = sandbox.theta("merge", "theirs", "--json", check=False)
    assert (done.returncode, json.loads(done.stdout)["conflicts"]) == (1, [CODES, SCALES])
    assert json.loads(done.stdout)["commit"] is None


def test_hooks_are_there_before_anything_is_merged(sandbox: Sandbox) -> None:
    """A merge in a sparse checkout may run no filter that could place them."""
    start_quantised(sandbox)
    for name in ("pre-merge-commit", "prepare-commit-msg"):
        assert "git-theta" in (sandbox.root / ".git/hooks" / name).read_text()
    sandbox.git("config", "core.sparseCheckout", "true")
    sandbox.write(".git/info/sparse-checkout", b"/.gitattributes\n")
    sandbox.git("read-tree", "-mu", "HEAD")
    assert not content_of(sandbox)
    assert TOLD in merge(sandbox, "git")


@pytest.mark.parametrize("how", ["clone", "track", "install"])
def test_so_they_are_in_whatever_is_new(sandbox: Sandbox, how: str, tmp_path: Path) -> None:
    start_quantised(sandbox)
    sandbox.theta("install", "--global")
    new = Sandbox.clone(sandbox, tmp_path / "new")
    hooks = new.root / ".git/hooks"
    if how != "clone":
        for hook in hooks.iterdir():
            hook.unlink()
        new.theta(*(["track", "*.bin"] if how == "track" else ["install"]))
    assert {hook.name for hook in hooks.glob("pre*") if hook.suffix != ".sample"} == {
        "pre-push",
        "pre-merge-commit",
        "prepare-commit-msg",
    }


def test_git_merge_commits_what_each_side_changed_of_its_own(sandbox: Sandbox) -> None:
    start(sandbox, sharded("abc", "de"), sharded("abc", "de", a=1), sharded("abc", "de", d=2))
    sandbox.git("merge", "--quiet", "--no-edit", "theirs")
    assert_clean(sandbox)
    assert content_of(sandbox) == sharded("abc", "de", a=1, d=2)


def test_what_both_added_alike_is_kept_once(sandbox: Sandbox) -> None:
    """Ids settle it; file by file it would be there twice."""
    versions = (sharded("abc", "de"), sharded("abcx", "de"), sharded("abc", "dex"))
    start(sandbox, *map(without_index, versions))
    assert TOLD in merge(sandbox, "git")
    sandbox.theta("resolve")
    sandbox.git("commit", "-qm", "merged")
    assert [len(load(content)) for content in content_of(sandbox).values()].count(2) == 1
    assert_clean(sandbox)


def test_a_strategy_that_settles_it_whole_is_not_undone_by_a_conflict_elsewhere(sandbox: Sandbox) -> None:
    """`git theta merge` leaves a conflict to Git, which then merges the checkpoint file by file, too."""
    versions = map(without_index, (sharded("abc", "de"), sharded("abcx", "de"), sharded("abc", "dex", x=2)))
    start(sandbox, *beside("other.safetensors", *versions))
    done = sandbox.theta("merge", "theirs", "--for", "x=average", check=False)
    assert (done.returncode, TOLD in done.stderr) == (1, True)
    assert "other.safetensors" in sandbox.git("ls-files", "-u").stdout


def test_a_conflict_in_a_third_shard_is_settled_with_the_others(sandbox: Sandbox) -> None:
    third = "model-00003-of-00003.safetensors"
    start(sandbox, *map(without_index, beside(third, quantised(56, 1), quantised(57, 1), quantised(56, 2))))
    assert third in sandbox.git("merge", "theirs", check=False).stdout
    sandbox.theta("resolve", "--theirs")
    sandbox.git("commit", "-qm", "merged")
    assert_clean(sandbox)
    assert {path: content_of(sandbox)[path] for path in (CODES, SCALES)} == without_index(quantised(56, 2))


def test_large_files_are_written_while_they_are_in_conflict(sandbox: Sandbox) -> None:
    """They are deferred, for our own hook reads no file, and what is written does not settle them."""
    base, ours, theirs = quantised(56, 1, 9 << 20), quantised(56, 2, 9 << 20), quantised(57, 1, 9 << 20)
    start(sandbox, base, ours, theirs)
    assert TOLD in merge(sandbox, "git")
    assert content_of(sandbox)[CODES] == theirs[CODES]
    written = (sandbox.root / CODES).stat()
    assert written.st_mtime < written.st_ctime - 2, "it was smudged while Git waited"  # else it is older than its place
    assert set(sandbox.git("diff", "--name-only", "--diff-filter=U").stdout.split()) == {CODES, SCALES}
    sandbox.theta("resolve", "--ours")
    sandbox.git("commit", "-qm", "merged")
    assert_clean(sandbox)
    assert content_of(sandbox) == ours


def fork_twice(sandbox: Sandbox, *versions: Files, clash: bool = False) -> None:
    """Branches that have merged each other's first commits, so that two commits are merge bases of what follows.

    ``clash``: those two contradict each other.
    """
    base, ours, theirs = versions
    start(sandbox, base, base, base)
    firsts = []
    for branch in ("main", "theirs"):
        sandbox.git("switch", "--quiet", branch)
        name = "clash.txt" if clash else f"{branch}.txt"
        sandbox.write(name, branch.encode())
        sandbox.git("add", name)
        sandbox.git("commit", "-qm", f"first of {branch}")
        firsts.append(sandbox.git("rev-parse", "HEAD").stdout.strip())
    for branch, first, files in zip(("theirs", "main"), firsts, (theirs, ours), strict=True):
        sandbox.git("switch", "--quiet", branch)
        sandbox.git("merge", "--quiet", "--no-edit", first, check=not clash)
        if clash:
            sandbox.write("clash.txt", b"settled")
            sandbox.git("commit", "-qam", "settled")
        replace_files(sandbox, files, f"second of {branch}")


@HOW
def test_so_it_is_with_several_merge_bases(sandbox: Sandbox, how: str) -> None:
    fork_twice(sandbox, quantised(56, 1), quantised(57, 1), quantised(56, 2))
    assert TOLD in merge(sandbox, how)
    sandbox.theta("resolve", "--theirs")
    sandbox.git("commit", "-qm", "merged")
    assert_clean(sandbox)
    assert content_of(sandbox) == quantised(56, 2)


@HOW
def test_so_it_is_where_merge_bases_contradict_each_other(sandbox: Sandbox, how: str) -> None:
    """Nobody knows what Git began at; that codes of one stand beside scales of the other is wrong from anywhere."""
    fork_twice(sandbox, quantised(56, 1), quantised(57, 1), quantised(56, 2), clash=True)
    command = ["theta", "merge"] if how == "theta" else ["merge", "--no-edit"]
    done = sandbox.git(*command, "theirs", check=False)
    assert done.returncode == 1
    assert "git theta merge --base REV" in done.stderr
    assert sandbox.git("commit", "-qm", "mixed", check=False).returncode == 1
    sandbox.git("merge", "--abort")
    base = sandbox.git("merge-base", "HEAD", "theirs").stdout.strip()
    assert sandbox.theta("merge", "--base", base, "theirs", check=False).returncode == 1, "it is contested"
    sandbox.theta("merge", "--base", base, "-s", "theirs", "theirs")
    assert_clean(sandbox)
    assert content_of(sandbox) == quantised(56, 2)


@HOW
def test_several_merge_bases_are_no_conflict(sandbox: Sandbox, how: str) -> None:
    fork_twice(sandbox, sharded("abc", "de"), sharded("abc", "de", a=1), sharded("abc", "de", d=2))
    sandbox.git(*(["theta", "merge"] if how == "theta" else ["merge", "--no-edit"]), "theirs")
    assert_clean(sandbox)
    assert content_of(sandbox) == sharded("abc", "de", a=1, d=2)


def add_head(sandbox: Sandbox, name: str, commit: str) -> None:
    """A branch with a file that no other one has."""
    sandbox.git("switch", "--quiet", "-c", name, commit)
    sandbox.write(f"{name}.txt", name.encode())
    sandbox.git("add", f"{name}.txt")
    sandbox.git("commit", "-qm", name)
    sandbox.git("switch", "--quiet", "main")


def test_several_heads_at_once_mix_nothing(sandbox: Sandbox) -> None:
    start_quantised(sandbox)
    add_head(sandbox, "third", "main~1")
    done = sandbox.git("merge", "--no-edit", "theirs", "third", check=False)
    assert (done.returncode, TOLD in done.stderr) == (1, True)
    assert "git theta merge theirs third" in done.stderr
    resolved = sandbox.theta("resolve", "--ours", check=False)
    assert resolved.returncode != 0
    assert "several heads" in resolved.stderr
    assert sandbox.git("commit", "-qm", "mixed", check=False).returncode != 0
    sandbox.git("merge", "--abort")
    assert content_of(sandbox) == quantised(57, 1)


def test_several_heads_at_once_are_committed_where_nothing_is_contested(sandbox: Sandbox) -> None:
    start(sandbox, sharded("abc", "de"), sharded("abc", "de", a=1), sharded("abc", "de", d=2))
    add_head(sandbox, "third", "main~1")
    sandbox.git("merge", "--quiet", "--no-edit", "theirs", "third")
    assert_clean(sandbox)
    assert content_of(sandbox) == sharded("abc", "de", a=1, d=2)


def test_a_head_beside_one_that_has_it_counts_for_nothing(sandbox: Sandbox) -> None:
    """Git merges two heads then, though three were named."""
    start_quantised(sandbox)
    add_head(sandbox, "third", "theirs")
    done = sandbox.git("merge", "--no-edit", "theirs", "third", check=False)
    assert (done.returncode, TOLD in done.stderr) == (1, True)
    sandbox.theta("resolve", "--theirs")
    sandbox.git("commit", "-qm", "merged")
    assert content_of(sandbox) == quantised(56, 2)


def switch_off(sandbox: Sandbox, hook: Path) -> None:
    """Have a hook in the place of ours that does nothing."""
    sandbox.write(str(hook), b"#!/bin/sh\nexit 0\n")
    (sandbox.root / hook).chmod(0o755)


def test_where_one_hook_does_not_ask_us_the_other_one_does(sandbox: Sandbox) -> None:
    start_quantised(sandbox)
    switch_off(sandbox, Path(".git/hooks/pre-merge-commit"))
    done = sandbox.git("merge", "--no-edit", "theirs", check=False)
    assert (done.returncode, "mixed up what belongs together" in done.stderr) == (1, True)


def test_hooks_that_do_not_ask_us_are_told_of(sandbox: Sandbox) -> None:
    start_quantised(sandbox)
    sandbox.git("config", "core.hooksPath", "hooks")
    switch_off(sandbox, Path("hooks/pre-merge-commit"))
    done = sandbox.git("merge", "--no-edit", "theirs")
    assert f"{INDEX}: it is contested across its files" in done.stderr
    assert "git theta pre-merge-commit" in done.stderr
    sandbox.git("reset", "--quiet", "--merge", "ORIG_HEAD")
    assert content_of(sandbox) == quantised(57, 1)


def test_such_a_hook_is_no_matter_where_nothing_is_contested(sandbox: Sandbox) -> None:
    start(sandbox, sharded("abc", "de"), sharded("abc", "de", a=1), sharded("abc", "de", d=2))
    sandbox.git("config", "core.hooksPath", "nowhere")
    assert "contested" not in sandbox.git("merge", "--no-edit", "theirs").stderr
