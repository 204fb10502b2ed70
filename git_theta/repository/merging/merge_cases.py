"""How each checkpoint that is not the same at the base and all heads is merged: its versions read, and planned."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial

from git_theta.checkpoints.shards import Shard
from git_theta.errors import ManifestError
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.operations.merging.file_plans import FilePlan, HeadVersion, plan_file
from git_theta.operations.merging.file_renames import MergeFile, follow_renames
from git_theta.repository.comparing.file_layouts import adopt_raw_file, unify_versions
from git_theta.repository.comparing.sharded_versions import Adopt, Unify
from git_theta.repository.merging.checkpoint_cases import plan_checkpoints
from git_theta.repository.merging.merge_request import MergeInputs
from git_theta.vcs import trees
from git_theta.vcs.blobs import read_wanted_blobs
from git_theta.vcs.discovery import Repository


def find_cases(made: MergeInputs, repository: Repository, warn: Callable[[str], None]) -> list[FilePlan]:
    """How to merge each checkpoint that is not the same at the base and all heads: one of several files at once.

    Raises ManifestError, with the path, for a manifest that cannot be read.
    """
    top = repository.home
    bases = [trees.files_of(made.base.commit, top)] if made.base else [{}]
    commits = [*bases, *(trees.files_of(head.commit, top) for head in made.heads)]
    heads = [head.commit for head in made.heads]
    renames = trees.find_renames(made.base.commit, heads, commits, top) if made.base else [{} for _ in heads]
    found = plan_checkpoints(commits, made.labels, repository, warn, renames)
    covered = {path for item in found for path in item.paths}
    versions = {
        path: files
        for path, files in trees.differing_files(commits if made.base else commits[1:]).items()
        if path not in covered
    }
    if made.base is None:
        versions = {path: (None, *files) for path, files in versions.items()}
    texts = _read_manifest_texts(versions)
    adopt = partial(adopt_raw_file, repository=repository, warn=warn)
    unify = partial(unify_versions, repository=repository, warn=warn)
    for path, files, was, clash in follow_renames(versions, _leave_out(renames, covered), made.labels):
        if any(file and file.oid in texts for file in files):
            there = [_load_version(path, file, texts) for file in files]
            laid = _unify_versions(path, [_adopt_version(path, one, adopt) for one in there], unify)
            found.append(plan_file(MergeFile(path, laid, was, clash), made.labels))
    return found


def _adopt_version(path: str, version: HeadVersion | None, adopt: Adopt) -> HeadVersion | None:
    """A version that Git holds as it is, by parameters, as another one is."""
    if version is None or version.manifest or not version.mode.startswith("100"):
        return version
    return version._replace(manifest=adopt(path, version.oid))


def _unify_versions(path: str, versions: Sequence[HeadVersion | None], unify: Unify) -> tuple[HeadVersion | None, ...]:
    """The versions of a file, those that are manifests in one layout."""
    files = unify([one and one.manifest and Shard(path, one.manifest) for one in versions])
    return tuple(
        [one and one._replace(manifest=file and file.manifest) for one, file in zip(versions, files, strict=True)]
    )


def _leave_out(renames: Sequence[Mapping[str, str]], covered: Container[str]) -> list[dict[str, str]]:
    """The same without files of checkpoints that are merged whole."""
    return [{old: new for old, new in names.items() if old not in covered and new not in covered} for names in renames]


def _read_manifest_texts(versions: Mapping[str, Sequence[trees.TreeFile | None]]) -> dict[str, bytes]:
    """The texts of the blobs that claim to be manifests, by id."""
    oids = {file.oid for files in versions.values() for file in files if file and file.is_regular}
    return read_wanted_blobs(oids, is_manifest, MAX_MANIFEST)


def _load_version(path: str, file: trees.TreeFile | None, texts: Mapping[str, bytes]) -> HeadVersion | None:
    if file is None:
        return None
    try:
        manifest = decode_manifest(texts[file.oid]) if file.oid in texts else None
    except ManifestError as error:
        raise error.add_location(path=path) from None
    return HeadVersion(file.mode, file.oid, manifest)
