"""A checkpoint as one version holds it: named by a person, found in a commit or in the index."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

from git_theta.checkpoints.index_file import is_index, shards_named_by
from git_theta.checkpoints.shards import Shard, group_checkpoints
from git_theta.errors import GitError, ManifestError, UsageError
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.repository.history.manifest_blobs import read_manifest_text
from git_theta.vcs.blob_losses import name_file
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.blobs import read_wanted_blobs
from git_theta.vcs.git import current_folder, git
from git_theta.vcs.revisions import OID_DIGITS, commit_ids, find_commit, is_inside_worktree
from git_theta.vcs.trees import TreeFile, files_of

_MAX_NAMED = 5
_FULL_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class CheckpointVersion(NamedTuple):
    """What people call it, the version ("" for the index), and its files; paths are from the top."""

    path: str
    revision: str
    shards: tuple[Shard, ...]


def refuse_globs(path: str, globs: Sequence[str] = ()) -> NoReturn:
    """Raises UsageError: no parameter of the checkpoint has such a name."""
    which = f" {' '.join(globs)}" if globs else ""
    raise UsageError(f"no parameter of {path} matches{which}", hint=f"Its names: git theta show {path} --parameters")


def find_checkpoint(blobs: BlobReader, name: str) -> CheckpointVersion:
    """What ``REV:PATH``, ``:PATH`` (the index), ``PATH`` (at HEAD) or ``REV``, if that has one checkpoint, stands for.

    Raises UsageError where that is none.
    """
    revision, colon, path = name.partition(":")
    if colon:
        relative = path.startswith(("./", "../"))
        return read_checkpoint_at(blobs, revision, path_from_top(path) if relative else _normalize(path))
    here, whole = os.path.lexists(name) and is_inside_worktree(), path_from_top(name)
    is_path = here or blobs.find(f"HEAD:{whole}") is not None
    is_revision = bool(find_commit(name))
    if is_path and is_revision:
        raise UsageError(f"{name!r} is a revision and a path", hint=f"Say HEAD:./{name} for the path.")
    if is_path:
        return read_checkpoint_at(blobs, "HEAD", whole)
    if not is_revision and name != "HEAD":
        raise UsageError(f"{name!r} is no revision, and no file at HEAD", hint="git theta show REV:PATH, or :PATH")
    return find_only_checkpoint(name)


def read_checkpoint_at(blobs: BlobReader, revision: str, path: str, called: str = "") -> CheckpointVersion:
    """The checkpoint of a path from the top; of an index, all of its shards.

    Args:
        blobs: where they are read.
        revision: the version; "" for the index.
        path: of the file, or the index of shards.
        called: what the person calls the version, where that is an id here.

    Raises UsageError where there is none.
    """
    is_id = _FULL_ID.fullmatch(revision)
    if revision and not is_id:
        commit_ids([revision])
    where = called or (revision[:OID_DIGITS] if is_id else revision) or "the index"
    with _naming(path):
        found = blobs.find(f"{revision}:{path}")
        text = read_manifest_text(blobs, found[0]) if found else None
    if found is None:
        raise UsageError(f"{path!r} is no file in {where}", hint="What is versioned here: git theta ls-files :/")
    if text is not None:
        return CheckpointVersion(path, revision, (_load_shard(path, text),))
    shards = tuple(_read_shards(blobs, revision, path, found[0])) if is_index(path) else ()
    if not shards:
        raise UsageError(
            f"{path!r} is no checkpoint in {where}: Git has it as it is",
            hint="Versioned from its next commit on: git theta track, then git add --renormalize",
        )
    return CheckpointVersion(path, revision, shards)


def choose_path(paths: Sequence[str], revision: str) -> str:
    """The path that is named, from the current folder, if any is, else that of the one checkpoint of a revision.

    Returns it from the top. Raises UsageError where the revision has no checkpoint, or more.
    """
    return path_from_top(paths[0]) if paths else find_only_checkpoint(revision, behind=True).path


def find_only_checkpoint(revision: str, *, behind: bool = False) -> CheckpointVersion:
    """The one checkpoint of a commit. Raises UsageError where there is none, or more.

    ``behind``: whether the path of one is named behind the revisions, and not with its own.
    """
    commit = commit_ids([revision])[0].removeprefix("^")
    found = list_checkpoints(commit)
    if len(found) == 1:
        return CheckpointVersion(found[0].path, revision, found[0].shards)
    if not found:
        raise UsageError(f"{revision} has no checkpoint", hint="Files are versioned once tracked: git theta track")
    names = ", ".join(one.path for one in found[:_MAX_NAMED]) + (" ..." if len(found) > _MAX_NAMED else "")
    one = f"-- {path_from_here(found[0].path)}" if behind else f"{revision}:{found[0].path}"
    raise UsageError(f"{revision} has {len(found)} checkpoints: {names}", hint=f"Name one: {one}")


def list_checkpoints(tree: str, files: Mapping[str, TreeFile] | None = None) -> list[CheckpointVersion]:
    """The checkpoints of a commit or tree, given by its id, in the order of their names.

    ``files``: all of its files, where they are known. Raises ManifestError, and GitError that names a file whose blob
    cannot be read.
    """
    listed = files_of(tree) if files is None else files
    oids = {path: file.oid for path, file in listed.items() if file.is_regular and file.size <= MAX_MANIFEST}
    manifests = _read_named(oids, is_manifest)
    shards = [_load_shard(path, manifests[oid]) for path, oid in oids.items() if oid in manifests]
    index_oids = {path: oid for path, oid in oids.items() if is_index(path) and oid not in manifests}
    texts = _read_named(index_oids, lambda _: True)
    indexes = {path: texts[oid] for path, oid in index_oids.items() if oid in texts}
    return [CheckpointVersion(path, tree, after) for path, _, after in group_checkpoints((), shards, indexes)]


def _read_named(oids: Mapping[str, str], wanted: Callable[[bytes], bool]) -> Mapping[str, bytes]:
    """The blobs of files that begin as is wanted, by id. Raises GitError that names a file whose blob is damaged."""
    try:
        return read_wanted_blobs(oids.values(), wanted, MAX_MANIFEST)
    except GitError as error:
        raise name_file(error, oids.items()) from error.__cause__


def path_from_top(path: str) -> str:
    """A path, relative to the current folder, from the top of the worktree. Raises UsageError for what is outside."""
    prefix = git("rev-parse", "--show-prefix").removesuffix(b"\n")
    if Path(path).is_absolute():
        path = os.path.relpath(os.path.realpath(path), os.path.realpath(current_folder() or os.curdir))
    whole = posixpath.normpath(posixpath.join(os.fsdecode(prefix), path))
    if whole.startswith("..") or posixpath.isabs(whole):
        raise UsageError(f"{path!r} is outside of the repository", hint="Name a file in it.")
    return whole


def path_from_here(path: str) -> str:
    """A path from the top, relative to the current folder."""
    return posixpath.relpath(posixpath.join("/", path), posixpath.join("/", path_from_top(".")))


def _normalize(path: str) -> str:
    """A path from the top as Git knows it."""
    return posixpath.relpath(posixpath.join("/", path), "/")


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Name the file whose blob Git cannot read."""
    try:
        yield
    except GitError as error:
        raise error.add_location(path=path) from error.__cause__


def _read_shards(blobs: BlobReader, revision: str, index: str, oid: str) -> Iterator[Shard]:
    """The shards that an index names, as far as the version has them."""
    for path in shards_named_by(index, blobs.read(oid) or b""):
        with _naming(path):
            found = blobs.find(f"{revision}:{path}")
            manifest = read_manifest_text(blobs, found[0]) if found else None
        if manifest:
            yield _load_shard(path, manifest)


def _load_shard(path: str, text: bytes) -> Shard:
    try:
        return Shard(path, decode_manifest(text))
    except ManifestError as error:
        raise error.add_location(path=path) from error.__cause__
