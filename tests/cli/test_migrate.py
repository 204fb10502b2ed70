"""``git theta migrate``: what a person types, and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from git_theta.manifest.text import is_manifest
from tests import chained_versions
from tests.integration.random_histories import Blobs, list_trees, read_refs
from tests.sandbox import Sandbox, changed, model
from tests.templates import built_once

MODEL = "model.safetensors"
LARGE = model(1, **{"layer.weight": (600, 500)})  # 1.2 MB
VERSIONS = (LARGE, changed(LARGE, "layer.weight"), changed(LARGE, "layer.weight", at=400))
needs_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")


@built_once
def _record_raw(sandbox: Sandbox) -> None:
    """A README, then three versions of a checkpoint that Git holds as it is."""
    sandbox.write("README.md", b"read me\n")
    sandbox.commit("a beginning")
    for number, version in enumerate(VERSIONS):
        sandbox.write(MODEL, version)
        sandbox.commit(f"version {number}")
        sandbox.git("tag", "-a", "-m", "a release", f"v{number}")


@pytest.fixture
def raw(sandbox: Sandbox) -> Sandbox:
    _record_raw(sandbox)
    return sandbox


@pytest.fixture
def lfs(sandbox: Sandbox) -> Sandbox:
    """The same versions, kept by git-lfs."""
    sandbox.git("lfs", "install", "--local", "--skip-repo")
    sandbox.git("lfs", "track", "*.safetensors")
    for number, version in enumerate(VERSIONS):
        sandbox.write(MODEL, version)
        sandbox.commit(f"version {number}")
    return sandbox


def blob_of(sandbox: Sandbox, name: str) -> bytes:
    command = ["git", "cat-file", "blob", name]
    return subprocess.run(command, cwd=sandbox.root, check=True, capture_output=True).stdout


def assert_imported(sandbox: Sandbox) -> None:
    assert sandbox.git("status", "--porcelain").stdout == ""
    assert sandbox.read(MODEL) == VERSIONS[-1]
    for number, version in enumerate(reversed(VERSIONS)):
        assert is_manifest(blob_of(sandbox, f"HEAD~{number}:{MODEL}"))
        found = subprocess.run(
            ["git", "cat-file", "--filters", f"HEAD~{number}:{MODEL}"],
            cwd=sandbox.root,
            check=True,
            capture_output=True,
        )
        assert found.stdout == version


def test_files_become_manifests_and_nothing_else_changes(raw: Sandbox) -> None:
    first, stat = raw.git("rev-parse", "HEAD~3").stdout, (raw.root / MODEL).stat()
    done = raw.theta("migrate", "import")
    assert "*.safetensors: 1 file, 3 versions, 3.6 MB imported" in done.stdout
    assert "3 of 4 commits rewritten" in done.stdout
    assert "git theta migrate undo" in done.stderr
    assert_imported(raw)
    assert raw.git("rev-parse", "HEAD~3").stdout == first
    now = (raw.root / MODEL).stat()
    assert (now.st_ino, now.st_mtime_ns) == (stat.st_ino, stat.st_mtime_ns)
    assert raw.read(".gitattributes") == b"*.safetensors filter=theta diff=theta merge=theta -text\n"
    assert raw.git("log", "--format=%s", "--", ".gitattributes").stdout == "version 0\n"
    assert raw.git("rev-parse", "v2^{commit}").stdout == raw.git("rev-parse", "HEAD").stdout
    assert raw.theta("fsck").returncode == 0
    stored = sum(file.stat().st_size for file in (raw.root / ".git/theta/objects").rglob("*") if file.is_file())
    assert stored < 3.2 * len(LARGE)
    assert (raw.root / ".git/hooks/pre-push").exists()


def test_a_dry_run_lists_and_writes_nothing(raw: Sandbox) -> None:
    refs = read_refs(raw)
    done = raw.theta("migrate", "import", "-n")
    assert f"  {MODEL}: 3 versions, 3.6 MB" in done.stdout
    plan = json.loads(raw.theta("migrate", "import", "-n", "--json").stdout)
    assert plan["files"] == [{"path": MODEL, "versions": 3, "size": 3 * len(LARGE), "pointers": 0}]
    assert (plan["include"], plan["commits"], plan["rewritten"]) == (["*.safetensors"], 4, None)
    assert read_refs(raw) == refs
    assert not (raw.root / ".git/theta/objects").exists()


def test_the_map_names_every_rewritten_commit(raw: Sandbox, tmp_path: Path) -> None:
    old = raw.git("rev-list", "HEAD").stdout.split()
    done = json.loads(raw.theta("migrate", "import", "--map", str(tmp_path / "map"), "--json").stdout)
    new = raw.git("rev-list", "HEAD").stdout.split()
    pairs = [line.split() for line in (tmp_path / "map").read_text().splitlines()]
    assert sorted(pairs) == sorted(map(list, zip(old[:3], new[:3], strict=True)))
    assert done["rewritten"] == 3
    assert {one["ref"] for one in done["refs"]} == {"refs/heads/main", "refs/tags/v0", "refs/tags/v1", "refs/tags/v2"}
    assert raw.git("rev-parse", f"{done['backup']}/heads/main").stdout.strip() == old[0]


def test_export_gives_the_very_commits_back(raw: Sandbox) -> None:
    refs = read_refs(raw)
    raw.theta("migrate", "import", "--everything")
    raw.theta("migrate", "export", "--everything")
    assert read_refs(raw) == refs
    assert raw.git("status", "--porcelain").stdout == ""
    assert not (raw.root / ".gitattributes").exists()
    assert raw.read(MODEL) == VERSIONS[-1]


def test_a_branch_that_stays_behind_is_named(raw: Sandbox) -> None:
    raw.git("switch", "-q", "-c", "side", "HEAD~1")
    raw.write("notes.txt", b"notes\n")
    raw.commit("a side")
    raw.git("switch", "-q", "main")
    done = raw.theta("migrate", "import", "main")
    assert "the old history is still in side" in done.stderr
    raw.theta("migrate", "undo")
    assert "still in" not in raw.theta("migrate", "import", "--everything").stderr


def test_undo_brings_everything_back(raw: Sandbox) -> None:
    refs = read_refs(raw)
    raw.theta("migrate", "import")
    done = raw.theta("migrate", "undo")
    assert "4 refs moved back" in done.stdout
    assert read_refs(raw) == refs
    assert raw.git("status", "--porcelain").stdout == ""
    assert "no migration is left" in raw.theta("migrate", "undo", check=False).stderr


def test_undo_refuses_what_would_lose_a_commit(raw: Sandbox) -> None:
    raw.theta("migrate", "import")
    raw.write(MODEL, changed(LARGE, "layer.weight", at=800))
    tip = raw.commit("one more")
    done = raw.theta("migrate", "undo", check=False)
    assert (done.returncode, "refs/heads/main was moved since" in done.stderr) == (2, True)
    assert raw.git("rev-parse", "HEAD").stdout.strip() == tip


@needs_lfs
def test_pointers_become_manifests_and_their_lines_ours(lfs: Sandbox) -> None:
    done = lfs.theta("migrate", "import", "--include", "*.safetensors", "--json")
    assert json.loads(done.stdout)["files"][0]["pointers"] == 3
    assert_imported(lfs)
    for number in range(3):
        lines = blob_of(lfs, f"HEAD~{number}:.gitattributes")
        assert lines == b"*.safetensors filter=theta diff=theta merge=theta -text\n"


@needs_lfs
def test_pushes_carry_the_objects_from_there_on(lfs: Sandbox, tmp_path: Path) -> None:
    """git-lfs has put its own hook there."""
    lfs.git("lfs", "install", "--local", "--force")
    lfs.theta("migrate", "import")
    lfs.git("init", "--quiet", "--bare", tmp_path / "remote.git")
    lfs.git("push", "--quiet", tmp_path / "remote.git", "main")
    lfs.theta("install")
    clone = Sandbox.clone(Sandbox(tmp_path / "remote.git"), tmp_path / "clone")
    assert clone.read(MODEL) == VERSIONS[-1]


def test_hooks_outside_of_the_repository_are_left_alone_and_told_of(raw: Sandbox, tmp_path: Path) -> None:
    hook = tmp_path / "hooks/pre-push"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    raw.git("config", "core.hooksPath", hook.parent)
    done = raw.theta("migrate", "import", "--include", "*.safetensors")
    assert "pushes will not carry" in done.stderr
    assert hook.read_text() == "#!/bin/sh\n"


def test_versions_are_stored_on_those_before(sandbox: Sandbox) -> None:
    """And not on what HEAD has, which comes last."""
    for number in range(3):
        sandbox.write(MODEL, chained_versions.version(number))
        sandbox.commit(f"version {number}")
    sandbox.theta("migrate", "import", "--include", "*.safetensors")
    entries = [chained_versions.entry_at(sandbox, f"HEAD~{number}") for number in (2, 1, 0)]
    assert [entry.storage.coding.update for entry in entries] == ["dense", "delta", "delta"]
    chains = [{link.oid for link in entry.storage.coding.chain} for entry in entries]
    assert chains == [set(), {entries[0].oid}, {entries[0].oid}]


@needs_lfs
def test_pointers_come_back(lfs: Sandbox) -> None:
    refs, stat = read_refs(lfs), (lfs.root / MODEL).stat()
    lfs.theta("migrate", "import")
    shutil.rmtree(lfs.root / ".git/lfs/objects")
    lfs.theta("migrate", "export", "--to", "lfs")
    assert read_refs(lfs) == refs
    assert lfs.git("status", "--porcelain").stdout == ""
    assert lfs.git("lfs", "fsck").returncode == 0
    assert (lfs.root / MODEL).stat().st_mtime_ns == stat.st_mtime_ns


@needs_lfs
def test_a_worktree_of_pointers_gets_its_files(lfs: Sandbox, tmp_path: Path) -> None:
    clone = Sandbox.clone(lfs, tmp_path / "clone")
    shutil.copytree(lfs.root / ".git/lfs/objects", clone.root / ".git/lfs/objects")
    assert clone.read(MODEL).startswith(b"version https://git-lfs")
    clone.theta("install", "--local")
    clone.theta("migrate", "import")
    assert_imported(clone)


@needs_lfs
def test_a_missing_object_is_named_and_nothing_is_rewritten(lfs: Sandbox) -> None:
    refs = read_refs(lfs)
    oid = lfs.git("lfs", "ls-files", "--long").stdout.split()[0]
    (lfs.root / ".git/lfs/objects" / oid[:2] / oid[2:4] / oid).unlink()
    done = lfs.theta("migrate", "import", check=False)
    assert done.returncode == 3
    for words in (MODEL, refs["refs/heads/main"], oid, "git lfs fetch --all"):
        assert words in done.stderr
    assert read_refs(lfs) == refs
    assert not (lfs.root / ".git/theta/objects").exists()


@needs_lfs
def test_missing_objects_are_fetched_when_asked_for(lfs: Sandbox, tmp_path: Path) -> None:
    clone = Sandbox.clone(lfs, tmp_path / "clone")
    clone.theta("install", "--local")
    clone.git("lfs", "install", "--local", "--skip-repo")
    assert clone.theta("migrate", "import", check=False).returncode == 3
    clone.theta("migrate", "import", "--fetch")
    assert_imported(clone)


@needs_lfs
def test_a_rotten_object_stops_it(lfs: Sandbox) -> None:
    refs = read_refs(lfs)
    oid = lfs.git("lfs", "ls-files", "--long").stdout.split()[0]
    place = lfs.root / ".git/lfs/objects" / oid[:2] / oid[2:4] / oid
    content = bytearray(place.read_bytes())
    content[-1] ^= 1
    place.chmod(0o644)
    place.write_bytes(content)
    done = lfs.theta("migrate", "import", check=False)
    assert (done.returncode, "is not what its name says" in done.stderr) == (4, True)
    assert read_refs(lfs) == refs


@needs_lfs
def test_files_that_are_left_out_stay_with_git_lfs(lfs: Sandbox) -> None:
    lfs.write("kept/other.safetensors", model(3))
    lfs.commit("another")
    pointer = blob_of(lfs, "HEAD:kept/other.safetensors")
    lfs.theta("migrate", "import", "--include", "*.safetensors", "--exclude", "kept/**")
    assert lfs.git("status", "--porcelain").stdout == ""
    assert blob_of(lfs, "HEAD:kept/other.safetensors") == pointer
    assert lfs.git("check-attr", "filter", MODEL, "kept/other.safetensors").stdout == (
        f"{MODEL}: filter: theta\nkept/other.safetensors: filter: lfs\n"
    )


def dirty(sandbox: Sandbox) -> None:
    sandbox.write(MODEL, changed(LARGE, "layer.weight", at=444))


def untracked_attributes(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.bin")


def merging(sandbox: Sandbox) -> None:
    sandbox.git("switch", "-q", "-c", "side", "HEAD~1")
    sandbox.write("README.md", b"another\n")
    sandbox.commit("side")
    sandbox.git("switch", "-q", "main")
    sandbox.git("merge", "--no-commit", "--no-ff", "side")


def replaced(sandbox: Sandbox) -> None:
    sandbox.git("replace", "HEAD~1", "HEAD~2")


def uninstalled(sandbox: Sandbox) -> None:
    sandbox.theta("uninstall", "--local")


def elsewhere(sandbox: Sandbox) -> None:
    sandbox.git("branch", "old", "HEAD~1")
    sandbox.git("worktree", "add", "-q", "../elsewhere", "old")


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (dirty, "changes that are not committed"),
        (untracked_attributes, "is new, and not committed"),
        (merging, "a merge is under way"),
        (replaced, "replacements"),
        (uninstalled, "git theta install"),
        (elsewhere, "is checked out in"),
    ],
)
def test_what_is_refused(prepare: Callable[[Sandbox], None], words: str, raw: Sandbox) -> None:
    prepare(raw)
    refs, status = read_refs(raw), raw.git("status", "--porcelain").stdout
    done = raw.theta("migrate", "import", "--include", "*.safetensors", check=False)
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert (read_refs(raw), raw.git("status", "--porcelain").stdout) == (refs, status)


@pytest.mark.parametrize("person", ["A <a@b", "A a@b> 1 +0000", "A <a@b>", "A <a@b> then"])
@pytest.mark.parametrize("role", ["author", "committer"])
def test_a_commit_that_git_cannot_make_again_is_named(raw: Sandbox, person: str, role: str) -> None:
    tree, parent = (raw.git("rev-parse", name).stdout.strip() for name in ("HEAD^{tree}", "HEAD"))
    people = {"author": "A <a@b> 1 +0000", "committer": "A <a@b> 1 +0000", role: person}
    lines = [f"tree {tree}", f"parent {parent}", *(" ".join(one) for one in people.items()), "", "odd\n"]
    odd = raw.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", input="\n".join(lines)).stdout.strip()
    raw.git("update-ref", "refs/heads/main", odd)
    refs = read_refs(raw)
    done = raw.theta("migrate", "import", "--include", "*.safetensors", check=False)
    assert done.returncode
    assert f"git fast-import failed at commit {odd}: " in done.stderr
    assert read_refs(raw) == refs


def test_a_shallow_clone_is_refused(raw: Sandbox, tmp_path: Path) -> None:
    clone = Sandbox.clone(f"file://{raw.root}", tmp_path / "clone", "--depth=1")
    assert "shallow" in clone.theta("migrate", "import", check=False).stderr


@pytest.mark.parametrize("name", ["nothing", "HEAD~1", "-x", "v0^{tree}"])
def test_what_is_no_branch_is_refused(name: str, raw: Sandbox) -> None:
    done = raw.theta("migrate", "import", "--", name, check=False)
    assert (done.returncode, "is neither a branch nor a tag" in done.stderr) == (2, True), done.stderr


def test_a_branch_and_a_tag_of_one_name_are_told_apart(raw: Sandbox) -> None:
    raw.git("tag", "main", "HEAD~1")
    done = raw.theta("migrate", "import", "main", check=False)
    assert (done.returncode, "'main' is more than one: refs/heads/main and refs/tags/main" in done.stderr) == (2, True)
    before = raw.git("rev-parse", "refs/heads/main").stdout
    raw.theta("migrate", "import", "refs/heads/main")
    assert raw.git("rev-parse", "refs/heads/main").stdout != before


def test_nothing_to_do_is_said(raw: Sandbox) -> None:
    done = raw.theta("migrate", "import", "--include", "*.gguf", check=False)
    assert (done.returncode, "nothing to import" in done.stderr) == (2, True)
    assert "no commit tracks anything" in raw.theta("migrate", "export", check=False).stderr
    raw.theta("migrate", "import")
    assert "nothing to import" in raw.theta("migrate", "import", check=False).stderr


def test_what_is_tracked_now_is_what_is_taken(raw: Sandbox) -> None:
    raw.write("notes.bin", b"small\n")
    raw.commit("notes")
    raw.theta("track", "*.bin")
    raw.commit("track")
    done = json.loads(raw.theta("migrate", "import", "--json").stdout)
    assert (done["include"], [one["path"] for one in done["files"]]) == (["*.bin"], ["notes.bin"])


def test_a_bare_repository_has_no_worktree_to_follow(raw: Sandbox, tmp_path: Path) -> None:
    bare = Sandbox.clone(raw, tmp_path / "bare", "--bare")
    bare.theta("migrate", "import")
    assert is_manifest(blob_of(bare, f"main:{MODEL}"))
    assert bare.theta("migrate", "undo").returncode == 0
    assert blob_of(bare, f"main:{MODEL}") == VERSIONS[-1]


def test_a_detached_head_moves_along(raw: Sandbox) -> None:
    raw.git("switch", "-q", "--detach", "HEAD~1")
    raw.theta("migrate", "import", "--everything")
    assert raw.git("rev-parse", "HEAD").stdout == raw.git("rev-parse", "main~1").stdout
    assert raw.git("status", "--porcelain").stdout == ""
    assert raw.read(MODEL) == VERSIONS[1]


def test_notes_come_along(raw: Sandbox) -> None:
    raw.git("notes", "add", "-m", "good", "HEAD~1")
    raw.theta("migrate", "import")
    assert raw.git("notes", "show", "HEAD~1").stdout == "good\n"


def test_signatures_that_are_lost_are_told(raw: Sandbox) -> None:
    tree, parent = (raw.git("rev-parse", name).stdout.strip() for name in ("HEAD^{tree}", "HEAD"))
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n"
    person = "A <a@b> 1 +0000"
    commit = f"tree {tree}\nparent {parent}\nauthor {person}\ncommitter {person}\n{signature}\nsigned\n"
    signed = raw.git("hash-object", "-t", "commit", "-w", "--stdin", input=commit).stdout.strip()
    raw.git("reset", "-q", "--hard", signed)
    tag = f"object {signed}\ntype commit\ntag s1\ntagger {person}\n\na tag\n{signature.removeprefix('gpgsig ')}"
    oid = raw.git("hash-object", "-t", "tag", "-w", "--stdin", input=tag).stdout.strip()
    raw.git("update-ref", "refs/tags/s1", oid)
    raw.git("tag", "-a", "-m", "a tag of a tag", "s2", "s1")
    done = raw.theta("migrate", "import")
    assert "1 commit of the new history lost their signature" in done.stderr
    assert "lost their signature: s1" in done.stderr
    assert "SIGNATURE" not in raw.git("cat-file", "tag", "s1").stdout
    assert raw.git("rev-parse", "s2^{commit}").stdout == raw.git("rev-parse", "HEAD").stdout


def test_what_git_theta_02_wrote_stays(raw: Sandbox) -> None:
    old = b'{"w": {"tensor_metadata": {}, "lfs_metadata": {}, "theta_metadata": {}}}'
    raw.write("old.safetensors", old)
    raw.commit("old")
    done = raw.theta("migrate", "import")
    assert "old.safetensors: 1 version stay as they are: metadata that git-theta 0.2 wrote" in done.stderr
    assert blob_of(raw, "HEAD:old.safetensors") == old


def test_a_line_of_a_folder_that_would_win_is_refused(raw: Sandbox) -> None:
    raw.write("sub/.gitattributes", b"*.bin filter=lfs diff=lfs merge=lfs -text\n")
    raw.write("sub/a.bin", model(5))
    raw.write("sub/b.bin", model(6))
    raw.commit("a folder")
    done = raw.theta("migrate", "import", "--include", "a.bin", check=False)
    assert (done.returncode, "sub/.gitattributes" in done.stderr) == (2, True)
    raw.theta("migrate", "import", "--include", "sub/*.bin")
    assert raw.git("check-attr", "filter", "sub/a.bin").stdout == "sub/a.bin: filter: theta\n"


def test_a_file_tracked_on_one_branch_only(raw: Sandbox) -> None:
    raw.git("switch", "-q", "-c", "side", "HEAD~1")
    raw.theta("track", "*.safetensors")
    raw.write(MODEL, changed(LARGE, "layer.weight", at=888))
    raw.commit("tracked here")
    raw.git("switch", "-q", "main")
    trees = list_trees(raw)
    raw.theta("migrate", "import", "--everything", "--include", "*.safetensors")
    blobs = Blobs(raw)
    found = [oid for tree in list_trees(raw).values() for path, (_, oid) in tree.items() if path == MODEL]
    assert len(list_trees(raw)) == len(trees)
    assert found
    assert all(is_manifest(blobs.read(oid)) for oid in found)
