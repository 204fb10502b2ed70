"""Git commands and clients that meet our filter in other ways than add and checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from git_theta.manifest.text import is_manifest
from tests.integration.checkpoint_history import (
    MODEL,
    History,
    assert_clean,
    assert_file,
    assert_round_trip,
    digest,
    staged,
)
from tests.sandbox import Sandbox, changed, model

pytestmark = pytest.mark.genuine  # how Git is run, and what it starts, is what these are about


def cleaned(history: History, content: bytes, path: str = MODEL) -> bytes:
    """The blob that ``hash-object --path`` makes of other bytes than the worktree's."""
    (history.root.parent / "content").write_bytes(content)
    with (history.root.parent / "content").open("rb") as file:
        oid = subprocess.run(
            ["git", "hash-object", "-w", "--stdin", f"--path={path}"], cwd=history.root, stdin=file, check=True,
            capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
    return history.git("cat-file", "blob", oid).encode(errors="surrogateescape")


@pytest.fixture
def one_shot(history: History, home: Path) -> History:
    """Git runs a process for every file, as clients do that do not speak the process protocol."""
    history.git("config", "--global", "--unset", "filter.theta.process")
    return history


def test_one_shot_filters(one_shot: History) -> None:
    for version in (0, 1, 2):
        one_shot.git("checkout", "--quiet", f"v{version}")
        one_shot.holds(version)
    one_shot.sandbox.write(MODEL, one_shot.versions[1])
    one_shot.sandbox.commit()
    assert one_shot.git("rev-parse", f"HEAD:{MODEL}") == one_shot.git("rev-parse", f"v1:{MODEL}")
    one_shot.holds(1)


def test_one_shot_filters_of_paths_that_are_hard_to_quote(one_shot: History) -> None:
    stems = ["a b", "it's", "-n", "%f%%", "$HOME", "模"]
    files = {f"{stem}.safetensors": one_shot.versions[1] for stem in stems}
    for path, content in files.items():
        one_shot.sandbox.write(path, content)
    one_shot.sandbox.commit()
    for path in files:
        (one_shot.root / path).unlink()
    one_shot.git("checkout", "--quiet", "--", ".")
    assert_round_trip(one_shot.sandbox, files)


def test_one_shot_smudge_that_fails_fails_the_command(one_shot: History) -> None:
    objects = one_shot.root / ".git" / "theta" / "objects"
    objects.rename(objects.with_name("away"))
    (one_shot.root / MODEL).unlink()
    done = one_shot.sandbox.git("checkout", "--", MODEL, check=False)
    assert done.returncode != 0
    assert "missing" in done.stderr
    assert not (one_shot.root / MODEL).exists()


def test_cat_file_with_filters(history: History) -> None:
    # To a file: Sandbox.git reads text.
    with (history.root.parent / "out").open("wb") as file:
        subprocess.run(["git", "cat-file", "--filters", f"v0:{MODEL}"], cwd=history.root, stdout=file, check=True)
    assert digest((history.root.parent / "out").read_bytes()) == digest(history.versions[0])
    history.holds(2)


def test_hash_object_of_what_lies_in_the_worktree(history: History) -> None:
    assert cleaned(history, history.versions[2]) == staged(history.sandbox, MODEL)


def test_hash_object_of_other_bytes_than_lie_there(history: History) -> None:
    expected = history.git("cat-file", "blob", f"v0:{MODEL}").encode()
    assert cleaned(history, history.versions[0]) == expected
    assert cleaned(history, history.versions[0], "nowhere.safetensors") == expected
    history.holds(2)


def test_hash_object_of_a_large_tensor_that_only_starts_as_the_staged_one(sandbox: Sandbox) -> None:
    """A large part that starts as the known one of its name is expected to be it, and need not be."""
    first = model(4, weight=(5000, 1000))  # 20 MB
    sandbox.theta("track", "*.safetensors")
    sandbox.write(MODEL, first)
    sandbox.commit()
    history = History(sandbox, (first, first, first))
    other = changed(first, "weight", at=19_000_000)
    text = cleaned(history, other)
    assert is_manifest(text)
    sandbox.write(MODEL, text)
    sandbox.commit("the other, by its manifest")
    (sandbox.root / MODEL).unlink()
    sandbox.git("checkout", "--", MODEL)
    assert_round_trip(sandbox, {MODEL: other})


def test_hash_object_in_a_bare_repository(history: History, tmp_path: Path) -> None:
    bare = History(Sandbox.clone(history.sandbox, tmp_path / "bare", "--bare"), history.versions)
    (bare.root / "info" / "attributes").write_text("*.safetensors filter=theta -text\n")
    assert is_manifest(cleaned(bare, history.versions[1]))


def test_diff_without_a_driver_shows_manifests_and_starts_no_filter(history: History) -> None:
    for command in (
        ["diff", "--no-ext-diff", "v0", "v1"],
        ["show", "v1"],
        ["log", "-p", "--follow", "--", MODEL],
        ["diff", "--stat", "v0"],
    ):
        assert MODEL in history.git(*command)
    patch = history.git("diff", "--no-ext-diff", "--unified=0", "v0", "v1", "--", MODEL)
    changed_lines = [line for line in patch.splitlines() if line.startswith("+{")]
    assert [line for line in changed_lines if '"name":"layer.bias"' in line] == changed_lines
    assert_clean(history.sandbox)


def test_diff_of_the_worktree(history: History) -> None:
    history.sandbox.write(MODEL, history.versions[0])
    assert '"name":"layer.bias"' in history.git("diff", "--no-ext-diff", "--", MODEL)
    assert history.git("diff", "--name-only") == f"{MODEL}\n"


def test_skipping_smudge_leaves_manifests_that_git_calls_clean(history: History) -> None:
    history.git("checkout", "--quiet", "v0", GIT_THETA_SKIP_SMUDGE="1")
    assert history.sandbox.read(MODEL) == history.git("cat-file", "blob", f"v0:{MODEL}").encode()
    assert_clean(history.sandbox)
    history.sandbox.theta("checkout")
    history.holds(0)


def test_skipping_smudge_one_shot(one_shot: History) -> None:
    one_shot.git("checkout", "--quiet", "v0", GIT_THETA_SKIP_SMUDGE="1")
    assert is_manifest(one_shot.sandbox.read(MODEL))
    assert_clean(one_shot.sandbox)


def test_manifests_that_lie_around_can_be_moved_about_and_committed(history: History) -> None:
    history.git("checkout", "--quiet", "v0", GIT_THETA_SKIP_SMUDGE="1")
    history.git("mv", MODEL, "moved.safetensors")
    history.git("commit", "--quiet", "-m", "moved")
    (history.root / "moved.safetensors").unlink()
    history.git("checkout", "--", "moved.safetensors")
    history.holds(0, "moved.safetensors")


def test_skipping_smudge_of_a_clone_needs_no_objects(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("GIT_THETA_SKIP_SMUDGE", "1")
        clone = Sandbox.clone(history.sandbox, tmp_path / "clone")
    assert not (clone.root / ".git" / "theta" / "objects").exists()
    assert_clean(clone)
    clone.theta("checkout", MODEL)
    history.holds(2, at=clone)


def test_fast_export_and_import(history: History, tmp_path: Path) -> None:
    """They carry blobs; the objects are found at the remote."""
    stream = history.git("fast-export", "--all", "--signed-tags=strip")
    object_format = history.git("rev-parse", "--show-object-format").strip()
    again = Sandbox.create(tmp_path / "again", object_format, install=False)  # type: ignore[arg-type]
    again.git("fast-import", "--quiet", input=stream)
    again.git("remote", "add", "origin", history.root)
    again.git("reset", "--quiet", "--hard", "main")
    history.holds(2, at=again)


def test_commit_of_a_path_and_of_all(history: History) -> None:
    history.sandbox.write(MODEL, history.versions[0])
    history.git("commit", "--quiet", "-m", "by path", "--", MODEL)
    history.holds(0)
    history.sandbox.write(MODEL, history.versions[1])
    history.git("commit", "--quiet", "--all", "-m", "all")
    history.holds(1)


def test_an_add_that_only_intends(history: History) -> None:
    history.sandbox.write("new.safetensors", history.versions[0])
    history.git("add", "--intent-to-add", "new.safetensors")
    assert history.git("status", "--porcelain") == " A new.safetensors\n"
    history.git("add", "new.safetensors")
    history.git("commit", "--quiet", "-m", "new")
    history.holds(0, "new.safetensors")


def test_renormalize_changes_nothing(history: History) -> None:
    history.git("add", "--renormalize", ".")
    history.holds(2)


def test_a_touched_file_is_still_clean(history: History) -> None:
    (history.root / MODEL).touch()
    history.holds(2)


def test_gc_and_repack_leave_everything(history: History) -> None:
    history.git("gc", "--quiet", "--prune=now")
    history.git("checkout", "--quiet", "v0")
    history.holds(0)


@pytest.mark.skipif(sys.platform != "linux", reason="counts on a case-sensitive file system")
def test_paths_that_differ_in_case(history: History) -> None:
    history.sandbox.write("A.safetensors", history.versions[0])
    history.sandbox.write("a.safetensors", history.versions[1])
    history.sandbox.commit()
    for path in ("A.safetensors", "a.safetensors"):
        (history.root / path).unlink()
    history.git("checkout", "--", ".")
    assert_file(history.sandbox, "A.safetensors", history.versions[0])
    assert_round_trip(history.sandbox, {"a.safetensors": history.versions[1]})
