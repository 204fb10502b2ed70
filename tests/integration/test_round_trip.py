"""L1, L2: a checkpoint goes through Git's everyday commands and comes back bit for bit, and status has nothing to say.

Every story is told of a small checkpoint (smudged inline) and a large one (written after Git is done).
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.integration.checkpoint_history import (
    MODEL,
    NOTE,
    History,
    assert_clean,
    assert_file,
    assert_round_trip,
    every_kind,
    staged,
)
from tests.sandbox import Sandbox


def test_add_and_commit(history: History) -> None:
    history.holds(2)
    history.git("rm", "--cached", "--quiet", MODEL)
    history.git("add", MODEL)
    history.holds(2)


@every_kind
def test_checkout_of_a_commit_a_tag_and_a_branch(history: History) -> None:
    for version in (0, 1, 2, 0):
        history.git("checkout", "--quiet", f"v{version}")
        history.holds(version)
    history.git("checkout", "--quiet", "main")
    history.holds(2)


def test_checkout_of_a_path(history: History) -> None:
    (history.root / MODEL).write_bytes(b"ruined")
    history.git("checkout", "--", MODEL)
    history.holds(2)


def test_checkout_of_a_path_from_another_commit_stages_it(history: History) -> None:
    history.git("checkout", "v0", "--", MODEL)
    assert_file(history.sandbox, MODEL, history.versions[0])
    assert history.git("status", "--porcelain") == f"M  {MODEL}\n"


def test_checkout_of_a_path_whose_folder_is_gone(history: History) -> None:
    (history.root / "deep" / "er").mkdir(parents=True)
    history.git("mv", MODEL, "deep/er/")
    history.git("commit", "--quiet", "-m", "move")
    (history.root / "deep" / "er" / MODEL).unlink()
    (history.root / "deep" / "er").rmdir()
    history.git("checkout", "--", "deep")
    history.holds(2, f"deep/er/{MODEL}")


def test_switch_there_and_back(history: History) -> None:
    history.git("branch", "old", "v0")
    history.git("switch", "--quiet", "old")
    history.holds(0)
    history.git("switch", "--quiet", "-")
    history.holds(2)


def test_switch_to_an_orphan_branch_and_back(history: History) -> None:
    history.git("switch", "--quiet", "--orphan", "empty")
    history.holds(None)
    history.git("switch", "--quiet", "main")
    history.holds(2)


def test_restore_of_worktree_and_index(history: History) -> None:
    history.git("restore", "--source=v0", "--staged", "--worktree", MODEL)
    assert_file(history.sandbox, MODEL, history.versions[0])
    assert history.git("status", "--porcelain") == f"M  {MODEL}\n"
    history.git("restore", "--staged", "--worktree", MODEL)
    history.holds(2)


def test_restore_of_the_worktree_alone_stages_nothing(history: History) -> None:
    before = staged(history.sandbox, MODEL)
    history.git("restore", "--source=v0", MODEL)
    assert_file(history.sandbox, MODEL, history.versions[0])
    assert history.git("status", "--porcelain") == f" M {MODEL}\n"
    assert staged(history.sandbox, MODEL) == before
    history.git("restore", MODEL)
    history.holds(2)


def test_reset_hard(history: History) -> None:
    history.git("reset", "--hard", "--quiet", "v0")
    history.holds(0)
    history.git("reset", "--hard", "--quiet", "ORIG_HEAD")
    history.holds(2)


def test_reset_mixed_leaves_the_file(history: History) -> None:
    history.git("reset", "--quiet", "v0")
    assert_file(history.sandbox, MODEL, history.versions[2])
    assert history.git("status", "--porcelain") == f" M {MODEL}\n M {NOTE}\n"


def test_reset_keep_and_merge(history: History) -> None:
    history.git("reset", "--keep", "v1")
    history.holds(1)
    history.git("reset", "--merge", "v0")
    history.holds(0)


def test_stash_and_pop_give_back_an_unstaged_change(history: History) -> None:
    history.sandbox.write(MODEL, history.versions[0])
    history.git("stash", "push", "--quiet")
    history.holds(2)
    history.git("stash", "pop", "--quiet")
    assert_file(history.sandbox, MODEL, history.versions[0])
    assert history.git("status", "--porcelain") == f" M {MODEL}\n"


def test_stash_and_pop_give_back_a_staged_change(history: History) -> None:
    history.sandbox.write(MODEL, history.versions[0])
    history.git("add", MODEL)
    history.git("stash", "push", "--quiet")
    history.holds(2)
    history.git("stash", "pop", "--quiet", "--index")
    assert_file(history.sandbox, MODEL, history.versions[0])
    assert history.git("status", "--porcelain") == f"M  {MODEL}\n"


def test_stash_of_an_untracked_file(history: History) -> None:
    history.sandbox.write("new.safetensors", history.versions[0])
    history.git("stash", "push", "--quiet", "--include-untracked")
    history.holds(None, "new.safetensors")
    history.git("stash", "pop", "--quiet")
    assert_file(history.sandbox, "new.safetensors", history.versions[0])
    assert history.git("status", "--porcelain") == "?? new.safetensors\n"


def test_commit_amend(history: History) -> None:
    history.sandbox.write(MODEL, history.versions[0])
    history.git("commit", "--quiet", "--amend", "--all", "--no-edit")
    history.holds(0)
    history.git("reset", "--quiet", "--hard", "HEAD~")
    history.git("reset", "--quiet", "--hard", "ORIG_HEAD")
    history.holds(0)


def test_mv(history: History) -> None:
    history.git("mv", MODEL, "renamed.safetensors")
    history.git("commit", "--quiet", "-m", "rename")
    history.holds(2, "renamed.safetensors")
    history.git("checkout", "--quiet", "HEAD~")
    history.holds(2)


def test_rename_of_a_folder(history: History) -> None:
    (history.root / "old").mkdir()
    history.git("mv", MODEL, "old/")
    history.git("commit", "--quiet", "-m", "into a folder")
    history.git("mv", "old", "new")
    history.git("commit", "--quiet", "-m", "rename the folder")
    history.holds(2, f"new/{MODEL}")
    history.git("checkout", "--quiet", "HEAD~")
    history.holds(2, f"old/{MODEL}")


def test_rm_and_back(history: History) -> None:
    history.git("rm", "--quiet", MODEL)
    history.git("commit", "--quiet", "-m", "remove")
    history.holds(None)
    history.git("checkout", "--quiet", "HEAD~")
    history.holds(2)


def test_read_tree(history: History) -> None:
    history.git("read-tree", "-u", "-m", "HEAD", "v0")
    assert_file(history.sandbox, MODEL, history.versions[0])
    assert history.git("status", "--porcelain") == f"M  {MODEL}\nM  {NOTE}\n"
    history.git("read-tree", "-u", "--reset", "HEAD")
    history.holds(2)


def test_checkout_index(history: History, tmp_path: Path) -> None:
    (history.root / MODEL).unlink()
    history.git("checkout-index", "--force", "--all")
    history.holds(2)
    history.git("checkout-index", "--all", f"--prefix={tmp_path}/export/")
    assert_file(Sandbox(tmp_path / "export"), MODEL, history.versions[2])


def test_the_executable_bit(history: History) -> None:
    (history.root / MODEL).chmod(0o755)
    history.git("add", MODEL)
    history.git("commit", "--quiet", "-m", "executable")
    history.git("checkout", "--quiet", "v0")
    assert not (history.root / MODEL).stat().st_mode & 0o111
    history.git("checkout", "--quiet", "main")
    history.holds(2)
    assert (history.root / MODEL).stat().st_mode & 0o100
    assert history.git("ls-files", "-s", MODEL).startswith("100755")


def test_the_same_checkpoint_at_two_paths(history: History) -> None:
    for path in ("a/one.safetensors", "b/two.safetensors"):
        history.sandbox.write(path, history.versions[0])
    history.sandbox.commit()
    history.git("checkout", "--quiet", "v0")
    history.git("checkout", "--quiet", "main")
    assert_round_trip(history.sandbox, dict.fromkeys(["a/one.safetensors", "b/two.safetensors"], history.versions[0]))


def test_a_file_becomes_a_folder_and_a_link(history: History) -> None:
    history.branch("folder", "main")
    history.git("rm", "--quiet", MODEL)
    history.sandbox.write(f"{MODEL}/inner.safetensors", history.versions[1])
    history.sandbox.commit("a folder of that name")
    history.git("checkout", "--quiet", "-b", "link", "main")
    history.git("rm", "--quiet", MODEL)
    (history.root / MODEL).symlink_to(NOTE)
    history.sandbox.commit("a link of that name")
    history.git("checkout", "--quiet", "folder")
    history.holds(1, f"{MODEL}/inner.safetensors")
    history.git("checkout", "--quiet", "main")
    history.holds(2)
    history.git("checkout", "--quiet", "link")
    assert (history.root / MODEL).is_symlink()
    assert_clean(history.sandbox)


def test_from_a_folder_below(history: History) -> None:
    below = Sandbox(history.root / "below")
    below.root.mkdir()
    below.write("own.safetensors", history.versions[1])
    below.git("add", "own.safetensors")
    below.git("commit", "--quiet", "-m", "from below")
    below.write("own.safetensors", b"ruined")
    below.git("checkout", "--", "own.safetensors", f"../{MODEL}")
    history.holds(1, "below/own.safetensors")
    below.git("checkout", "--quiet", "v0", "--", f"../{MODEL}")
    assert_file(history.sandbox, MODEL, history.versions[0])


@pytest.mark.parametrize("history", [("large", "sha1")], indirect=True, ids="-".join)
@pytest.mark.parametrize(
    "setting",
    [
        "core.splitIndex=true", "index.version=4", "index.sparse=true", "feature.manyFiles=true", "core.autocrlf=true",
        "core.autocrlf=input", "core.safecrlf=true", "core.preloadIndex=false", "core.trustctime=false",
        "core.checkStat=minimal", "core.fileMode=false", "core.untrackedCache=true", "checkout.workers=4",
        "checkout.guess=false", "core.quotePath=false", "core.bigFileThreshold=1", "merge.renames=false",
        "core.fsyncMethod=batch",
    ],
)  # fmt: skip
def test_configurations(history: History, setting: str) -> None:
    history.git("config", *setting.split("="))
    history.git("checkout", "--quiet", "v0")
    history.holds(0)
    history.sandbox.write(MODEL, history.versions[1])
    history.sandbox.commit()
    history.git("reset", "--quiet", "--hard", "main")
    history.holds(2)


def test_another_index(history: History, tmp_path: Path) -> None:
    """Files that are checked out through an index of one's own are no business of the repository's index."""
    before = staged(history.sandbox, MODEL)
    other = {"GIT_INDEX_FILE": str(tmp_path / "index")}
    history.git("read-tree", "v0", **other)
    history.git("checkout-index", "--force", "--index", "--all", **other)
    assert_file(history.sandbox, MODEL, history.versions[0])
    history.git("read-tree", "-u", "-m", "v0", "v1", **other)
    assert_file(history.sandbox, MODEL, history.versions[1])
    assert staged(history.sandbox, MODEL) == before
    history.git("reset", "--quiet", "--hard")
    history.holds(2)


PATHS = [
    "with space.safetensors",
    " about .safetensors",
    'it\'s "quoted".safetensors',
    "ünï/模型.safetensors",
    "new\nline.safetensors",
    "tab\t.safetensors",
    "-rf.safetensors",
    "--.safetensors",
    "%f 100%.safetensors",
    "$HOME `id` ;.safetensors",
    "back\\slash.safetensors",
    "*.safetensors",
    "[a].safetensors",
    ":(top)x.safetensors",
    "#hash !bang.safetensors",
    "a=b.safetensors",
    ".hidden.safetensors",
    "carriage\r.safetensors",
]
if sys.platform == "linux":
    PATHS.append("latin \udcff.safetensors")  # a byte that is no UTF-8, which macOS refuses


def test_paths_that_are_hard_to_quote(history: History) -> None:
    for path in PATHS:
        history.sandbox.write(path, history.versions[0])
    history.sandbox.commit()
    history.git("checkout", "--quiet", "v0")
    assert not [path for path in PATHS if (history.root / path).exists()]
    history.git("checkout", "--quiet", "main")
    assert_round_trip(history.sandbox, dict.fromkeys(PATHS, history.versions[0]))


def test_a_repository_in_a_folder_that_is_hard_to_quote(history: History) -> None:
    moved = Sandbox(history.root.with_name("it's a new\nline, per%cent and $HOME"))
    history.root.rename(moved.root)
    moved.git("checkout", "--quiet", "v0")
    history.holds(0, at=moved)
    moved.git("checkout", "--quiet", "main")
    moved.write(MODEL, history.versions[1])
    moved.commit()
    history.holds(1, at=moved)
