"""``git theta describe``: which commit a file, found anywhere, is a version of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from git_theta.cli import boundary
from git_theta.cli.listing import echo_json, echo_painted, json_option
from git_theta.cli.log import render_commit
from git_theta.cli.pager import uses_color
from git_theta.cli.progress import show_progress
from git_theta.errors import UsageError
from git_theta.repository.history.describing import FileDescription, Likeness, describe_files
from git_theta.repository.history.found_files import FoundFile, list_checkpoint_files, read_found_files
from git_theta.repository.history.version_history import commit_json
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.blob_walks import ref_tips
from git_theta.vcs.commits import Commit, describe_commits
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.heads import name_commit
from git_theta.vcs.revisions import OID_DIGITS, commit_ids, keep_commits
from git_theta.words import escape_unprintable, humanize_size, join_some, pluralize

_UNKNOWN = 1
_MAX_NAMED = 5
_REFS = ("refs/heads", "refs/tags", "refs/remotes")


@click.command
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.argument("revisions", nargs=-1, metavar="[REVISION]...")
@json_option
def command(file: Path, revisions: tuple[str, ...], as_json: bool) -> int:
    """Say which commit a file, found anywhere, is from.

    FILE need not be in the repository; it may be a folder of shards, or their index. It is compared with every version
    that branches, tags and HEAD reach, or each REVISION: by the ids of its tensors, so that no other tensor is read.
    Where none is the same, the one that shares most bytes is named. Exits 1 where none shares any.
    """
    repository = discover_repository()
    tips = keep_commits(commit_ids(revisions) if revisions else _list_tips(repository))
    if revisions and not tips:
        names = " ".join(map(repr, revisions))
        raise UsageError(f"{names}: no commit", hint="Name branches, tags, commits or ranges of them.")
    files = list_checkpoint_files(file)
    size = sum(one.stat().st_size for one in files if one.is_file())
    with show_progress("Reading", size) as meter, open_context(repository, boundary.warn, meter) as context:
        found = read_found_files(files, context)
    absent: list[str] = []
    described = describe_files(found, tips, absent.append) if tips else None
    if absent:
        boundary.warn(
            f"{pluralize(len(absent), 'file')} of the history are not here, and were not looked at",
            hint="This is a partial clone. Bring them: git fetch --refetch --no-filter",
        )
    commit = describe_commits([described.commit])[described.commit] if described else None
    name = name_commit(described.commit) if described else ""
    if as_json:
        echo_json(_description_json(file, found, described, commit, name))
    else:
        for line in _render(file, described, commit, name):
            echo_painted(line)
    return 0 if described else _UNKNOWN


def _list_tips(repository: Repository) -> list[str]:
    """What branches and tags reach, and HEAD where it is detached; nothing before the first commit."""
    here = ref_tips(repository.home, *_REFS)
    return list(dict.fromkeys([*here, *(commit_ids([]) if here else [])]))


def _render(file: Path, described: FileDescription | None, commit: Commit | None, name: str) -> Iterator[str]:
    shown = escape_unprintable(str(file))
    if described is None or commit is None:
        yield f"{shown}: no version here shares a tensor with it"
        return
    also = f" ({name})" if name else ""
    place = f"{described.path} of {described.commit[:OID_DIGITS]}{also}"
    yield escape_unprintable(f"{shown}: {_describe_likeness(described)} {place}")
    if described.likeness is Likeness.PART:
        yield from _render_part(described)
    yield ""
    yield from render_commit(commit, color=uses_color())


def _describe_likeness(described: FileDescription) -> str:
    if described.likeness is Likeness.BYTES:
        return "the same bytes as"
    if described.likeness is Likeness.TENSORS:
        return "the same tensors, with something else around them, as"
    return "nearest to"


def _render_part(described: FileDescription) -> Iterator[str]:
    of = len(described.shared) + len(described.lacking)
    sizes = f"{humanize_size(described.shared_size)} of {humanize_size(described.size)}"
    if of:
        yield f"  in common:      {len(described.shared):,} of {pluralize(of, 'parameter')}, {sizes}"
    else:
        yield f"  in common:      {sizes}"
    if described.lacking:
        yield escape_unprintable(f"  only in FILE:   {join_some(list(described.lacking), _MAX_NAMED)}")
    if described.further:
        yield f"  only in commit: {pluralize(described.further, 'parameter')}"


def _description_json(
    file: Path, found: list[FoundFile], described: FileDescription | None, commit: Commit | None, name: str
) -> dict[str, Any]:
    data: dict[str, Any] = {"file": str(file), "files": [str(one.path) for one in found], "match": "none"}
    if described is None or commit is None:
        return data | dict.fromkeys(_KEYS)
    return data | {
        "match": described.likeness.value,
        "commit": commit_json(commit),
        "name": name or None,
        "path": described.path,
        "shared": list(described.shared),
        "lacking": list(described.lacking),
        "further": described.further,
        "size": described.size,
        "shared_size": described.shared_size,
    }


_KEYS = ("commit", "name", "path", "shared", "lacking", "further", "size", "shared_size")
