"""A commit's files in a folder of their own: checkpoints restored, all else as Git has it. No worktree, no index."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from git_theta.errors import CorruptObject, GitError, ManifestError, MissingObject, StoreError, ThetaError, UsageError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.operations.context import Context
from git_theta.operations.restoring.materialise import require_room
from git_theta.operations.restoring.restore import (
    describe_inflation,
    is_inflated,
    missing_objects,
    require_objects,
    restore_pieces,
)
from git_theta.repository.history.checkpoint_files import VersionFiles
from git_theta.store.files import make_folder
from git_theta.tensors.arrays import Buffer
from git_theta.vcs.blobs import Blob, read_contents, read_wanted_blobs
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import run_git
from git_theta.vcs.partial_clone import fetch_missing_blobs
from git_theta.vcs.trees import TreeFile, files_of, require_safe_path

_SMALL = 1 << 20
"""Bytes of a file up to which many are read by one process."""
_COPY_SIZE = 1 << 20


def check_out_into(files: Mapping[str, TreeFile], folder: Path, context: Context) -> None:
    """Write files of a commit below a folder that is empty.

    Submodules become empty folders. What is missing is fetched in one go, before anything is written.

    Args:
        files: by path from the top.
        folder: where.
        context: what to work with.

    Raises MissingObject, CorruptObject, ManifestError, StoreError, each with the path; GitError for paths that no
    worktree may have.
    """
    for path in files:
        require_safe_path(path)
    manifests = dict(_read_manifests(files))
    _require_all(manifests, context)
    require_room(_size_of(files, manifests), folder)
    plain = {path: file for path, file in files.items() if path not in manifests}
    for path, file in plain.items():
        if file.mode == "160000":
            with _as_store_error(folder / path):
                (folder / path).mkdir(parents=True, exist_ok=True)
    for path, manifest in manifests.items():
        _write_file(folder / path, files[path], _locate_errors(restore_pieces(manifest, context), path))
    _write_plain({path: file for path, file in plain.items() if file.is_regular}, folder)
    for path, file in plain.items():  # last: nothing is written through them
        if file.mode == "120000":
            _write_link(folder / path, b"".join(_read_blob(file.oid)))


def _read_manifests(files: Mapping[str, TreeFile]) -> Iterator[tuple[str, Manifest]]:
    oids = {file.oid for file in files.values() if file.is_regular and file.size <= MAX_MANIFEST}
    texts = read_wanted_blobs(oids, is_manifest, MAX_MANIFEST)
    for path, file in files.items():
        if file.is_regular and file.oid in texts:
            try:
                yield path, decode_manifest(texts[file.oid])
            except ManifestError as error:
                raise error.add_location(path=path) from None


def _require_all(manifests: Mapping[str, Manifest], context: Context) -> None:
    """Have the objects of all of them here, asking the remotes once."""
    missing: dict[str, int] = {}
    for path, manifest in manifests.items():
        if is_inflated(manifest, context):
            raise CorruptObject(
                describe_inflation(manifest), hint=f"If it is meant: git theta checkout {path}", path=path
            )
        sizes = manifest.objects()
        missing |= {oid: sizes[oid] for oid in missing_objects(manifest, context)}
    reasons = context.fetch(missing) if missing else []
    told = context._replace(fetch=lambda _: reasons)  # they have been asked
    for path, manifest in manifests.items():
        try:
            require_objects(manifest, told)
        except (MissingObject, CorruptObject) as error:
            raise error.add_location(path=path) from error.__cause__


def _size_of(files: Mapping[str, TreeFile], manifests: Mapping[str, Manifest]) -> int:
    return sum(manifests[path].size if path in manifests else file.size for path, file in files.items())


def _write_plain(files: Mapping[str, TreeFile], folder: Path) -> None:
    fetch_missing_blobs(file.oid for file in files.values())
    places: dict[str, list[str]] = {}
    for path, file in files.items():
        places.setdefault(file.oid, []).append(path)
    small = [Blob(oid, files[paths[0]].size, "") for oid, paths in places.items() if files[paths[0]].size <= _SMALL]
    for blob, data, _ in read_contents(small, lambda _: True, _SMALL):
        for path in places.pop(blob.oid):
            _write_file(folder / path, files[path], [data])
    for oid, paths in places.items():
        for path in paths:
            _write_file(folder / path, files[path], _read_blob(oid))


def _read_blob(oid: str) -> Iterator[bytes]:
    with run_git("cat-file", "blob", oid) as content:
        while block := content.read(_COPY_SIZE):
            yield block


def _locate_errors(pieces: Iterable[Buffer], path: str) -> Iterator[Buffer]:
    try:
        yield from pieces
    except ThetaError as error:
        raise error.add_location(path=path) from error.__cause__


def _write_file(target: Path, file: TreeFile, pieces: Iterable[Buffer]) -> None:
    """A new file; never in the place of another, nor through a link."""
    with _as_store_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o777 if file.mode == "100755" else 0o666
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as out:
            out.writelines(pieces)


def _write_link(target: Path, text: bytes) -> None:
    if not text or b"\0" in text:
        raise GitError(f"the commit has a link {os.fspath(target)!r} to no path", hint="Do not trust this commit.")
    with _as_store_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(os.fsdecode(text))


@contextmanager
def _as_store_error(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {os.fspath(target)!r}: {error.strerror}", hint="Make room there, or name another folder."
        ) from error


def matching_files(files: Mapping[str, TreeFile], path: str) -> dict[str, TreeFile]:
    """The file of a path, or those below it."""
    whole = PurePosixPath(path)
    return {name: file for name, file in files.items() if PurePosixPath(name).is_relative_to(whole)}


def choose_files(
    files: dict[str, TreeFile], commit: str, path: str, top: Path | None
) -> tuple[dict[str, TreeFile], str]:
    """The files of a commit that a path stands for, and the folder that it is; "" where it is a file.

    Args:
        files: all of the commit's.
        commit: its id.
        path: from the top: a folder; a file, which stands for the whole checkpoint that it is a shard or the index of.
        top: of the worktree.

    Raises UsageError where there is nothing of that path.
    """
    if path not in files:
        chosen = matching_files(files, path)
        if not chosen:
            raise UsageError(
                f"{path!r} is nothing in {commit[:12]}", hint=f"What there is: git ls-tree -r {commit[:12]}"
            )
        return chosen, path
    with VersionFiles(commit, top) as version:
        found = version.find_checkpoint(path)
    return {one: files[one] for one in (found.path, *(file.path for file in found.files)) if one in files}, ""


def find_version_files(commit: str, path: str, top: Path | None) -> tuple[dict[str, TreeFile], str]:
    """The files of a checkpoint in a commit or tree, and the path of its file, or of the folder of its shards.

    Raises UsageError where there is nothing of that path.
    """
    files, below = choose_files(files_of(commit), commit, path, top)
    if below:
        return files, below
    return files, path if len(files) == 1 else posixpath.dirname(path)


@contextmanager
def make_scratch_folder(repository: Repository) -> Iterator[Path]:
    """A folder on the repository's disk, which has room for checkpoints; one that a kill leaves is swept there."""
    scratch = repository.theta_dir / "tmp"
    make_folder(scratch, repository.theta_dir)
    folder = scratch / f"{os.getpid()}-{os.urandom(8).hex()}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
