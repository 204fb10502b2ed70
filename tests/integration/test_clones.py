"""L1, L4: a checkpoint in clones, worktrees, submodules, sparse and bare repositories."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from tests.integration.checkpoint_history import (
    MODEL,
    NOTE,
    History,
    ObjectFormat,
    assert_file,
    digest,
    every_kind,
    staged,
    stored,
)
from tests.sandbox import Sandbox


def object_format(history: History) -> ObjectFormat:
    return "sha1" if history.git("rev-parse", "--show-object-format") == "sha1\n" else "sha256"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Where clones go."""
    return tmp_path / "elsewhere"


@every_kind
def test_clone_of_a_path(history: History, elsewhere: Path) -> None:
    clone = Sandbox.clone(history.sandbox, elsewhere)
    history.holds(2, at=clone)
    for version in (0, 1):
        clone.git("checkout", "--quiet", f"v{version}")
        history.holds(version, at=clone)


def test_clone_of_a_url(history: History, elsewhere: Path) -> None:
    clone = Sandbox.clone(history.root.as_uri(), elsewhere)
    history.holds(2, at=clone)
    clone.git("checkout", "--quiet", "v0")
    history.holds(0, at=clone)


def test_clone_without_checkout(history: History, elsewhere: Path) -> None:
    clone = Sandbox.clone(history.sandbox, elsewhere, "--no-checkout")
    assert stored(clone) == {}
    clone.git("checkout", "--quiet", "main")
    history.holds(2, at=clone)


def test_clone_of_another_remote_name(history: History, elsewhere: Path) -> None:
    clone = Sandbox.clone(history.sandbox, elsewhere, "--origin", "up.stream")
    history.holds(2, at=clone)


def test_clone_of_one_commit(history: History, elsewhere: Path) -> None:
    clone = Sandbox.clone(history.root.as_uri(), elsewhere, "--depth", "1")
    assert clone.git("rev-list", "--count", "HEAD").stdout == "1\n"
    history.holds(2, at=clone)


def test_clone_that_shares_objects(history: History, elsewhere: Path) -> None:
    clone = Sandbox.clone(history.sandbox, elsewhere, "--shared")
    history.holds(2, at=clone)
    assert stored(clone) == {}
    clone.git("checkout", "--quiet", "v0")
    history.holds(0, at=clone)
    clone.write(MODEL, history.versions[1])
    clone.commit()
    history.holds(1, at=clone)
    assert sum(stored(clone).values()) < 1000, "what is borrowed is not stored again"


def test_clone_with_a_reference(history: History, elsewhere: Path, tmp_path: Path) -> None:
    first = Sandbox.clone(history.sandbox, elsewhere)
    second = Sandbox.clone(history.root.as_uri(), tmp_path / "second", "--reference", str(first.root))
    history.holds(2, at=second)


def test_clone_of_a_clone(history: History, elsewhere: Path, tmp_path: Path) -> None:
    first = Sandbox.clone(history.sandbox, elsewhere)
    second = Sandbox.clone(first, tmp_path / "second")
    shutil.rmtree(history.root)
    history.holds(2, at=second)


def test_clone_survives_the_loss_of_its_source(history: History, elsewhere: Path) -> None:
    clone = Sandbox.clone(history.sandbox, elsewhere)
    shutil.rmtree(history.root)
    (clone.root / MODEL).unlink()
    clone.git("checkout", "--", MODEL)
    history.holds(2, at=clone)


def test_objects_that_no_remote_has_are_an_error_that_names_them(history: History, elsewhere: Path) -> None:
    clone = Sandbox.clone(history.sandbox, elsewhere, "--no-checkout")
    shutil.rmtree(history.root / ".git" / "theta" / "objects")
    done = clone.git("checkout", "v0", check=False)
    assert done.returncode != 0
    assert MODEL in done.stderr
    assert "missing" in done.stderr
    assert "hint:" in done.stderr
    assert not (clone.root / MODEL).exists()


@pytest.mark.parametrize("missing", ["blob:none", "tree:0"])
def test_partial_clone(history: History, elsewhere: Path, missing: str) -> None:
    history.git("config", "uploadpack.allowFilter", "true")
    history.git("config", "uploadpack.allowAnySHA1InWant", "true")
    clone = Sandbox.clone(history.root.as_uri(), elsewhere, f"--filter={missing}")
    history.holds(2, at=clone)
    clone.git("checkout", "--quiet", "v0")
    history.holds(0, at=clone)
    clone.write(MODEL, history.versions[1])
    clone.commit()
    history.holds(1, at=clone)


def test_sparse_checkout(history: History, elsewhere: Path) -> None:
    for folder in ("inside", "outside"):
        history.sandbox.write(f"{folder}/{MODEL}", history.versions[1])
    history.sandbox.commit()
    clone = Sandbox.clone(history.sandbox, elsewhere, "--sparse")
    assert not (clone.root / "inside").exists()
    clone.git("sparse-checkout", "set", "inside")
    history.holds(1, f"inside/{MODEL}", at=clone)
    assert not (clone.root / "outside").exists()
    clone.git("sparse-checkout", "disable")
    history.holds(1, f"outside/{MODEL}", at=clone)


def test_sparse_checkout_without_the_attributes_file(history: History, elsewhere: Path) -> None:
    history.sandbox.write(f"inside/{MODEL}", history.versions[1])
    history.sandbox.commit()
    clone = Sandbox.clone(history.sandbox, elsewhere, "--no-checkout")
    clone.git("sparse-checkout", "set", "--no-cone", "/inside/")
    clone.git("checkout", "--quiet", "main")
    assert not (clone.root / ".gitattributes").exists()
    history.holds(1, f"inside/{MODEL}", at=clone)
    clone.write(f"inside/{MODEL}", history.versions[0])
    clone.git("commit", "--quiet", "--all", "-m", "another")
    history.holds(0, f"inside/{MODEL}", at=clone)


def test_worktree_add(history: History, elsewhere: Path) -> None:
    history.git("worktree", "add", "--quiet", elsewhere, "v0")
    linked = Sandbox(elsewhere)
    history.holds(0, at=linked)
    history.holds(2)
    before = stored(history.sandbox)
    linked.write(MODEL, history.versions[1])
    linked.git("commit", "--quiet", "--all", "-m", "in the linked worktree")
    history.holds(1, at=linked)
    assert stored(history.sandbox) == before


def test_clone_of_a_linked_worktree(history: History, elsewhere: Path, tmp_path: Path) -> None:
    history.git("worktree", "add", "--quiet", tmp_path / "linked", "v0")
    clone = Sandbox.clone(tmp_path / "linked", elsewhere)
    history.holds(0, at=clone)


def test_worktree_on_another_file_system(history: History, other_file_system: Path) -> None:
    linked = Sandbox(other_file_system / "linked")
    history.git("worktree", "add", "--quiet", linked.root, "v0")
    history.holds(0, at=linked)
    linked.git("checkout", "--quiet", "v1")
    history.holds(1, at=linked)
    assert sorted(file.name for file in linked.root.iterdir()) == [".git", ".gitattributes", MODEL, NOTE]


def test_worktree_of_a_bare_repository(history: History, elsewhere: Path, tmp_path: Path) -> None:
    bare = Sandbox.clone(history.sandbox, elsewhere, "--bare")
    bare.git("worktree", "add", "--quiet", tmp_path / "linked", "v0")
    linked = Sandbox(tmp_path / "linked")
    history.holds(0, at=linked)
    linked.git("checkout", "--quiet", "v1")
    history.holds(1, at=linked)


def test_bare_repository_with_a_worktree_by_environment(history: History, elsewhere: Path, tmp_path: Path) -> None:
    bare = Sandbox.clone(history.sandbox, elsewhere, "--bare")
    where = tmp_path / "files"
    where.mkdir()
    env = {"GIT_DIR": str(bare.root), "GIT_WORK_TREE": str(where)}
    outside = Sandbox(tmp_path)
    outside.git("checkout", "--quiet", "--force", "v0", env=env)
    assert_file(Sandbox(where), MODEL, history.versions[0])
    assert outside.git("status", "--porcelain", env=env).stdout == ""
    (where / MODEL).write_bytes(history.versions[1])
    outside.git("add", "--all", env=env)
    outside.git("commit", "--quiet", "-m", "from outside", env=env)
    (where / MODEL).unlink()
    outside.git("reset", "--quiet", "--hard", env=env)
    assert_file(Sandbox(where), MODEL, history.versions[1])
    assert outside.git("status", "--porcelain", env=env).stdout == ""


def test_repository_named_by_options(history: History, tmp_path: Path) -> None:
    where = [f"--git-dir={history.root}/.git", f"--work-tree={history.root}"]
    outside = Sandbox(tmp_path)
    outside.git(*where, "checkout", "--quiet", "v0")
    history.holds(0)
    outside.git("-C", history.root, "checkout", "--quiet", "main")
    history.holds(2)


def test_separate_git_dir(history: History, elsewhere: Path, tmp_path: Path) -> None:
    clone = Sandbox.clone(history.sandbox, elsewhere, f"--separate-git-dir={tmp_path}/git")
    assert (clone.root / ".git").is_file()
    history.holds(2, at=clone)
    clone.git("checkout", "--quiet", "v0")
    history.holds(0, at=clone)


def test_submodule(history: History, elsewhere: Path, tmp_path: Path) -> None:
    above = Sandbox.create(tmp_path / "above", object_format(history), install=False)
    above.git("submodule", "--quiet", "add", history.root, "models")
    above.commit("a submodule")
    inner = Sandbox(above.root / "models")
    history.holds(2, at=inner)
    inner.git("checkout", "--quiet", "v0")
    above.commit("an older version")
    assert above.git("status", "--porcelain").stdout == ""
    clone = Sandbox.clone(above, elsewhere, "--recurse-submodules")
    history.holds(0, at=Sandbox(clone.root / "models"))
    clone.git("checkout", "--quiet", "--recurse-submodules", "HEAD~")
    history.holds(2, at=Sandbox(clone.root / "models"))
    clone.git("checkout", "--quiet", "main")
    clone.git("submodule", "--quiet", "update")
    history.holds(0, at=Sandbox(clone.root / "models"))
    assert clone.git("status", "--porcelain").stdout == ""


def test_archive(history: History, tmp_path: Path) -> None:
    history.git("archive", f"--output={tmp_path}/a.tar", "v0")
    with tarfile.open(tmp_path / "a.tar") as archive:
        file = archive.extractfile(MODEL)
        assert file and digest(file.read()) == digest(history.versions[0])
    history.holds(2)


def test_archive_of_a_bare_repository(history: History, elsewhere: Path, tmp_path: Path) -> None:
    bare = Sandbox.clone(history.sandbox, elsewhere, "--bare")
    bare.git("archive", f"--output={tmp_path}/a.tar", "--prefix=here/", "v1", MODEL)
    with tarfile.open(tmp_path / "a.tar") as archive:
        file = archive.extractfile(f"here/{MODEL}")
        assert file and digest(file.read()) == digest(history.versions[1])


@pytest.mark.parametrize("options", [["--ff-only"], ["--rebase"], ["--no-rebase"]])
def test_pull(history: History, elsewhere: Path, options: list[str]) -> None:
    clone = Sandbox.clone(history.sandbox, elsewhere)
    clone.git("reset", "--quiet", "--hard", "v0")
    if options != ["--ff-only"]:
        clone.write("mine.txt", b"a word\n")
        clone.commit("mine")
    clone.git("pull", "--quiet", "--no-edit", *options)
    history.holds(2, at=clone)


def test_a_remote_with_a_relative_path(history: History, elsewhere: Path) -> None:
    clone = Sandbox.create(elsewhere, object_format(history), install=False)
    clone.git("remote", "add", "near", f"../{history.root.name}")
    clone.git("fetch", "--quiet", "--tags", "near")
    clone.git("checkout", "--quiet", "v1")
    history.holds(1, at=clone)
    (clone.root / "below").mkdir()
    Sandbox(clone.root / "below").git("checkout", "--quiet", "v0")
    history.holds(0, at=clone)


def test_the_index_of_another_worktree_is_left_alone(history: History, elsewhere: Path) -> None:
    history.git("worktree", "add", "--quiet", elsewhere, "v0")
    linked = Sandbox(elsewhere)
    before = staged(history.sandbox, MODEL)
    linked.git("checkout", "--quiet", "v1")
    assert staged(history.sandbox, MODEL) == before
    history.holds(2)
    assert (history.root / NOTE).read_text() == "2\n"
