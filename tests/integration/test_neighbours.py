"""L11: git-lfs, other people's hooks and other people's configuration go on as if we were not there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.integration.checkpoint_history import assert_clean, assert_file, assert_round_trip, digest, staged, stored
from tests.sandbox import Sandbox, changed, model

MODEL = model()
BLOB = b"\0not a checkpoint\n" * 1000

needs_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")


@pytest.fixture
def bare(tmp_path: Path) -> Sandbox:
    return Sandbox.create(tmp_path / "remote.git", install=False, bare=True)


@pytest.fixture
def both(tmp_path: Path, installed: Path, bare: Sandbox) -> Sandbox:
    """A repository with a file of git-lfs and one of ours, and a remote; git-lfs was there first."""
    sandbox = Sandbox.create(tmp_path / "both", install=False)
    sandbox.git("lfs", "install")
    sandbox.git("lfs", "track", "*.bin")
    sandbox.theta("install")
    sandbox.theta("track", "*.safetensors")
    sandbox.write("a.bin", BLOB)
    sandbox.write("model.safetensors", MODEL)
    sandbox.commit("one of each")
    sandbox.git("remote", "add", "origin", bare.root.as_uri())
    return sandbox


def hook(sandbox: Sandbox, name: str, script: str) -> Path:
    file = sandbox.root / ".git" / "hooks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def snapshot(sandbox: Sandbox, home: Path) -> dict[str, bytes]:
    """Configuration and hooks: everything that installing may touch."""
    git_dir = sandbox.root / ".git"
    files = [git_dir / "config", home / ".gitconfig", *sorted((git_dir / "hooks").glob("*"))]
    return {str(file): file.read_bytes() for file in files if file.is_file()}


@needs_lfs
def test_both_kinds_of_file_come_back(both: Sandbox) -> None:
    assert staged(both, "a.bin").startswith(b"version https://git-lfs")
    for path in ("a.bin", "model.safetensors"):
        (both.root / path).unlink()
    both.git("checkout", "--", ".")
    assert_file(both, "a.bin", BLOB)
    assert_round_trip(both, {"model.safetensors": MODEL})


@needs_lfs
def test_both_kinds_are_pushed_and_cloned(both: Sandbox, bare: Sandbox, tmp_path: Path) -> None:
    both.git("push", "--quiet", "--set-upstream", "origin", "main")
    shutil.rmtree(both.root)
    clone = Sandbox.clone(bare.root.as_uri(), tmp_path / "clone")
    assert_file(clone, "a.bin", BLOB)
    assert_round_trip(clone, {"model.safetensors": MODEL})


@needs_lfs
def test_the_hook_of_git_lfs_still_runs_beside_ours(both: Sandbox, bare: Sandbox) -> None:
    text = (both.root / ".git" / "hooks" / "pre-push").read_text()
    assert "git lfs pre-push" in text
    assert "git_theta" in text
    both.git("push", "--quiet", "origin", "main")
    assert list((bare.root / "lfs" / "objects").rglob(digest(BLOB)))
    assert stored_at(bare)


def stored_at(bare: Sandbox) -> list[str]:
    return [file.name for file in (bare.root / "theta" / "objects").glob("??/??/*")]


@needs_lfs
def test_git_lfs_prune_leaves_our_objects(both: Sandbox) -> None:
    both.git("push", "--quiet", "origin", "main")
    before = stored(both)
    assert before
    both.write("model.safetensors", changed(MODEL, "layer.bias"))
    both.write("a.bin", BLOB[::-1])
    both.commit("newer")
    both.git("lfs", "prune", "--force", "--recent")
    assert stored(both).keys() >= before.keys()
    both.git("checkout", "--quiet", "HEAD~", "--", "model.safetensors")
    assert_file(both, "model.safetensors", MODEL)


@needs_lfs
def test_nothing_of_ours_reaches_the_configuration_of_git_lfs(both: Sandbox) -> None:
    both.git("push", "--quiet", "origin", "main")
    assert both.git("config", "--get-regexp", r"^lfs\.storage", check=False).stdout == ""


@needs_lfs
def test_git_lfs_install_after_ours_says_how_to_go_on(tmp_path: Path, installed: Path) -> None:
    """git-lfs never writes into a hook that is there: it prints what to add, and that works beside our lines."""
    sandbox = Sandbox.create(tmp_path / "ours first", install=False)
    sandbox.theta("install")
    sandbox.theta("track", "*.safetensors")
    ours = (sandbox.root / ".git" / "hooks" / "pre-push").read_text()
    done = sandbox.git("lfs", "install", check=False)
    assert done.returncode == 2
    assert "Hook already exists: pre-push" in done.stdout + done.stderr
    assert (sandbox.root / ".git" / "hooks" / "pre-push").read_text() == ours


@needs_lfs
def test_git_lfs_hook_added_by_hand_below_ours(tmp_path: Path, installed: Path, bare: Sandbox) -> None:
    sandbox = Sandbox.create(tmp_path / "ours first", install=False)
    sandbox.theta("install")
    sandbox.theta("track", "*.safetensors")
    sandbox.git("lfs", "install", "--skip-repo")
    with (sandbox.root / ".git" / "hooks" / "pre-push").open("a") as file:
        file.write('git lfs pre-push "$@"\n')
    sandbox.git("lfs", "track", "*.bin")
    sandbox.write("a.bin", BLOB)
    sandbox.write("model.safetensors", MODEL)
    sandbox.commit("one of each")
    sandbox.git("push", "--quiet", bare.root.as_uri(), "main")
    assert list((bare.root / "lfs" / "objects").rglob(digest(BLOB)))
    assert stored_at(bare)


def test_a_pre_push_hook_that_was_there_reads_the_same_refs(tmp_path: Path, installed: Path, bare: Sandbox) -> None:
    sandbox = Sandbox.create(tmp_path / "hooked", install=False)
    seen = tmp_path / "seen"
    hook(sandbox, "pre-push", f"cat >'{seen}'; echo \"$1\" >>'{seen}'")
    sandbox.theta("install")
    sandbox.theta("track", "*.safetensors")
    sandbox.write("model.safetensors", MODEL)
    commit = sandbox.commit()
    sandbox.git("remote", "add", "origin", bare.root)
    sandbox.git("push", "--quiet", "origin", "main")
    assert seen.read_text() == f"refs/heads/main {commit} refs/heads/main {'0' * 40}\norigin\n"
    assert stored_at(bare)


def test_a_pre_push_hook_that_refuses_still_refuses(tmp_path: Path, installed: Path, bare: Sandbox) -> None:
    sandbox = Sandbox.create(tmp_path / "hooked", install=False)
    hook(sandbox, "pre-push", "echo no >&2; exit 3")
    sandbox.theta("install")
    sandbox.write("note.txt", b"a word")
    sandbox.commit()
    done = sandbox.git("push", bare.root.as_uri(), "main", check=False)
    assert done.returncode != 0
    assert "no\n" in done.stderr
    assert bare.git("for-each-ref").stdout == ""


@pytest.mark.parametrize("name", ["pre-commit", "post-checkout", "post-commit", "post-merge"])
def test_other_hooks_still_run(tmp_path: Path, installed: Path, name: str) -> None:
    sandbox = Sandbox.create(tmp_path / "hooked", install=False)
    seen = tmp_path / "seen"
    hook(sandbox, name, f"echo {name} >>'{seen}'")
    sandbox.theta("install")
    sandbox.theta("track", "*.safetensors")
    sandbox.write("model.safetensors", MODEL)
    sandbox.commit()
    sandbox.git("checkout", "--quiet", "-b", "other")
    sandbox.write("note.txt", b"a word")
    sandbox.commit()
    sandbox.git("checkout", "--quiet", "main")
    sandbox.git("merge", "--quiet", "other")
    assert name in seen.read_text()
    assert_round_trip(sandbox, {"model.safetensors": MODEL})


def test_a_hook_below_commit_sees_the_real_file(tmp_path: Path, installed: Path) -> None:
    sandbox = Sandbox.create(tmp_path / "hooked", install=False)
    seen = tmp_path / "seen"
    hook(sandbox, "pre-commit", f"cp model.safetensors '{seen}'")
    sandbox.theta("track", "*.safetensors")
    sandbox.write("model.safetensors", MODEL)
    sandbox.commit()
    assert digest(seen.read_bytes()) == digest(MODEL)


@pytest.mark.parametrize("scope", ["global", "local"])
def test_uninstall_leaves_nothing_of_ours(tmp_path: Path, home: Path, scope: str) -> None:
    sandbox = Sandbox.create(tmp_path / "clean", install=False)
    hook(sandbox, "pre-push", "exit 0")
    sandbox.git("config", "filter.other.clean", "cat")
    before = snapshot(sandbox, home)
    sandbox.theta("install", f"--{scope}")
    assert snapshot(sandbox, home) != before
    sandbox.theta("track", "*.safetensors")
    sandbox.write("model.safetensors", MODEL)
    sandbox.commit()
    sandbox.git("checkout", "--quiet", "--", ".")
    sandbox.theta("untrack", "*.safetensors")
    sandbox.theta("uninstall", f"--{scope}")
    assert snapshot(sandbox, home) == before


@needs_lfs
def test_uninstall_leaves_git_lfs_as_it_was(tmp_path: Path, home: Path) -> None:
    sandbox = Sandbox.create(tmp_path / "clean", install=False)
    sandbox.git("lfs", "install")
    before = snapshot(sandbox, home)
    sandbox.theta("install")
    sandbox.theta("uninstall")
    assert snapshot(sandbox, home) == before


def test_attributes_of_other_people_stay(sandbox: Sandbox) -> None:
    lines = b"# mine\n*.bin filter=lfs diff=lfs merge=lfs -text\n*.txt text eol=lf\n"
    sandbox.write(".gitattributes", lines)
    sandbox.theta("track", "*.safetensors")
    assert sandbox.read(".gitattributes").startswith(lines)
    sandbox.theta("untrack", "*.safetensors")
    assert sandbox.read(".gitattributes") == lines


@needs_lfs
def test_a_deferred_checkout_beside_the_hooks_of_git_lfs(both: Sandbox) -> None:
    """They look at git-lfs's files alone, so a large file is still written after Git is done."""
    large = model(9, **{"layer.weight": (2200, 1000)})
    both.write("large.safetensors", large)
    both.commit("large")
    (both.root / "large.safetensors").unlink()
    trace = both.root.parent / "trace"
    both.git("checkout", "--", ".", env={"GIT_TRACE2_EVENT": str(trace)})
    assert '"update-index"' in trace.read_text(), "Git is told of the file that was written after it was done"
    assert_round_trip(both, {"large.safetensors": large, "model.safetensors": MODEL})
    assert_clean(both)
