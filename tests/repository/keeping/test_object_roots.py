"""Everything that keeps an object from being deleted: each root alone, in real repositories."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from git_theta.errors import GitError, ManifestError
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage, UpdateBase
from git_theta.manifest.text import decode_manifest, encode_manifest
from git_theta.repository.keeping.object_roots import find_needed_objects
from git_theta.vcs.discovery import discover_repository
from git_theta.vcs.partial_clone import read_promisor
from git_theta.vcs.pointer_tree import format_pointer
from tests.manifest_history import Story
from tests.manifest_history import manifest as manifest_of
from tests.sandbox import Sandbox

OID = "ab" * 32
PATH = "a.safetensors"


def text_of(oid: str = OID) -> bytes:
    """A manifest whose one part lies in the object."""
    entry = Entry("cd" * 32, 8, Storage(Coding("dense", "raw"), Place(oid, 8)), "w", "F32", (2,))
    return encode_manifest(Manifest("safetensors", 8, (entry,)))


def needed(sandbox: Sandbox, *, complete: bool = True) -> set[str]:
    before = Path.cwd()
    os.chdir(sandbox.root)
    read_promisor.cache_clear()
    try:
        return find_needed_objects(discover_repository(), complete=complete)
    finally:
        os.chdir(before)
        read_promisor.cache_clear()


@pytest.fixture
def repository(tmp_path: Path, home: Path) -> Sandbox:
    """A repository with a commit, without us: manifests are Git's like any text."""
    sandbox = Sandbox.create(tmp_path / "repository", install=False)
    sandbox.write("note.txt", b"a note")
    sandbox.commit("first")
    return sandbox


def commit_apart(sandbox: Sandbox, text: bytes | None = None) -> str:
    """A commit that nothing names, whose tree has a manifest."""
    blob = hash_text(sandbox, text or text_of())
    tree = sandbox.git("mktree", input=f"100644 blob {blob}\t{PATH}\n").stdout.strip()
    return sandbox.git("commit-tree", "-p", "HEAD", "-m", "apart", tree).stdout.strip()


def hash_text(sandbox: Sandbox, text: bytes) -> str:
    return sandbox.git("hash-object", "-w", "--stdin", input=text.decode()).stdout.strip()


Root = Callable[[Sandbox], None]


def in_a_branch(sandbox: Sandbox) -> None:
    sandbox.git("branch", "side", commit_apart(sandbox))


def in_a_tag(sandbox: Sandbox) -> None:
    sandbox.git("tag", "-a", "-m", "a tag", "v1", commit_apart(sandbox))


def in_a_remote_tracking_branch(sandbox: Sandbox) -> None:
    sandbox.git("update-ref", "refs/remotes/origin/main", commit_apart(sandbox))


def in_a_reflog(sandbox: Sandbox) -> None:
    sandbox.git("reset", "-q", "--hard", commit_apart(sandbox))
    sandbox.git("reset", "-q", "--hard", "HEAD~")
    (sandbox.root / ".git/ORIG_HEAD").unlink()


def in_a_stash(sandbox: Sandbox) -> None:
    sandbox.write(PATH, text_of())
    sandbox.git("stash", "-q", "--include-untracked")


def in_an_older_stash(sandbox: Sandbox) -> None:
    in_a_stash(sandbox)
    sandbox.write("note.txt", b"another note")
    sandbox.git("stash", "-q")


def in_the_index(sandbox: Sandbox) -> None:
    sandbox.git("update-index", "--add", "--cacheinfo", f"100644,{hash_text(sandbox, text_of())},{PATH}")


def in_a_stage_of_a_conflict(sandbox: Sandbox) -> None:
    line = f"100644 {hash_text(sandbox, text_of())} 1\t{PATH}\n"
    sandbox.git("update-index", "--index-info", input=line)


def linked(sandbox: Sandbox) -> Sandbox:
    sandbox.git("worktree", "add", "-q", "--detach", sandbox.root.parent / "linked")
    return Sandbox(sandbox.root.parent / "linked")


def in_the_index_of_a_worktree(sandbox: Sandbox) -> None:
    in_the_index(linked(sandbox))


def in_a_detached_head_of_a_worktree(sandbox: Sandbox) -> None:
    commit = commit_apart(sandbox)
    place = linked(sandbox)
    place.git("checkout", "-q", "--detach", commit)
    (sandbox.root / ".git/worktrees/linked/logs/HEAD").unlink()
    (sandbox.root / ".git/worktrees/linked/index").unlink()
    (place.root / PATH).unlink()


def in_a_ref_of_a_worktree(sandbox: Sandbox) -> None:
    linked(sandbox).git("update-ref", "refs/worktree/mine", commit_apart(sandbox))


def in_a_file_of_a_worktree(sandbox: Sandbox) -> None:
    linked(sandbox).write(PATH, text_of())


def in_an_ignored_file(sandbox: Sandbox) -> None:
    sandbox.write(".gitignore", b"*.safetensors")
    sandbox.write(f"deep/down/{PATH}", text_of())


def in_a_file_with_other_line_ends(sandbox: Sandbox) -> None:
    sandbox.write(PATH, text_of().replace(b"\n", b"\r\n"))


def in_a_pointer(sandbox: Sandbox) -> None:
    blob = hash_text(sandbox, format_pointer(OID, 8))
    tree = sandbox.git("mktree", input=f"100644 blob {blob}\t{OID}\n").stdout.strip()
    commit = sandbox.git("commit-tree", "-m", "pointers", tree).stdout.strip()
    sandbox.git("update-ref", "refs/theta/pointers", commit)


def in_an_update_base(sandbox: Sandbox) -> None:
    base = UpdateBase("ef" * 32, 8, "F32", (2,), Coding("dense", "raw"), Place(OID, 8))
    storage = Storage(Coding("delta", "planes", chain=(base,)), Place("12" * 32, 3))
    text = encode_manifest(Manifest("safetensors", 8, (Entry("cd" * 32, 8, storage, "w", "F32", (2,)),)))
    sandbox.git("branch", "side", commit_apart(sandbox, text))


def in_the_rest_of_a_series(sandbox: Sandbox) -> None:
    storage = Storage(Coding("dense", "raw"), Place("12" * 32, 4, None, ((OID, 4),)))
    text = encode_manifest(Manifest("safetensors", 8, (Entry("cd" * 32, 8, storage, "w", "F32", (2,)),)))
    sandbox.git("branch", "side", commit_apart(sandbox, text))


def in_the_note_of_a_conflict(sandbox: Sandbox) -> None:
    note = sandbox.root / ".git/theta/conflicts" / ("0" * 64)
    note.parent.mkdir(parents=True)
    note.write_bytes(b'{"path": "a", "left": [], "sources": {}, "frame": null}\n' + text_of())


def in_the_note_of_a_conflict_elsewhere(sandbox: Sandbox) -> None:
    linked(sandbox)
    note = sandbox.root / ".git/worktrees/linked/theta/conflicts" / ("0" * 64)
    note.parent.mkdir(parents=True)
    note.write_bytes(b"{}\n" + text_of())


def in_a_patch_to_apply(sandbox: Sandbox) -> None:
    patch = sandbox.root / ".git/rebase-apply/0001"
    patch.parent.mkdir()
    patch.write_bytes(b"+" + text_of().replace(b"\n", b"\n+"))


def in_a_note_of_git(name: str) -> Root:
    def write_note(sandbox: Sandbox) -> None:
        file = sandbox.root / ".git" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{commit_apart(sandbox)}\n")

    write_note.__name__ = f"in {name}"
    return write_note


def in_auto_merge(sandbox: Sandbox) -> None:
    tree = sandbox.git("rev-parse", f"{commit_apart(sandbox)}^{{tree}}").stdout
    (sandbox.root / ".git/AUTO_MERGE").write_text(tree)


ROOTS: list[Root] = [
    in_a_branch, in_a_tag, in_a_remote_tracking_branch, in_a_reflog, in_a_stash, in_an_older_stash, in_the_index,
    in_a_stage_of_a_conflict, in_the_index_of_a_worktree, in_a_detached_head_of_a_worktree, in_a_ref_of_a_worktree,
    in_a_file_of_a_worktree, in_an_ignored_file, in_a_file_with_other_line_ends, in_a_pointer, in_an_update_base,
    in_the_rest_of_a_series, in_the_note_of_a_conflict, in_the_note_of_a_conflict_elsewhere, in_a_patch_to_apply,
    in_auto_merge, in_a_note_of_git("MERGE_HEAD"), in_a_note_of_git("ORIG_HEAD"), in_a_note_of_git("FETCH_HEAD"),
    in_a_note_of_git("CHERRY_PICK_HEAD"), in_a_note_of_git("REVERT_HEAD"), in_a_note_of_git("rebase-merge/autostash"),
    in_a_note_of_git("rebase-merge/git-rebase-todo"), in_a_note_of_git("rebase-apply/orig-head"),
    in_a_note_of_git("sequencer/todo"),
]  # fmt: skip


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.__name__.replace("_", " "))
def test_a_root_alone_keeps_its_object(repository: Sandbox, root: Root) -> None:
    assert needed(repository) == set()
    root(repository)
    assert OID in needed(repository)


@pytest.mark.parametrize("root", [in_the_index, in_a_stash, in_the_note_of_a_conflict, in_a_note_of_git("MERGE_HEAD")])
def test_a_worktree_knows_of_the_others(repository: Sandbox, root: Root) -> None:
    place = linked(repository)
    root(repository)
    assert OID in needed(place)


def test_what_nothing_names_is_not_needed(repository: Sandbox) -> None:
    commit_apart(repository)
    assert needed(repository) == set()


def test_a_note_of_what_git_has_lost_is_no_obstacle(repository: Sandbox) -> None:
    (repository.root / ".git/ORIG_HEAD").write_text("12" * 20)
    (repository.root / ".git/MERGE_MSG").write_text("34" * 32)
    assert needed(repository) == {"34" * 32}


def test_an_empty_and_a_bare_repository(tmp_path: Path, repository: Sandbox) -> None:
    assert needed(Sandbox.create(tmp_path / "empty", install=False)) == set()
    in_a_branch(repository)
    bare = Sandbox.clone(repository, tmp_path / "bare.git", "--bare")
    assert needed(bare) == {OID}


def test_a_repository_of_long_ids(tmp_path: Path) -> None:
    sandbox = Sandbox.create(tmp_path / "long", "sha256", install=False)
    sandbox.write("note.txt", b"a note")
    sandbox.commit()
    in_a_note_of_git("MERGE_HEAD")(sandbox)
    assert OID in needed(sandbox)


def test_a_submodule_needs_nothing_of_ours(tmp_path: Path, repository: Sandbox) -> None:
    inner = Sandbox.create(tmp_path / "inner", install=False)
    inner.write(PATH, text_of())
    inner.commit()
    repository.git("submodule", "--quiet", "add", inner.root, "sub")
    repository.commit("a submodule")
    assert needed(repository) == set()
    assert needed(Sandbox(repository.root / "sub")) == {OID}


def test_a_shallow_clone_needs_what_it_has(tmp_path: Path, repository: Sandbox) -> None:
    repository.write(PATH, text_of())
    repository.commit()
    repository.write(PATH, text_of("34" * 32))
    repository.commit()
    clone = Sandbox.clone(repository.root.as_uri(), tmp_path / "clone", "--depth=1")
    assert needed(clone) == {"34" * 32}


def test_a_partial_clone_is_asked_for_what_it_can_tell(tmp_path: Path, repository: Sandbox) -> None:
    for oid in (OID, "34" * 32):
        repository.write(PATH, text_of(oid))
        repository.commit()
    repository.git("config", "uploadpack.allowFilter", "true")
    clone = Sandbox.clone(repository.root.as_uri(), tmp_path / "clone", "--filter=blob:none")
    with pytest.raises(ManifestError, match="this partial clone has left out 1 object of Git's") as caught:
        needed(clone)
    assert "git theta gc --verify-remote origin" in caught.value.hint
    assert needed(clone, complete=False) == {"34" * 32}
    clone.git("checkout", "-q", "HEAD~")
    assert needed(clone) == {OID, "34" * 32}


def test_what_git_has_lost_stops_everything(repository: Sandbox) -> None:
    repository.write(PATH, text_of())
    repository.commit()
    blob = repository.git("rev-parse", f"HEAD:{PATH}").stdout.strip()
    (repository.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    for complete in (True, False):
        with pytest.raises(GitError, match=f"Git has lost {blob}"):
            needed(repository, complete=complete)


BROKEN = text_of()[:-20] + b"\n"


def test_a_manifest_that_cannot_be_read_stops_everything(repository: Sandbox) -> None:
    repository.git("branch", "side", commit_apart(repository, BROKEN))
    with pytest.raises(ManifestError) as caught:
        needed(repository)
    assert caught.value.path == PATH
    assert "Nothing is deleted" in caught.value.hint


def test_a_manifest_of_a_later_version_stops_everything(repository: Sandbox) -> None:
    repository.git("branch", "side", commit_apart(repository, text_of().replace(b"manifest 1", b"manifest 9")))
    with pytest.raises(ManifestError, match="blob "):
        needed(repository)


def test_a_file_that_was_a_manifest_stops_everything(repository: Sandbox) -> None:
    file = repository.write(PATH, BROKEN)
    with pytest.raises(ManifestError) as caught:
        needed(repository)
    assert caught.value.path == os.fspath(file)


def test_a_note_that_cannot_be_read_stops_everything(repository: Sandbox) -> None:
    in_the_note_of_a_conflict(repository)
    [note] = (repository.root / ".git/theta/conflicts").iterdir()
    note.write_bytes(b"{}\n" + BROKEN)
    with pytest.raises(ManifestError) as caught:
        needed(repository)
    assert caught.value.path == os.fspath(note)


def test_a_note_that_is_being_written_is_passed_over(repository: Sandbox) -> None:
    in_the_note_of_a_conflict(repository)
    [note] = (repository.root / ".git/theta/conflicts").iterdir()
    note.rename(note.with_name(f".{note.name}-123"))
    assert needed(repository) == set()


def test_all_versions_of_a_history_are_needed(repository: Sandbox) -> None:
    story = Story(repository)
    texts = [manifest_of({"w": f"{number}"}) for number in range(30)]
    for number, text in enumerate(texts):
        story.commit(f"{number}", {PATH: text})
    assert needed(repository) == {oid for text in texts for oid in decode_manifest(text).objects()}


def test_a_manifest_in_a_worktree_that_only_the_environment_names(
    repository: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As people keep their dotfiles: no .git says whose the files are."""
    top = tmp_path / "dotfiles"
    top.mkdir()
    (top / PATH).write_bytes(text_of())
    monkeypatch.setenv("GIT_DIR", str(repository.root / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(top))
    monkeypatch.chdir(top)
    assert OID in find_needed_objects(discover_repository())
