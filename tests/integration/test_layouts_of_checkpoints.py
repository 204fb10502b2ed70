"""Versions of a checkpoint, some of whose files are kept whole and others by parameters, told and merged as one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.letters_format import (
    INDEX,
    ask,
    commit_files,
    install_format,
    lettered,
    lettered_shards,
    read_layouts,
    read_letters,
    remove_format,
    restore_format,
)
from tests.sandbox import Sandbox

FIRST, SECOND = "model-00001-of-00002.letters", "model-00002-of-00002.letters"


@pytest.fixture
def letters(sandbox: Sandbox, tmp_path: Path) -> Sandbox:
    """A repository that knows a format, which can be taken away."""
    install_format(sandbox, tmp_path / "site")
    return sandbox


@pytest.fixture
def apart(letters: Sandbox) -> Sandbox:
    """Two shards, whole in the base: ``main`` cut them in three and trained e, ``side`` trained c, by what was known.

    So all shards of main are by parameters; of side one is, and the other is kept whole still.
    """
    remove_format(letters)
    commit_files(letters, lettered_shards("abc", "de"), "base")
    restore_format(letters)
    letters.git("switch", "-qc", "side")
    commit_files(letters, lettered_shards("abc", "de", trained="c"), "side trained c")
    assert read_layouts(letters) == {FIRST: "abc", SECOND: ""}
    letters.git("switch", "-q", "main")
    commit_files(letters, lettered_shards("ab", "cd", "e", trained="e"), "main cut it, and trained e")
    assert list(read_layouts(letters).values()) == ["ab", "cd", "e"]
    return letters


def test_git_theta_merge_merges_them_whole(apart: Sandbox) -> None:
    ask(apart, "theta", "merge", "side")
    assert read_letters(apart) == "abCdE"
    assert list(read_layouts(apart).values()) == ["ab", "cd", "e"]
    assert apart.git("status", "--porcelain").stdout == ""
    apart.theta("fsck")


def test_they_are_merged_so_from_the_other_side_too(apart: Sandbox) -> None:
    apart.git("switch", "-q", "side")
    ask(apart, "theta", "merge", "main")
    assert read_letters(apart) == "abCdE"
    assert list(read_layouts(apart).values()) == ["ab", "cd", "e"]


def test_what_git_left_is_resolved_whole(apart: Sandbox) -> None:
    assert ask(apart, "merge", "--no-edit", "side", check=False).returncode == 1
    ask(apart, "theta", "resolve")
    apart.git("commit", "-qm", "merged")
    assert read_letters(apart) == "abCdE"
    assert list(read_layouts(apart).values()) == ["ab", "cd", "e"]


def test_what_both_trained_is_contested_by_name(apart: Sandbox) -> None:
    commit_files(apart, lettered_shards("ab", "cd", "e", trained="de"), "trained d as well")
    apart.git("switch", "-q", "side")
    files = lettered_shards("abc", "de", trained="c")
    files[SECOND] = files[SECOND].replace(b"d" * 100, b"?" * 100)
    commit_files(apart, files, "another d")
    done = ask(apart, "theta", "merge", "main", check=False)
    assert done.returncode == 1
    ask(apart, "merge", "main", check=False)
    said = ask(apart, "theta", "resolve", check=False).stdout
    assert "1 contested parameter left\n  d\n" in said
    ask(apart, "theta", "resolve", "--theirs")
    assert read_letters(apart) == "abCDE"


def test_a_shard_that_both_sides_keep_whole_is_settled_by_the_parameters_of_its_siblings(letters: Sandbox) -> None:
    remove_format(letters)
    commit_files(letters, lettered_shards("abc", "de"), "base")
    letters.git("branch", "side")
    commit_files(letters, lettered_shards("abc", "de", trained="d"), "trained d")
    letters.git("switch", "-q", "side")
    commit_files(letters, lettered_shards("abc", "de", trained="e"), "trained e")
    restore_format(letters)
    commit_files(letters, lettered_shards("abc", "de", trained="ae"), "trained a")
    assert read_layouts(letters) == {FIRST: "abc", SECOND: ""}
    letters.git("switch", "-q", "main")
    assert ask(letters, "merge", "--no-edit", "side", check=False).returncode == 1
    ask(letters, "theta", "resolve")
    letters.git("commit", "-qm", "merged")
    assert read_letters(letters) == "AbcDE"
    assert read_layouts(letters) == {FIRST: "abc", SECOND: "de"}


def test_the_diff_is_by_parameters(apart: Sandbox) -> None:
    found = json.loads(ask(apart, "theta", "diff", "--json", "main~1", "main").stdout)["checkpoints"]
    changed = {one["name"]: one["status"] for one in found[0]["parameters"] if one["status"] != "unchanged"}
    assert [one["path"] for one in found] == [INDEX]
    assert changed == {"c": "moved", "e": "changed"}
    said = ask(apart, "theta", "diff", "side", "main", "--name-only").stdout
    assert said.split()[1::2] == ["c", "e"]
    assert "kept whole" not in ask(apart, "diff", "main~1", "main").stdout


def test_the_log_is_by_parameters(apart: Sandbox) -> None:
    entries = json.loads(ask(apart, "theta", "log", "--json", "main", "side").stdout)
    told = {one["subject"]: one["checkpoints"][0] for one in entries}
    assert {change["name"]: change["status"] for change in told["side trained c"]["changes"]} == {"c": "changed"}
    main = told["main cut it, and trained e"]
    assert {change["name"]: change["status"] for change in main["changes"]} == {"c": "moved", "e": "changed"}
    assert main["parameters"] == 5
    assert not [alarm for one in entries for alarm in one["alarms"]]


def test_a_log_stores_nothing_and_fetches_nothing(apart: Sandbox) -> None:
    store = apart.root / ".git/theta/objects"
    before = {file.name: file.stat().st_mtime_ns for file in store.rglob("*")}
    assert "side trained c" in ask(apart, "theta", "log", "side").stdout
    assert {file.name: file.stat().st_mtime_ns for file in store.rglob("*")} == before
    for file in [file for file in store.rglob("*") if file.is_file()]:
        file.unlink()
    (apart.root / ".git/theta/state.sqlite").unlink()
    done = ask(apart, "theta", "log", "side")
    assert done.returncode == 0
    assert "laid out differently, and cannot be made alike" in done.stderr
    assert "git theta fetch --all" in done.stderr


def test_blame_goes_on_through_what_was_kept_whole(letters: Sandbox) -> None:
    remove_format(letters)
    commit_files(letters, lettered_shards("abc", "de"), "base")
    commit_files(letters, lettered_shards("abc", "de", trained="d"), "trained d")
    restore_format(letters)
    commit_files(letters, lettered_shards("ab", "cd", "e", trained="bd"), "cut it, and trained b")
    blamed = json.loads(ask(letters, "theta", "blame", "--json", INDEX).stdout)
    subjects = {one["name"]: one["subject"] for one in blamed}
    base = dict.fromkeys("ace", "base")
    assert subjects == base | {"b": "cut it, and trained b", "d": "trained d"}


def test_blame_stops_where_a_version_cannot_be_read(letters: Sandbox) -> None:
    remove_format(letters)
    commit_files(letters, {"model.letters": lettered("abc")}, "base")
    commit_files(letters, {"model.letters": lettered("abc", trained="a")}, "trained a")
    gone = letters.git("cat-file", "blob", "HEAD~1:model.letters").stdout
    restore_format(letters)
    commit_files(letters, {"model.letters": lettered("abc", trained="ab")}, "trained b")
    [oid] = {part.split('"')[0] for part in gone.split('"object":"')[1:]} or {gone.split('"oid":"')[1][:64]}
    (letters.root / ".git/theta/objects" / oid[:2] / oid[2:4] / oid).unlink()
    done = ask(letters, "theta", "blame", "--json", "model.letters")
    subjects = {one["name"]: one["subject"] for one in json.loads(done.stdout)}
    assert subjects == {"a": "trained a", "b": "trained b", "c": "trained a"}
    assert "cannot be made alike" in done.stderr


def test_blame_tells_every_parameter_of_a_version_in_two_layouts(apart: Sandbox) -> None:
    blamed = json.loads(ask(apart, "theta", "blame", "--json", INDEX, "side").stdout)
    assert {one["name"]: one["subject"] for one in blamed} == dict.fromkeys("abde", "base") | {"c": "side trained c"}


def test_a_map_is_of_all_parameters(apart: Sandbox) -> None:
    found = json.loads(ask(apart, "theta", "map", "--json", "main", "side", "--base", "main~1", "--", INDEX).stdout)
    assert found["parameters"] == 5
    assert [one["label"] for one in found["versions"]] == ["main", "side"]


def test_a_new_layout_is_no_training(letters: Sandbox) -> None:
    remove_format(letters)
    commit_files(letters, lettered_shards("abc", "de"), "base")
    restore_format(letters)
    for branch in ("one", "two"):
        letters.git("switch", "-qc", branch, "main")
        ask(letters, "theta", "relayout", ".")
        letters.git("commit", "-qm", f"{branch}: by parameters")
    entries = json.loads(ask(letters, "theta", "log", "--json", "one", "two").stdout)
    assert [one["subject"] for one in entries] == ["base"]
    assert "byte for byte" not in ask(letters, "theta", "doctor", check=False).stdout


def test_doctor_and_status_trust_an_index_of_files_that_are_kept_whole(apart: Sandbox) -> None:
    apart.git("switch", "-q", "side")
    assert "shards:" not in ask(apart, "theta", "status").stdout
    assert "nowhere" not in ask(apart, "theta", "doctor", check=False).stdout
