"""A merge that one hook has found to mix up nothing is not looked at again, unless it is another one by then."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.test_mixed_commits import CODES_AND_SCALES, TOLD
from tests.integration.test_sharded_merges import start
from tests.integration.three_branches import assert_clean, parents
from tests.sandbox import Sandbox
from tests.sharded_checkpoints import replace_files, shard_name, sharded

pytestmark = pytest.mark.forked

APART = sharded("abc", "de"), sharded("abc", "de", a=1), sharded("abc", "de", d=2)
GONE = "not installed any more at /nowhere/python"


def take_interpreter(sandbox: Sandbox) -> None:
    """Have the prepare-commit-msg hook find no interpreter: it fails where it looks."""
    hook = sandbox.root / ".git/hooks/prepare-commit-msg"
    unmarked = hook.read_text().replace(">>>", "")  # a filter would write ours anew
    hook.write_text(re.sub(r"\S+/python", "/nowhere/python", unmarked))


def add_line(sandbox: Sandbox, line: str) -> None:
    """A line of somebody else's behind ours in the hook that looks first."""
    with (sandbox.root / ".git/hooks/pre-merge-commit").open("a") as hook:
        hook.write(f"{line}\n")


@pytest.mark.parametrize(
    "command",
    [("merge", "--no-edit", "theirs"), ("theta", "merge", "theirs"), ("theta", "merge", "theirs", "third")],
    ids=["git", "theta", "several"],
)
def test_no_interpreter_starts_to_look_again(sandbox: Sandbox, command: tuple[str, ...]) -> None:
    start(sandbox, *APART)
    sandbox.git("switch", "-qc", "third", "main~1")
    replace_files(sandbox, sharded("abc", "de", b=1), "third")
    sandbox.git("switch", "-q", "main")
    take_interpreter(sandbox)
    sandbox.git(*command)
    assert len(parents(sandbox)) == len(command[command.index("merge") :]) - ("--no-edit" in command)
    assert_clean(sandbox)


def test_so_it_is_in_a_linked_worktree(sandbox: Sandbox, tmp_path: Path) -> None:
    start(sandbox, *APART)
    sandbox.git("worktree", "add", "-q", "-b", "linked", tmp_path / "linked", "main")
    take_interpreter(sandbox)
    sandbox.git("-C", tmp_path / "linked", "merge", "--no-edit", "theirs")
    assert (tmp_path / "linked" / shard_name(2, 2)).read_bytes() == APART[2][shard_name(2, 2)]


def test_what_another_hook_stages_meanwhile_is_looked_at(sandbox: Sandbox) -> None:
    """The first hook saw codes and scales of one version."""
    base, codes, scales = CODES_AND_SCALES
    start(sandbox, {**base, "note.txt": b""}, {**codes, "note.txt": b""}, {**base, "note.txt": b"theirs"})
    sandbox.git("switch", "-qc", "scales", "main~1")
    replace_files(sandbox, {**scales, "note.txt": b""}, "scales")
    sandbox.git("switch", "-q", "main")
    add_line(sandbox, f"git checkout scales -- {shard_name(2, 2)}")
    take_interpreter(sandbox)
    done = sandbox.git("merge", "--no-edit", "theirs", check=False)
    assert (done.returncode, GONE in done.stderr) == (1, True)


def test_the_same_files_are_another_merge_onto_another_head(sandbox: Sandbox) -> None:
    """A tree that is whole where both sides have its codes and scales is mixed up where each has one of them."""
    base, codes, scales = CODES_AND_SCALES
    both = {**codes, shard_name(2, 2): scales[shard_name(2, 2)]}
    x, y = {"model.x": b"x"}, {"model.y": b"y"}
    start(sandbox, both, {**both, **x}, {**both, **y})
    sandbox.git("merge", "--no-edit", "theirs")
    tree = sandbox.git("rev-parse", "HEAD^{tree}").stdout
    sandbox.git("switch", "-q", "--detach", "main~2")
    replace_files(sandbox, base, "base")
    sandbox.git("tag", "fork")
    for name, files in (("scales", {**scales, **y}), ("codes", {**codes, **x})):
        sandbox.git("switch", "-qc", name, "fork")
        replace_files(sandbox, files, name)
    done = sandbox.git("merge", "--no-verify", "--no-edit", "scales", check=False)
    assert (done.returncode, TOLD in done.stderr) == (1, True)
    assert sandbox.git("merge-tree", "--write-tree", "codes", "scales").stdout == tree


@pytest.mark.parametrize("command", [("merge", "--no-edit"), ("theta", "merge")], ids=["git", "theta"])
def test_a_note_that_cannot_be_written_stops_no_merge(sandbox: Sandbox, command: tuple[str, ...]) -> None:
    """As another person's in a repository that several share; a folder cannot be written by root either."""
    start(sandbox, *APART)
    (sandbox.root / ".git/theta/whole-merge").mkdir(parents=True)
    sandbox.git(*command, "theirs")
    assert len(parents(sandbox)) == 2
    assert_clean(sandbox)
