"""``git diff`` and its kin on checkpoints, with the driver that install puts in place."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from git_theta.manifest.text import is_manifest
from tests.sandbox import Sandbox, changed, model
from tests.sharded_checkpoints import replace_files, sharded
from tests.templates import built_once

MODEL = "m.safetensors"
FIRST = model()
SECOND = changed(FIRST, "layer.bias")
THIRD = changed(FIRST, "layer.weight")


@pytest.fixture
def two(sandbox: Sandbox) -> Sandbox:
    """Two commits in which one parameter differs."""
    _record(sandbox)
    return sandbox


@built_once
def _record(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    for version in (FIRST, SECOND):
        sandbox.write(MODEL, version)
        sandbox.commit()


def lines(sandbox: Sandbox, *command: str) -> list[str]:
    return sandbox.git(*command).stdout.splitlines()


def told(sandbox: Sandbox, *command: str) -> dict[str, str]:
    """Parameter -> its sign, in what a Git command prints."""
    rows = [line.split() for line in lines(sandbox, *command) if line[:2] in ("~ ", "! ", "+ ", "- ", "> ")]
    return {words[1]: words[0] for words in rows}


def test_commits_the_index_and_the_worktree(two: Sandbox) -> None:
    assert told(two, "diff", "HEAD~", "HEAD") == {"layer.bias": "~"}
    two.write(MODEL, THIRD)
    assert told(two, "diff") == {"layer.bias": "~", "layer.weight": "~"}
    assert told(two, "diff", "-R") == {"layer.bias": "~", "layer.weight": "~"}
    assert told(two, "diff", "HEAD~") == {"layer.weight": "~"}
    two.git("add", MODEL)
    assert told(two, "diff", "--cached", "HEAD~") == {"layer.weight": "~"}
    assert told(two, "diff", "HEAD~:" + MODEL, "HEAD:" + MODEL) == {"layer.bias": "~"}


def test_from_a_folder_below(two: Sandbox) -> None:
    two.write("sub/" + MODEL, THIRD)
    two.git("add", "-N", ".")
    assert told(Sandbox(two.root / "sub"), "diff") == dict.fromkeys(("embed.weight", "layer.weight", "layer.bias"), "+")


def test_added_deleted_renamed_and_only_of_another_mode(two: Sandbox) -> None:
    two.write("new.safetensors", model(1, fresh=(3, 3)))
    two.git("mv", MODEL, "moved.safetensors")
    two.write("moved.safetensors", FIRST)
    two.git("add", ".")
    two.git("commit", "-qm", "renamed")
    assert told(two, "diff", "HEAD~", "HEAD") == {"fresh": "+", "layer.bias": "~"}
    said = lines(two, "diff", "--no-renames", "HEAD~", "HEAD", "--", MODEL, "moved.safetensors")
    assert [line for line in said if line.endswith("file")] == ["deleted file", "new file"]
    (two.root / "new.safetensors").chmod(0o755)
    assert lines(two, "diff") == [
        "diff --theta a/new.safetensors b/new.safetensors",
        "old mode 100644",
        "new mode 100755",
    ]


def test_a_raw_checkpoint_on_one_side_is_compared_by_parameters(two: Sandbox) -> None:
    two.write(MODEL, THIRD)
    raw = two.git("hash-object", "-w", "--no-filters", MODEL).stdout.strip()
    two.git("update-index", "--cacheinfo", f"100644,{raw},{MODEL}")
    both = {"layer.bias": "~", "layer.weight": "~"}
    said = lines(two, "diff", "--cached")
    assert said[0] == f"diff --theta a/{MODEL} b/{MODEL}"
    assert "before: safetensors checkpoint, stored by parameters" in said
    assert "after: a raw safetensors checkpoint, committed without git-theta" in said
    assert told(two, "diff", "--cached") == both
    two.git("commit", "-qm", "raw")
    assert told(two, "diff", "HEAD~", "HEAD") == both
    assert told(two, "diff", "HEAD~") == both  # the worktree's file, which stays raw while the index has it so
    assert told(two, "diff", "HEAD", "HEAD~2") == {"layer.weight": "~"}
    two.write(MODEL, FIRST)
    assert told(two, "diff") == {"layer.weight": "~"}
    [file] = json.loads(two.theta("diff", "--json", "HEAD~", "HEAD").stdout)["checkpoints"]
    assert sorted(one["name"] for one in file["parameters"]) == sorted(both)


def test_what_stands_for_a_raw_file_elsewhere_is_remarked_on(two: Sandbox) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 1\n"
    oid = two.git("hash-object", "-w", "--stdin", input=pointer).stdout.strip()
    two.git("update-index", "--cacheinfo", f"100644,{oid},{MODEL}")
    assert told(two, "diff", "--cached") == {}
    assert "after: a git-lfs pointer" in lines(two, "diff", "--cached")


def test_a_link_a_newer_manifest_and_an_empty_file(two: Sandbox) -> None:
    newer = two.git("cat-file", "blob", f"HEAD:{MODEL}").stdout.replace("manifest 1", "manifest 9", 1)
    two.write(MODEL, newer.encode())
    done = two.git("diff")
    assert "after: a manifest of version 9; this release reads up to version 1" in done.stdout
    assert "hint: Upgrade git-theta" in done.stderr
    two.write(MODEL, b"")
    assert "after: an empty file" in lines(two, "diff")
    (two.root / MODEL).unlink()
    (two.root / MODEL).symlink_to("elsewhere")
    assert "after: a symbolic link" in lines(two, "diff")


def test_a_file_in_conflict(two: Sandbox) -> None:
    two.git("checkout", "-q", "-b", "side", "HEAD~")
    two.write(MODEL, changed(FIRST, "layer.bias", at=4))
    two.commit()
    two.git("merge", "-q", "main", check=False)
    assert f"* Unmerged path {MODEL}" in lines(two, "diff", "--ours")


def test_where_git_runs_no_driver_it_prints_a_line_for_each_parameter(two: Sandbox) -> None:
    for command in (["show"], ["log", "-p", "-1"], ["format-patch", "--stdout", "-1"], ["diff", "--no-ext-diff", "@~"]):
        said = [line for line in lines(two, *command) if line.startswith(('+{"name"', '-{"name"'))]
        assert [line[:22] for line in said] == ['-{"name":"layer.bias",', '+{"name":"layer.bias",']
    assert told(two, "log", "-p", "-1", "--ext-diff") == {"layer.bias": "~"}
    assert told(two, "show", "--ext-diff") == {"layer.bias": "~"}


def test_git_materialises_nothing_for_the_driver(two: Sandbox, tmp_path: Path) -> None:
    """The files that Git puts down for the driver cost no tensor: they hold manifests, which nobody reads."""
    seen = tmp_path / "seen"
    driver = two.git("config", "diff.theta.command").stdout.strip()
    two.git("config", "diff.theta.command", f'cp "$2" {shlex.quote(str(seen))}; {driver}')
    (two.root / ".git/theta/objects").rename(tmp_path / "gone")
    assert told(two, "diff", "HEAD~", "HEAD") == {"layer.bias": "~"}
    assert is_manifest(seen.read_bytes())


def test_a_textconv_and_another_driver_get_the_file(two: Sandbox) -> None:
    dump = f"{shlex.quote(sys.executable)} -c \"import sys; print(len(open(sys.argv[1], 'rb').read()))\""
    two.git("config", "diff.theta.textconv", dump)
    assert f"+{len(SECOND)}" not in lines(two, "show")  # both have the same length: the conversions do not differ
    two.write(MODEL, SECOND + b"\0")
    two.commit()
    assert f"+{len(SECOND) + 1}" in lines(two, "show")
    two.git("config", "--unset", "diff.theta.textconv")
    two.git("config", "diff.theta.command", 'wc -c <"$2" #')
    assert lines(two, "diff", "HEAD~", "HEAD") == [str(len(SECOND))]


def test_a_missing_object_is_told_and_the_rest_reported(two: Sandbox) -> None:
    two.write(MODEL, changed(SECOND, "embed.weight"))
    two.commit()
    before = {path for path in (two.root / ".git/theta/objects").rglob("*") if path.is_file()}
    two.write(MODEL, THIRD)
    two.write("other.safetensors", FIRST)
    two.commit()
    for path in {path for path in (two.root / ".git/theta/objects").rglob("*") if path.is_file()} - before:
        path.unlink()
    done = two.git("diff", "HEAD~", "HEAD", "--", MODEL)
    assert "could not be measured" in done.stdout
    assert told(two, "diff", "HEAD~", "HEAD", "--", MODEL).keys() == {"embed.weight", "layer.weight", "layer.bias"}


def test_colours_are_gits(two: Sandbox) -> None:
    assert "\x1b[" not in two.git("diff", "HEAD~", "HEAD").stdout
    assert "\x1b[" in two.git("-c", "color.diff=always", "diff", "HEAD~", "HEAD").stdout
    assert "\x1b[" in two.git("diff", "HEAD~", "HEAD", env={"GIT_PAGER_IN_USE": "1"}).stdout


def test_an_error_stops_git_and_says_why(two: Sandbox) -> None:
    two.write(".git/theta/state.sqlite", b"")
    done = two.run(sys.executable, "-I", "-m", "git_theta.cli.diff_driver", MODEL, "x", "1" * 40, check=False)
    assert done.returncode > 128


# Shards --------------------------------------------------------------------------------------------------------------


def moves(sandbox: Sandbox, *command: str) -> set[tuple[str, ...]]:
    """Sign and name of every row, with the shards where a parameter moved, in what a Git command prints."""
    rows = [
        line for line in lines(sandbox, *command, "--", "*.safetensors") if line[:2] in ("~ ", "! ", "+ ", "- ", "> ")
    ]
    found = [re.search(r"moved from model-(\S+)\.safetensors to model-(\S+)\.safetensors", row) for row in rows]
    return {(*row.split()[:2], *(move.groups() if move else ())) for row, move in zip(rows, found, strict=True)}


@pytest.fixture
def resharded(sandbox: Sandbox) -> Sandbox:
    """Three commits: ``b`` moves to the second shard, where ``d`` is trained; then ``c`` to a third, ``e`` is new."""
    sandbox.theta("track", "*.safetensors")
    replace_files(sandbox, sharded("ab", "cd"), "one")
    replace_files(sandbox, sharded("a", "bcd", d=1.0), "two")
    replace_files(sandbox, sharded("ae", "b", "cd", d=1.0), "three")
    return sandbox


B = (">", "b", "00001-of-00002", "00002-of-00002")
C = (">", "c", "00002-of-00002", "00003-of-00003")
D = (">", "d", "00002-of-00002", "00003-of-00003")


def test_what_moved_among_shards_is_neither_added_nor_removed(resharded: Sandbox) -> None:
    for command in (["@~2", "@~"], ["@~2..@~"], ["--no-color", "@~2...@~"]):
        assert moves(resharded, "diff", *command) == {B, ("~", "d")}
    assert moves(resharded, "diff", "@~", "@") == {("+", "e"), C, D}
    said = lines(resharded, "diff", "@~", "@", "--", "*.safetensors")
    assert not [line for line in said if "new checkpoint" in line or "was removed" in line]
    one = lines(resharded, "diff", "@~2", "@~", "--", "model-00001-of-00002.safetensors")
    assert "@@ 1 moved, of 2 parameters" in "\n".join(one)


def test_the_report_of_a_shard_has_its_name(resharded: Sandbox) -> None:
    said = lines(resharded, "diff", "@~2", "@~", "--", "*.safetensors")
    shards = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    assert [line for line in said if line[:3] in ("---", "+++")] == [
        line for name in shards for line in (f"--- a/{name}", f"+++ b/{name}")
    ]


def test_what_moved_among_shards_in_index_and_worktree(resharded: Sandbox) -> None:
    resharded.git("switch", "-qc", "more", "@~")
    for path, content in sharded("abc", "d", d=1.0).items():
        assert content
        resharded.write(path, content)
    expected = {(">", name, "00002-of-00002", "00001-of-00002") for name in "bc"}
    assert moves(resharded, "diff") == moves(resharded, "diff", "@") == expected
    resharded.git("add", "--all")
    assert moves(resharded, "diff", "--cached") == moves(resharded, "diff", "--staged", "@") == expected
    assert moves(resharded, "diff") == set()


def test_where_it_is_not_known_what_git_compares_a_shard_is_compared_alone(resharded: Sandbox) -> None:
    apart = {("-", "b"), ("+", "b"), ("~", "d")}
    assert moves(resharded, "diff", "-R", "@~2", "@~") == moves(resharded, "show", "--ext-diff", "@~") == apart
