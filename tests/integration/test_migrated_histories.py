"""`git theta migrate` of histories drawn at random, there and back: every version of every file is what it was."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from git_theta.manifest.text import decode_manifest
from git_theta.operations.restoring.restore import restore_pieces
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.discovery import discover_repository
from tests.effort import choose_tries
from tests.integration.random_histories import FORMATS, Blobs, build_history, list_trees, read_refs
from tests.sandbox import Sandbox

HEADER = re.compile(rb"^(?:tree|parent) .*\n", re.MULTILINE)
INCLUDES = [word for suffix in FORMATS for word in ("--include", f"*{suffix}")]
needs_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")
_EMPTY = hashlib.sha256().hexdigest()


def resolved_manifests(sandbox: Sandbox, texts: list[bytes], patch: pytest.MonkeyPatch) -> dict[bytes, str]:
    """Each manifest to the SHA-256 of its file."""
    patch.chdir(sandbox.root)
    with open_context(discover_repository(), pytest.fail) as context:
        return {
            text: hashlib.sha256(b"".join(restore_pieces(decode_manifest(text), context))).hexdigest() for text in texts
        }


def read_map(file: Path) -> dict[str, str]:
    return dict(line.split() for line in file.read_text().splitlines())


def said_by(sandbox: Sandbox, commit: str) -> bytes:
    """All that a commit says, but for its tree and parents."""
    raw = sandbox.git("cat-file", "commit", commit).stdout.encode(errors="surrogateescape")
    return HEADER.sub(b"", raw)


def is_checkpoint(path: str) -> bool:
    return path.endswith(FORMATS)


@pytest.mark.parametrize("lfs", [False, pytest.param(True, marks=needs_lfs)], ids=["files", "git-lfs"])
@pytest.mark.parametrize("seed", range(choose_tries(few=3, many=60)))
def test_every_version_is_what_it_was_and_comes_back(
    seed: int, lfs: bool, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_history(sandbox, seed, lfs=lfs)
    refs, trees, blobs = read_refs(sandbox), list_trees(sandbox), Blobs(sandbox)
    before = {commit: said_by(sandbox, commit) for commit in trees}
    sandbox.theta("migrate", "import", "--everything", *INCLUDES, "--map", str(tmp_path / "map"))
    renamed = read_map(tmp_path / "map")
    assert sandbox.git("status", "--porcelain").stdout == ""

    now = list_trees(sandbox)
    assert set(now) == {renamed.get(commit, commit) for commit in trees}
    manifests = {
        oid: blobs.read(oid) for tree in now.values() for path, (_, oid) in tree.items() if is_checkpoint(path)
    }
    resolved = resolved_manifests(sandbox, list({text for text in manifests.values() if text}), monkeypatch)
    for commit, tree in trees.items():
        new = now[renamed.get(commit, commit)]
        assert {path: mode for path, (mode, _) in tree.items() if path != ".gitattributes"} == {
            path: mode for path, (mode, _) in new.items() if path != ".gitattributes"
        }
        for path, (mode, oid) in tree.items():
            if is_checkpoint(path):
                assert resolved.get(blobs.read(new[path][1]), _EMPTY) == blobs.resolve(oid)
            elif path != ".gitattributes":
                assert new[path] == (mode, oid)
        if any(is_checkpoint(path) and blobs.read(new[path][1]) for path in new):
            lines = blobs.read(new[".gitattributes"][1])
            assert b"filter=lfs" not in lines
            assert all(b"*%b filter=theta" % suffix.encode() in lines for suffix in FORMATS)
        assert said_by(sandbox, renamed.get(commit, commit)) == before[commit]
    assert read_refs(sandbox).keys() == refs.keys()
    check_out_all(sandbox, trees, renamed, refs, blobs, tmp_path)

    there = read_refs(sandbox)
    sandbox.git("lfs", "install", "--local", "--skip-repo", check=False)
    sandbox.theta(
        "migrate", "export", "--everything", *(["--to", "lfs"] if lfs else []), "--map", str(tmp_path / "back")
    )
    back = read_map(tmp_path / "back")
    if not lfs:  # with git-lfs, what was a file has become a pointer
        restored = list_trees(sandbox)
        for commit, tree in trees.items():
            there_now = renamed.get(commit, commit)
            assert restored[back.get(there_now, there_now)] == tree
        assert read_refs(sandbox) == refs
    assert sandbox.git("status", "--porcelain").stdout == ""
    sandbox.theta("migrate", "undo")
    assert read_refs(sandbox) == there
    sandbox.theta("migrate", "undo")
    assert read_refs(sandbox) == refs
    assert sandbox.git("status", "--porcelain").stdout == ""


def check_out_all(
    sandbox: Sandbox,
    trees: dict[str, dict[str, tuple[str, str]]],
    renamed: dict[str, str],
    refs: dict[str, str],
    blobs: Blobs,
    folder: Path,
) -> None:
    """Every branch, checked out by Git with our filter, has the files that it had."""
    olds = {new: old for old, new in renamed.items()}
    for name, new in read_refs(sandbox).items():
        if name.startswith("refs/heads/"):
            place = folder / "checkout"
            sandbox.git("worktree", "add", "--quiet", "--detach", str(place), new)
            for path, (mode, oid) in trees[olds.get(new, new)].items():
                if mode.startswith("100") and is_checkpoint(path):
                    assert hashlib.sha256((place / path).read_bytes()).hexdigest() == blobs.resolve(oid)
            sandbox.git("worktree", "remove", "--force", str(place))
