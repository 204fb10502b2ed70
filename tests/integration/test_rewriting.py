"""L1, L2, L4: commands that make commits out of commits, alone or with programs that look at the files in between."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_theta.manifest.text import is_manifest
from tests.integration.checkpoint_history import MODEL, NOTE, History, assert_clean, assert_file, staged
from tests.sandbox import changed


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file for what programs below Git saw."""
    return tmp_path / "seen"


def looking(log: Path) -> str:
    """A shell command that appends the id of the checkpoint's real bytes to ``log``."""
    return f"git hash-object --no-filters {MODEL} >>'{log}'"


def seen(history: History, log: Path) -> list[int | str]:
    """What the programs saw: the number of the version, or an id that is none of them."""
    ids = {}
    for number, version in enumerate(history.versions):
        file = log.with_name("a version")
        file.write_bytes(version)
        ids[history.git("hash-object", "--no-filters", file).strip()] = number
    return [ids.get(line, line) for line in log.read_text().splitlines()]


def test_rebase_of_notes_onto_another_version(history: History) -> None:
    history.note_on("topic", "v0")
    history.git("rebase", "--quiet", "main")
    history.holds(2)


def test_rebase_of_versions_onto_a_note(history: History) -> None:
    history.note_on("side", "v0")
    history.git("checkout", "--quiet", "main")
    history.git("rebase", "--quiet", "side")
    history.holds(2)
    history.git("checkout", "--quiet", "HEAD~")
    history.holds(1)


def test_rebase_with_exec_shows_the_real_file_to_every_command(history: History, log: Path) -> None:
    history.note_on("side", "v0")
    history.git("checkout", "--quiet", "main")
    history.git("rebase", "--quiet", "--exec", looking(log), "side")
    assert seen(history, log) == [1, 2]
    history.holds(2)


@pytest.mark.parametrize("option", ["-x", "-qx", "--exe"])
def test_rebase_with_exec_spelled_otherwise(history: History, log: Path, option: str) -> None:
    history.note_on("side", "v0")
    history.git("checkout", "--quiet", "main")
    history.git("rebase", option, looking(log), "side")
    assert seen(history, log) == [1, 2]
    history.holds(2)


@pytest.mark.parametrize("option", ["--interactive", "-ki", "--int"])
def test_interactive_rebase_with_an_exec_line(history: History, log: Path, option: str) -> None:
    editor = f"sed -i.orig -e '1a\\\nexec {looking(log)}'"
    history.git("rebase", option, "v0", GIT_SEQUENCE_EDITOR=editor)
    assert seen(history, log) == [1]
    history.holds(2)


def test_interactive_rebase_that_drops_a_version(history: History) -> None:
    history.sandbox.write("last.txt", b"a word\n")
    history.sandbox.commit("a note")
    # v2 goes; the note stays, on v1.
    history.git("rebase", "-i", "v1", GIT_SEQUENCE_EDITOR="sed -i.orig -e 1s/pick/drop/")
    history.holds(1)


def test_rebase_that_stops_and_goes_on(history: History) -> None:
    history.git("rebase", "-i", "v0", GIT_SEQUENCE_EDITOR="sed -i.orig -e 1s/pick/edit/")
    history.holds(1)
    history.git("rebase", "--continue")
    history.holds(2)


def test_rebase_that_conflicts_and_is_aborted(history: History) -> None:
    history.branch("topic", "v0", changed(history.versions[0], "layer.bias", b"other"))
    done = history.sandbox.git("rebase", "main", check=False)
    assert done.returncode != 0
    history.git("rebase", "--abort")
    assert_clean(history.sandbox)
    history.git("checkout", "--quiet", "main")
    history.holds(2)


def test_rebase_with_autostash(history: History) -> None:
    history.note_on("topic", "v0")
    history.sandbox.write("other.safetensors", history.versions[0])
    history.sandbox.commit()
    history.sandbox.write("other.safetensors", history.versions[1])
    history.git("rebase", "--quiet", "--autostash", "main")
    assert_file(history.sandbox, MODEL, history.versions[2])
    assert_file(history.sandbox, "other.safetensors", history.versions[1])
    assert history.git("status", "--porcelain") == " M other.safetensors\n"


def test_cherry_pick(history: History) -> None:
    history.note_on("side", "v0")
    history.git("cherry-pick", "v1", "v2")
    history.holds(2)


def test_cherry_pick_without_commit(history: History) -> None:
    history.git("checkout", "--quiet", "v0")
    history.git("cherry-pick", "--no-commit", "v1")
    assert_file(history.sandbox, MODEL, history.versions[1])
    assert history.git("status", "--porcelain") == f"M  {MODEL}\nM  {NOTE}\n"


def test_revert(history: History) -> None:
    history.git("revert", "--no-edit", "v2")
    history.holds(1)


def test_merge_where_another_file_changed(history: History) -> None:
    history.note_on("side", "v0")
    history.git("merge", "--quiet", "--no-edit", "main")
    history.holds(2)


def test_merge_that_is_a_fast_forward(history: History) -> None:
    history.git("checkout", "--quiet", "-b", "old", "v0")
    history.git("merge", "--quiet", "--ff-only", "main")
    history.holds(2)


def test_octopus_merge_where_one_head_has_the_checkpoint(history: History) -> None:
    for name in ("one", "two"):
        history.note_on(name, "v0")
    history.git("checkout", "--quiet", "-b", "all", "v0")
    history.git("merge", "--quiet", "--no-edit", "v2", "one", "two")
    history.holds(2)


def test_merge_of_a_deleted_and_a_modified_checkpoint_stays_in_conflict(history: History) -> None:
    history.branch("gone", "v0")
    history.git("rm", "--quiet", MODEL)
    history.git("commit", "--quiet", "-m", "remove")
    assert history.sandbox.git("merge", "main", check=False).returncode == 1
    assert history.git("status", "--porcelain", "--", MODEL) == f"DU {MODEL}\n"
    assert_file(history.sandbox, MODEL, history.versions[2])
    history.git("add", MODEL)
    history.git("commit", "--quiet", "--no-edit")
    history.holds(2)


def test_merge_that_conflicts_and_is_aborted(history: History) -> None:
    history.branch("topic", "v0", changed(history.versions[0], "layer.bias", b"other"))
    assert history.sandbox.git("merge", "main", check=False).returncode == 1
    assert history.git("status", "--porcelain", "--", MODEL) == f"UU {MODEL}\n"
    history.git("merge", "--abort")
    assert_file(history.sandbox, MODEL, changed(history.versions[0], "layer.bias", b"other"))
    assert_clean(history.sandbox)


@pytest.mark.parametrize(("side", "version"), [("--ours", 2), ("--theirs", 0)])
def test_one_side_of_a_conflict_is_checked_out(history: History, side: str, version: int) -> None:
    history.branch("theirs", "v0")
    history.git("commit", "--quiet", "--allow-empty", "-m", "same")
    history.git("checkout", "--quiet", "main")
    index = "".join(
        f"100644 {history.git('rev-parse', f'{tag}:{MODEL}').strip()} {stage}\t{MODEL}\n"
        for stage, tag in [(1, "v1"), (2, "v2"), (3, "v0")]
    )
    remove = f"0 {'0' * len(history.git('rev-parse', 'HEAD').strip())}\t{MODEL}\n"
    history.sandbox.git("update-index", "--index-info", input=remove + index)
    history.git("checkout", side, "--", MODEL)
    assert_file(history.sandbox, MODEL, history.versions[version])
    assert history.git("status", "--porcelain", "--", MODEL) == f"UU {MODEL}\n"


def test_bisect_run(history: History, log: Path) -> None:
    history.git("bisect", "start", "v2", "v0")
    found = history.git("bisect", "run", "sh", "-c", f"{looking(log)}; test $(cat {NOTE}) -lt 1")
    assert "is the first bad commit" in found
    assert seen(history, log) == [1]
    history.git("bisect", "reset")
    history.holds(2)


def test_patches_by_mail(history: History) -> None:
    """``format-patch --binary`` and ``am`` carry manifests, and the objects are here."""
    patches = history.git("format-patch", "--quiet", "--binary", "--stdout", "v0..main")
    history.git("checkout", "--quiet", "-b", "again", "v0")
    history.sandbox.git("am", "--quiet", input=patches)
    history.holds(2)


def test_a_hook_below_checkout_sees_the_real_file(history: History, log: Path) -> None:
    hook = history.root / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{looking(log)}\n")
    hook.chmod(0o755)
    history.git("checkout", "--quiet", "v0")
    assert seen(history, log) == [0]


def test_a_hook_below_merge_sees_the_real_file(history: History, log: Path) -> None:
    history.note_on("side", "v0")
    hook = history.root / ".git" / "hooks" / "pre-merge-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{looking(log)}\n")
    hook.chmod(0o755)
    history.git("merge", "--quiet", "--no-edit", "main")
    assert seen(history, log) == [2]
    history.holds(2)


def test_git_holds_a_manifest_of_every_version(history: History) -> None:
    for number in range(3):
        assert is_manifest(history.git("cat-file", "blob", f"v{number}:{MODEL}").encode())
    assert staged(history.sandbox, MODEL) == history.git("cat-file", "blob", f"v2:{MODEL}").encode()
