"""Commands that only ask whether a checkpoint changed store nothing; those that record or show it store everything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from git_theta.manifest.text import decode_manifest, is_manifest
from tests.integration.checkpoint_history import MODEL, assert_clean, assert_file
from tests.sandbox import Sandbox, changed, model

SHAPES: dict[str, int | tuple[int, ...]] = {"embed.weight": (300, 1000), "layer.weight": (2700, 1000), "layer.bias": 9}
CHECKPOINT = model(5, **SHAPES)  # 12 MB

ASKING = (
    ("status",),
    ("status", "--porcelain=2"),
    ("diff", "--quiet"),
    ("diff-files", "--quiet"),
    ("ls-files", "--modified"),
)


@pytest.fixture
def tracked(sandbox: Sandbox) -> Sandbox:
    """A repository with a checkpoint that is committed."""
    sandbox.theta("track", "*.safetensors")
    sandbox.write(MODEL, CHECKPOINT)
    sandbox.commit("a model")
    return sandbox


def store_size(sandbox: Sandbox) -> int:
    return sum(file.stat().st_size for file in (sandbox.root / ".git/theta/objects").rglob("*") if file.is_file())


def edit(sandbox: Sandbox, version: int) -> bytes:
    """Another version of the checkpoint in the worktree, in which every tensor differs from those before."""
    content = CHECKPOINT
    for name in SHAPES:
        content = changed(content, name, version.to_bytes(4, "little"), at=8)
    file = sandbox.write(MODEL, content)
    os.utime(file, (file.stat().st_mtime - 60 * version,) * 2)  # Git sees that it changed, and need not doubt it
    return content


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_four_polls_of_a_changing_checkpoint_store_nothing(tracked: Sandbox, command: tuple[str, ...]) -> None:
    before = store_size(tracked)
    for version in range(1, 5):
        content = edit(tracked, version)
        tracked.git(*command, check=False)
        assert MODEL in tracked.git("status", "--porcelain").stdout
    assert store_size(tracked) == before
    tracked.git("add", MODEL)
    assert store_size(tracked) > before
    tracked.git("commit", "--quiet", "-m", "changed")
    assert_file(tracked, MODEL, content)
    tracked.theta("fsck")


@pytest.mark.parametrize("command", [one for one in ASKING if one[0] != "diff-files"], ids=" ".join)
def test_what_is_unchanged_is_seen_to_be(tracked: Sandbox, command: tuple[str, ...]) -> None:
    before = store_size(tracked)
    os.utime(tracked.root / MODEL, (1e9, 1e9))
    assert MODEL not in tracked.git(*command).stdout
    assert_clean(tracked)
    assert store_size(tracked) == before


def test_a_change_that_is_taken_back_is_none(tracked: Sandbox) -> None:
    edit(tracked, 1)
    assert tracked.git("status", "--porcelain").stdout == f" M {MODEL}\n"
    file = tracked.write(MODEL, CHECKPOINT)
    os.utime(file, (1e9, 1e9))
    assert_clean(tracked)


def test_objects_that_are_gone_are_stored_again_by_a_look_at_the_file(tracked: Sandbox) -> None:
    """What the index names is not changed, so that a status says the truth about it; and it is better here than not."""
    for file in (tracked.root / ".git/theta/objects").glob("??/??/*"):
        file.unlink()
    os.utime(tracked.root / MODEL, (1e9, 1e9))
    assert_clean(tracked)
    tracked.theta("fsck")


@pytest.mark.parametrize("polled", [False, True], ids=["first", "after-status"])
def test_a_commit_of_everything_stores_it(tracked: Sandbox, polled: bool) -> None:
    content = edit(tracked, 1)
    if polled:
        tracked.git("status")
    tracked.git("commit", "--quiet", "--all", "-m", "changed")
    assert_file(tracked, MODEL, content)
    tracked.theta("fsck")


def test_a_stash_stores_it(tracked: Sandbox) -> None:
    content = edit(tracked, 1)
    tracked.git("status")
    tracked.git("stash")
    assert tracked.read(MODEL) == CHECKPOINT
    tracked.git("stash", "pop")
    assert tracked.read(MODEL) == content
    tracked.theta("fsck")


@pytest.mark.parametrize("command", [("diff", "--no-ext-diff"), ("status", "-vv"), ("diff-files", "-p")], ids=" ".join)
def test_a_patch_that_is_shown_can_be_applied(tracked: Sandbox, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Patches of manifests name objects: those must be here, or the patch is worth nothing."""
    content = edit(tracked, 1)
    tracked.git("status")
    shown = tracked.git("-c", "diff.theta.command=", *command, check=False).stdout
    patch = tmp_path / "patch"
    patch.write_text(shown[shown.find("diff --git") :])
    if "GIT binary" in shown or "@@" not in shown:
        pytest.fail(f"no patch: {shown[:300]}")
    tracked.git("checkout", "--", MODEL)
    tracked.git("apply", "--cached", patch)
    staged = tracked.git("show", f":{MODEL}").stdout.encode()
    assert is_manifest(staged)
    assert decode_manifest(staged).size == len(content)
    tracked.git("checkout", "--", MODEL)
    assert tracked.read(MODEL) == content


def test_a_raw_blob_in_the_index_is_seen_and_nothing_is_stored(sandbox: Sandbox) -> None:
    sandbox.write(MODEL, CHECKPOINT)
    sandbox.commit("raw")
    sandbox.theta("track", "*.safetensors")
    os.utime(sandbox.root / MODEL, (1e9, 1e9))
    assert MODEL not in sandbox.git("status", "--porcelain").stdout
    edited = sandbox.write(MODEL, CHECKPOINT[:-1] + bytes([CHECKPOINT[-1] ^ 1]))
    assert f" M {MODEL}" in sandbox.git("status", "--porcelain").stdout
    assert store_size(sandbox) == 0
    edited.write_bytes(CHECKPOINT)
    sandbox.git("add", "--renormalize", MODEL)
    sandbox.git("commit", "--quiet", "-m", "by parameters")
    assert_file(sandbox, MODEL, CHECKPOINT)


def test_an_alias_of_status_stores_nothing(tracked: Sandbox) -> None:
    before = store_size(tracked)
    edit(tracked, 1)
    subprocess.run(["git", "-c", "alias.st=status --short", "st"], cwd=tracked.root, check=True)
    assert store_size(tracked) == before
