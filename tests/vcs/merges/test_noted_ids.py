"""The ids in Git's notes of what is under way: by their letters, wherever Git keeps notes."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_theta.vcs.merges.noted_ids import noted_ids

ID = "0123456789abcdef0123456789abcdef01234567"
LONG = "0123456789abcdef" * 4


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    return tmp_path


def note(git_dir: Path, name: str, text: str) -> None:
    file = git_dir / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(
    "name",
    [
        "HEAD", "ORIG_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD", "AUTO_MERGE",
        "MERGE_AUTOSTASH", "BISECT_LOG", "rebase-merge/onto", "rebase-merge/autostash", "rebase-apply/orig-head",
        "sequencer/abort-safety", "refs/bisect/bad", "refs/worktree/mine", "refs/rewritten/deep/onto",
    ],
)  # fmt: skip
def test_an_id_is_found_in_every_note(git_dir: Path, name: str) -> None:
    note(git_dir, name, f"{ID}\n")
    assert noted_ids([git_dir]) == {ID}


@pytest.mark.parametrize("name", ["config", "description", "packed-refs", "refs/heads/main", "hooks/pre-push", "index"])
def test_what_is_no_note_is_not_read(git_dir: Path, name: str) -> None:
    note(git_dir, name, ID)
    assert noted_ids([git_dir]) == set()


def test_ids_stand_among_other_words(git_dir: Path) -> None:
    note(git_dir, "FETCH_HEAD", f"{ID}\tnot-for-merge\tbranch 'main' of there\n{LONG}\t\tbranch 'side' of there\n")
    note(git_dir, "rebase-merge/git-rebase-todo", f"pick {ID[::-1]} words\nexec make\n# 0123456\n")
    assert noted_ids([git_dir]) == {ID, LONG, ID[::-1]}


def test_a_number_of_other_lengths_is_none(git_dir: Path) -> None:
    note(git_dir, "MERGE_MSG", f"{ID}0 {LONG}0 {ID[1:]} {ID.upper()}")
    assert noted_ids([git_dir]) == set()


def test_all_worktrees_are_looked_at(tmp_path: Path) -> None:
    note(tmp_path / "one", "ORIG_HEAD", ID)
    note(tmp_path / "two", "AUTO_MERGE", LONG)
    assert noted_ids([tmp_path / "one", tmp_path / "two"]) == {ID, LONG}


def test_a_note_that_cannot_be_read_is_an_error(git_dir: Path) -> None:
    (git_dir / "rebase-merge" / "onto").mkdir(parents=True)  # listed as a folder, and empty
    assert noted_ids([git_dir]) == set()
    (git_dir / "sequencer").mkdir()
    (git_dir / "sequencer" / "todo").symlink_to(git_dir)
    assert noted_ids([git_dir]) == set()
