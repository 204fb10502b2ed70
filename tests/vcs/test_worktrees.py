"""Where all worktrees of a repository are, asked from any of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.worktrees import checked_out_branches, worktree_files, worktree_git_dirs, worktree_tops
from tests.sandbox import Sandbox


def with_commit(sandbox: Sandbox) -> Sandbox:
    sandbox.write("a.txt", b"a")
    sandbox.commit()
    return sandbox


def test_a_repository_with_linked_worktrees(sandbox: Sandbox, tmp_path: Path) -> None:
    with_commit(sandbox)
    for name in ("one", "two"):
        sandbox.git("worktree", "add", "-q", "--detach", tmp_path / name)
    common = sandbox.root / ".git"
    assert worktree_git_dirs(common) == [common, common / "worktrees/one", common / "worktrees/two"]
    for place in (sandbox.root, tmp_path / "one"):
        tops = worktree_tops(discover_repository(place))
        assert {top.resolve() for top in tops} == {sandbox.root.resolve(), tmp_path / "one", tmp_path / "two"}
        assert len(tops) == 3


def test_a_worktree_whose_files_are_gone_has_no_top(sandbox: Sandbox, tmp_path: Path) -> None:
    with_commit(sandbox).git("worktree", "add", "-q", "--detach", tmp_path / "one")
    shutil.rmtree(tmp_path / "one")
    assert worktree_tops(discover_repository(sandbox.root)) == [sandbox.root]
    assert len(worktree_git_dirs(sandbox.root / ".git")) == 2


def test_a_bare_repository_has_none_of_its_own(sandbox: Sandbox, tmp_path: Path) -> None:
    bare = Sandbox.clone(with_commit(sandbox), tmp_path / "bare.git", "--bare")
    assert worktree_tops(discover_repository(bare.root)) == []
    bare.git("worktree", "add", "-q", "--detach", tmp_path / "one")
    assert worktree_tops(discover_repository(bare.root)) == [tmp_path / "one"]


def test_a_submodule_and_a_worktree_of_it(sandbox: Sandbox, tmp_path: Path) -> None:
    inner = with_commit(Sandbox.create(tmp_path / "inner"))
    sandbox.git("submodule", "--quiet", "add", inner.root, "sub")
    place = sandbox.root / "sub"
    Sandbox(place).git("worktree", "add", "-q", "--detach", tmp_path / "one")
    for start in (place, tmp_path / "one"):
        tops = worktree_tops(discover_repository(start))
        assert {top.resolve() for top in tops} == {place.resolve(), tmp_path / "one"}


@pytest.mark.parametrize("name", ["known.txt", "new.txt", "ignored.txt", "in a folder/new.txt"])
def test_files_of_all_kinds_are_listed(sandbox: Sandbox, name: str) -> None:
    sandbox.write(".gitignore", b"ignored.txt")
    sandbox.write("known.txt", b"a")
    sandbox.commit()
    sandbox.write(name, b"b")
    assert name in worktree_files(sandbox.root, discover_repository(sandbox.root))


def test_files_of_other_repositories_are_not(sandbox: Sandbox) -> None:
    with_commit(Sandbox.create(sandbox.root / "inner"))
    assert worktree_files(sandbox.root, discover_repository(sandbox.root)) == []


def elsewhere(folder: Path) -> dict[str, Path]:
    """Branches of other worktrees than the one around a folder; ours is the only other one that has any."""
    repository = discover_repository(folder)
    found, every = checked_out_branches(repository, elsewhere=True), checked_out_branches(repository)
    assert found.items() <= every.items()
    assert len(every) - len(found) <= 1
    return found


def test_branches_of_other_worktrees(sandbox: Sandbox, tmp_path: Path) -> None:
    with_commit(sandbox).git("worktree", "add", "-q", "-b", "side", tmp_path / "one")
    sandbox.git("worktree", "add", "-q", "--detach", tmp_path / "two")
    top = sandbox.root.resolve()
    assert elsewhere(sandbox.root) == {"refs/heads/side": tmp_path / "one"}
    assert elsewhere(tmp_path / "one") == {"refs/heads/main": top}
    both = {"refs/heads/main": top, "refs/heads/side": tmp_path / "one"}
    assert elsewhere(sandbox.root / ".git") == both


def test_a_branch_of_a_bare_repository_is_not_checked_out_in_it(sandbox: Sandbox, tmp_path: Path) -> None:
    bare = Sandbox.clone(with_commit(sandbox), tmp_path / "bare.git", "--bare")
    bare.git("worktree", "add", "-q", "-b", "side", tmp_path / "one")
    assert elsewhere(bare.root) == {"refs/heads/side": tmp_path / "one"}
    assert elsewhere(tmp_path / "one") == {}


def test_a_worktree_away_from_its_git_directory_is_not_elsewhere(sandbox: Sandbox, tmp_path: Path) -> None:
    with_commit(sandbox).git("init", "-q", f"--separate-git-dir={tmp_path / 'apart'}")
    sandbox.git("worktree", "add", "-q", "-b", "side", tmp_path / "one")
    assert elsewhere(sandbox.root) == {"refs/heads/side": tmp_path / "one"}
    assert elsewhere(tmp_path / "one") == {"refs/heads/main": tmp_path / "apart"}
