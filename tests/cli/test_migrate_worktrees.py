"""``git theta migrate`` where the worktree is not just a folder with its Git directory in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from git_theta.manifest.text import is_manifest
from tests.integration.random_histories import read_refs
from tests.sandbox import Sandbox, changed, model
from tests.templates import built_once

MODEL = "model.safetensors"
FIRST = model(1)
LAST = changed(FIRST, "layer.weight")
IMPORT = ("migrate", "import", "--include", "*.safetensors")


@built_once
def _record_files(sandbox: Sandbox) -> None:
    """Two versions of a checkpoint that Git holds as it is."""
    for version in (FIRST, LAST):
        sandbox.write(MODEL, version)
        sandbox.commit()


@pytest.fixture
def raw(sandbox: Sandbox) -> Sandbox:
    _record_files(sandbox)
    return sandbox


def is_imported(sandbox: Sandbox, branch: str = "main") -> bool:
    command = ["git", "cat-file", "blob", f"{branch}:{MODEL}"]
    return is_manifest(subprocess.run(command, cwd=sandbox.root, check=True, capture_output=True).stdout)


def assert_refused(sandbox: Sandbox, words: str, *command: str) -> None:
    refs = read_refs(sandbox)
    done = sandbox.theta(*command, check=False)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert read_refs(sandbox) == refs


def assert_imported_and_undone(sandbox: Sandbox, held: bytes = LAST) -> None:
    sandbox.theta("install", "--local")
    refs = read_refs(sandbox)
    sandbox.theta(*IMPORT)
    assert is_imported(sandbox)
    assert (sandbox.git("status", "--porcelain").stdout, sandbox.read(MODEL)) == ("", held)
    sandbox.theta("migrate", "undo")
    assert (sandbox.git("status", "--porcelain").stdout, sandbox.read(MODEL)) == ("", held)
    assert read_refs(sandbox) == refs


@pytest.mark.parametrize("flag", ["assume-unchanged", "skip-worktree"])
@pytest.mark.parametrize("action", ["import", "export", "undo"])
def test_a_file_that_git_does_not_look_at_is_left_alone(flag: str, action: str, raw: Sandbox) -> None:
    command = IMPORT if action == "import" else ("migrate", action)
    if action != "import":
        raw.theta(*IMPORT)
    mine = changed(LAST, "layer.weight", at=3)
    raw.write(MODEL, mine)
    raw.git("update-index", f"--{flag}", MODEL)
    assert_refused(raw, f"git update-index --no-{flag} {MODEL}", *command)
    assert raw.read(MODEL) == mine
    raw.git("update-index", f"--no-{flag}", MODEL)
    raw.write(MODEL, LAST)
    raw.theta(*command)


@pytest.mark.parametrize(("flag", "letter"), [("assume-unchanged", "h"), ("skip-worktree", "S")])
def test_a_file_that_gets_no_other_version_may_be_marked(flag: str, letter: str, raw: Sandbox) -> None:
    raw.write("settings.txt", b"ours")
    raw.commit()
    raw.write("settings.txt", b"mine, and longer")
    raw.git("update-index", f"--{flag}", "settings.txt")
    assert_imported_and_undone(raw)
    assert raw.read("settings.txt") == b"mine, and longer"
    assert raw.git("ls-files", "-v", "settings.txt").stdout == f"{letter} settings.txt\n"


def test_a_file_that_is_not_checked_out_is_no_hindrance(raw: Sandbox) -> None:
    raw.write("README.md", b"read me")
    raw.commit()
    raw.git("sparse-checkout", "set", "--no-cone", "README.md")
    raw.theta(*IMPORT)
    assert raw.git("status", "--porcelain").stdout == ""
    raw.git("sparse-checkout", "disable")
    assert (is_imported(raw), raw.read(MODEL)) == (True, LAST)


def test_a_branch_that_a_worktree_of_a_bare_repository_has_stays(raw: Sandbox, tmp_path: Path) -> None:
    bare = Sandbox.clone(raw, tmp_path / "bare.git", "--bare")
    bare.git("branch", "side")
    bare.git("worktree", "add", "-q", tmp_path / "one", "side")
    for command in (IMPORT, (*IMPORT, "side"), (*IMPORT, "--everything")):
        assert_refused(bare, f"git -C {tmp_path / 'one'} switch --detach", *command)
    assert_refused(Sandbox(raw.root / ".git"), f"git -C {raw.root} switch --detach", *IMPORT)
    bare.git("-C", tmp_path / "one", "switch", "-q", "--detach")
    bare.theta(*IMPORT)
    assert is_imported(bare)


def test_in_the_worktree_of_a_bare_repository(raw: Sandbox, tmp_path: Path) -> None:
    bare = Sandbox.clone(raw, tmp_path / "bare.git", "--bare")
    bare.git("worktree", "add", "-q", tmp_path / "one", "main")
    assert_imported_and_undone(Sandbox(tmp_path / "one"))


def test_in_a_submodule(raw: Sandbox, tmp_path: Path) -> None:
    outer = Sandbox.create(tmp_path / "outer")
    outer.git("submodule", "--quiet", "add", raw.root, "sub")
    assert_imported_and_undone(Sandbox(outer.root / "sub"))


def test_with_the_git_directory_apart(raw: Sandbox, tmp_path: Path) -> None:
    raw.git("init", "-q", f"--separate-git-dir={tmp_path / 'apart'}")
    assert_imported_and_undone(raw)
    raw.git("worktree", "add", "-q", "-b", "side", tmp_path / "one")
    assert_refused(Sandbox(tmp_path / "one"), f"main is checked out in {tmp_path / 'apart'}", *IMPORT)
    assert_refused(raw, f"side is checked out in {tmp_path / 'one'}", *IMPORT)


def test_names_for_other_refs_follow_by_themselves(raw: Sandbox) -> None:
    raw.git("notes", "add", "-m", "good")
    raw.git("tag", "v1")
    for name, other in {"heads/master": "heads/main", "tags/latest": "tags/v1", "notes/alias": "notes/commits"}.items():
        raw.git("symbolic-ref", f"refs/{name}", f"refs/{other}")
    raw.git("symbolic-ref", "HEAD", "refs/heads/master")
    assert_imported_and_undone(raw)
    for refs in ((), ("master",), ("--everything",)):
        raw.theta(*IMPORT, *refs)
        assert is_imported(raw, "main")
        assert is_imported(raw, "master")
        assert is_imported(raw, "latest")
        followed = raw.git("for-each-ref", "--format=%(symref)", "refs/heads/master", "refs/tags/latest", "refs/notes")
        assert followed.stdout.split() == ["refs/heads/main", "refs/notes/commits", "refs/tags/v1"]
        assert raw.git("notes", "--ref=alias", "show").stdout == "good\n"
        raw.theta("migrate", "undo")


@pytest.mark.parametrize("what", ["a folder", "a link or a submodule"])
def test_attributes_that_are_no_file_are_refused(what: str, raw: Sandbox) -> None:
    if what == "a folder":
        raw.write(".gitattributes/x", b"x")
    else:
        (raw.root / ".gitattributes").symlink_to(MODEL)
    raw.commit("strange")
    strange = raw.git("rev-parse", "HEAD").stdout.strip()
    raw.git("rm", "-q", "-r", ".gitattributes")
    raw.commit("gone again")
    assert_refused(raw, f".gitattributes: is {what} in commit {strange}", *IMPORT)


def test_a_rebase_in_another_worktree_stops_it(raw: Sandbox) -> None:
    """Its branch is checked out nowhere meanwhile; Git will move it to what it makes of the old commits."""
    raw.git("branch", "topic", "HEAD~1")
    raw.git("worktree", "add", "-q", "../elsewhere", "topic")
    there = Sandbox(raw.root.parent / "elsewhere")
    there.write("other.txt", b"other")
    there.commit("on topic")
    there.git("-c", "sequence.editor=sed -i s/^pick/edit/", "rebase", "-i", "main", check=False)
    assert there.git("symbolic-ref", "-q", "HEAD", check=False).returncode
    assert_refused(raw, f"a rebase is under way in the worktree {there.root}", *IMPORT)
    there.git("rebase", "--abort")
    there.git("switch", "-q", "--detach")
    raw.theta(*IMPORT)
    assert is_imported(raw)
