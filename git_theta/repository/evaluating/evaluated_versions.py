"""The versions of checkpoints that a person wants evaluated: of commits, of ranges, and files found anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from git_theta.checkpoints.index_file import is_index
from git_theta.errors import UsageError
from git_theta.globs import path_matcher
from git_theta.manifest.identity_text import write_identity
from git_theta.manifest.model import Manifest
from git_theta.operations.context import Context
from git_theta.operations.worktree_files import claims_manifest
from git_theta.repository.history.checkpoint_lookup import CheckpointVersion, list_checkpoints, path_from_top
from git_theta.vcs.commits import walk_commits
from git_theta.vcs.discovery import Repository
from git_theta.vcs.revisions import OID_DIGITS, commit_ids


class EvaluatedVersion(NamedTuple):
    """A version of a checkpoint.

    Attributes:
        label: what the person calls the version: a revision; of a range's commit, the start of its id; a path.
        tree: the id of the commit or tree that has it; "" for a file found anywhere.
        path: of the checkpoint: from the top of its tree, or as the person gave it.
        identity: the text that results belong to.
        found: where it lies, for one that was found: its file, or the folder of its shards.
    """

    label: str
    tree: str
    path: str
    identity: bytes
    found: Path | None = None

    @property
    def title(self) -> str:
        """What it is called in a line by itself."""
        return self.label if self.found else f"{self.label}:{self.path}"


def list_versions(revisions: Sequence[str], paths: Sequence[str], context: Context) -> list[EvaluatedVersion]:
    """The versions that words name.

    Args:
        revisions: names of commits, and ranges, whose commits are taken oldest first; none for HEAD, unless there are
            paths.
        paths: with revisions, the checkpoints of these that are meant, relative to the current folder; else files,
            found anywhere.
        context: what to read files with.

    Raises UsageError for what names none.
    """
    if paths and not revisions:
        return [read_found_version(path, context) for path in paths]
    keep = _match_paths(paths)
    found: list[EvaluatedVersion] = []
    for label, commit in name_commits(revisions or ["HEAD"]):
        found += [one for one in list_tree_versions(commit, label) if keep(one.path)]
    if not found:
        where = " ".join(revisions or ["HEAD"])
        if paths:
            named = ", ".join(map(repr, paths))
            raise UsageError(f"{where}: no checkpoint at {named}", hint="What is versioned here: git theta ls-files :/")
        raise UsageError(f"{where}: no checkpoint there", hint="Files are versioned once tracked: git theta track")
    return found


def name_commits(revisions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What each commit is called, and its id. Raises UsageError for what is no revision, and for an empty range."""
    for word in revisions:
        tips = commit_ids([word])
        if len(tips) == 1 and not tips[0].startswith("^"):
            yield word, tips[0]
            continue
        listed = [commit.oid for commit in walk_commits(tips)][::-1]
        if not listed:
            raise UsageError(f"no commit is in {word}", hint="A range is OLDER..NEWER.")
        yield from ((oid[:OID_DIGITS], oid) for oid in listed)


def list_tree_versions(tree: str, label: str) -> list[EvaluatedVersion]:
    """Every checkpoint of a commit or tree, given by its id."""
    return [_describe_version(one, label) for one in list_checkpoints(tree)]


def read_found_version(path: str, context: Context) -> EvaluatedVersion:
    """A file, or the folder of shards, as it lies. Raises UsageError for what is none, or only stands for one."""
    from git_theta.repository.history.found_files import list_checkpoint_files, read_found_files

    place = Path(path)
    files = list_checkpoint_files(place)
    for file in files:
        if file.is_file() and claims_manifest(file.resolve()):
            raise UsageError(
                "is not materialised: a manifest stands in its place",
                hint="Put it there: git theta checkout. Or name a revision.",
                path=str(file),
            )
    manifests = [one.manifest for one in read_found_files(files, context)]
    folder = place.parent if is_index(place.name) and files not in ([], [place]) else place
    return EvaluatedVersion(path, "", path, write_identity(manifests), folder.absolute())


@contextmanager
def restore_version(version: EvaluatedVersion, repository: Repository, context: Context) -> Iterator[Path]:
    """The version's file, or the folder of its shards, for as long as the block runs. No worktree, no index."""
    if version.found:
        yield version.found
        return
    from git_theta.repository.history.folder_checkout import check_out_into, find_version_files, make_scratch_folder

    files, place = find_version_files(version.tree, version.path, repository.worktree)
    with make_scratch_folder(repository) as folder:
        check_out_into(files, folder, context)
        yield folder / place


def _describe_version(found: CheckpointVersion, label: str) -> EvaluatedVersion:
    manifests: list[Manifest] = [shard.manifest for shard in found.shards]
    return EvaluatedVersion(label, found.revision, found.path, write_identity(manifests))


def _match_paths(paths: Sequence[str]) -> Callable[[str], bool]:
    """Whether a checkpoint is at one of these paths, or below it."""
    tops = [path_from_top(path) for path in paths]
    matches = path_matcher(tops) if any(letter in path for path in paths for letter in "*?[") else lambda _: False
    return lambda path: (
        not tops or any(top == "." or path == top or path.startswith(f"{top}/") for top in tops) or matches(path)
    )
