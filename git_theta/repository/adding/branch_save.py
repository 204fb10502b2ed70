"""Tensors as a commit on a branch: neither the index nor any worktree is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index
from git_theta.errors import ManifestError, UsageError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, encode_manifest
from git_theta.operations.adding.given_tensors import build_checkpoint
from git_theta.operations.context import Context
from git_theta.repository.history.manifest_blobs import read_manifest_text
from git_theta.repository.setup.hook_placing import prepare_pushes
from git_theta.tensors.values import MemoryValues
from git_theta.vcs import branches
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.discovery import Repository
from git_theta.vcs.heads import HEAD
from git_theta.vcs.trees import TreeFile, file_at, is_filtered_at, write_blob, write_changed_tree


class SaveRequest(NamedTuple):
    """What is to become a commit.

    Attributes:
        tensors: the values by name.
        path: of the file, from the top.
        message: the commit's.
        branch: the branch that moves, or is made.
        like: the commit and path of a version to build the file like; None for what the first parent has, if it has it.
        expect: the id of the commit that the branch has to be at; None for wherever it is.
        parents: ids of the commit's parents; None for the branch's tip, or HEAD where there is no such branch.
    """

    tensors: Mapping[str, MemoryValues]
    path: str
    message: str
    branch: str
    like: tuple[str, str] | None = None
    expect: str | None = None
    parents: Sequence[str] | None = None


def save_checkpoint(request: SaveRequest, repository: Repository, context: Context) -> str:
    """Write a commit and have the branch name it; returns its id.

    Everything else in it is as in its first parent. What was stored before something went wrong is named by nobody.

    Raises:
        UsageError: no such branch can be, or it is checked out; Git would not have the file cleaned; no file can hold
            these tensors.
        BranchMoved: the branch is not where it was expected, or moved meanwhile.
    """
    top = repository.home
    if not request.message.strip():
        raise UsageError("a commit needs a message", hint="message='step 700'")
    ref = branches.resolve_branch(request.branch, top)
    branches.require_unused(ref, repository)
    tip = branches.find_tip(ref, top)
    if request.expect is not None:
        branches.require_tip(ref, tip, request.expect)
    parents = _choose_parents(request, tip, repository)
    _require_tracked(parents, request.path, repository)
    before = file_at(parents[0], request.path, top)
    like = _read_version(*(request.like or (parents[0], request.path)), required=request.like is not None)
    manifest = build_checkpoint(request.tensors, request.path, like, context)
    blob = write_blob(encode_manifest(manifest), top)
    file = TreeFile(before.mode if before and before.is_regular else "100644", blob)
    tree = write_changed_tree(parents[0], {request.path: file}, top)
    commit = branches.write_commit(tree, parents, request.message, top)
    prepare_pushes(repository, context.warn)
    branches.move_branch(ref, commit, tip, f"save: {request.message.splitlines()[0]}", top)
    return commit


def _choose_parents(request: SaveRequest, tip: str, repository: Repository) -> list[str]:
    begins = tip or branches.find_tip(HEAD, repository.home)
    parents = [begins] if request.parents is None else list(request.parents)
    if not all(parents) or not parents:
        raise UsageError(
            "nothing is committed here yet to save on top of",
            hint="Begin with what says which files are checkpoints: git theta track, git add, git commit.",
        )
    return parents


def _require_tracked(parents: Sequence[str], path: str, repository: Repository) -> None:
    """Raise UsageError where Git would check a manifest out as it is, or a folder has the name."""
    if is_index(path):
        raise UsageError("a save is of one file, and this is the index of shards", hint="Name the file.", path=path)
    if not is_filtered_at(parents[0], path, repository.home):
        raise UsageError(
            f"no pattern of commit {parents[0][:12]} tracks it: Git would check out a manifest in its place",
            hint=f"git theta track '{path}', and commit .gitattributes; then save.",
            path=path,
        )


def _read_version(commit: str, path: str, *, required: bool) -> Manifest | None:
    """The manifest of a file at a commit; None where Git has it raw, or not at all. Raises UsageError if required."""
    with BlobReader(MAX_MANIFEST) as blobs:
        found = blobs.find(f"{commit}:{path}")
        text = read_manifest_text(blobs, found[0]) if found else None
    if text is None:
        if required:
            raise UsageError(f"there is no checkpoint to build like at {commit[:12]}", hint="like='REV'", path=path)
        return None
    try:
        return decode_manifest(text)
    except ManifestError as error:
        raise error.add_location(path=path) from None
