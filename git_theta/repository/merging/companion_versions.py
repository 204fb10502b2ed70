"""Companions of strategies at the commits of a merge's heads: their manifests, as far as the commits are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from git_theta.errors import ManifestError
from git_theta.manifest.model import Entry, Manifest
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, is_manifest
from git_theta.merging.companions import Companion
from git_theta.merging.planning.decisions import names_of
from git_theta.operations.context import CompanionVersion
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.vcs.blobs import BlobContent, read_one_blob
from git_theta.vcs.merges.merge_sides import MergeSides

_SIDES = ("ours", "theirs")

FindCompanions = Callable[[Companion, Mapping[str, Any]], Sequence[CompanionVersion] | None]
"""As ``Context.find_companions``."""


def find_in_heads(item: FilePlan, commits: Sequence[str], labels: Sequence[str], top: Path | None) -> FindCompanions:
    """What finds companions of a file, or of a checkpoint of several, of which the commits of all heads are known."""
    paths = sorted(item.checkpoint.paths) if item.checkpoint else [item.path, *([item.was] if item.was else [])]
    return _look_into(paths, [(labels[index], commits[index]) for index in item.among], top)


def find_in_sides(
    path: str,
    find_commits: Callable[[], MergeSides | None],
    is_side: Callable[[int, BlobContent], bool],
    top: Path | None,
) -> FindCompanions:
    """What finds companions of one file of two sides, where their commits are known.

    Args:
        path: of the file.
        find_commits: the commits; None where Git keeps no note of them. Asked when a strategy asks.
        is_side: whether what a commit has there is our side (0) or theirs (1). Git may have found the file renamed, or
            merge something else: nothing is guessed then.
        top: of the worktree.
    """

    def find(companion: Companion, options: Mapping[str, Any]) -> Sequence[CompanionVersion] | None:
        sides = find_commits()
        if sides is None:
            return None
        commits = (sides.ours, sides.theirs)
        held = [read_one_blob(f"{commit}:{path}", is_manifest, MAX_MANIFEST, top) for commit in commits]
        if not all(one and is_side(number, one) for number, one in enumerate(held)):
            return None
        return _look_into([path], list(zip(_SIDES, commits, strict=True)), top)(companion, options)

    known: dict[str, Sequence[CompanionVersion] | None] = {}  # thousands of parameters ask for the same

    def find_once(companion: Companion, options: Mapping[str, Any]) -> Sequence[CompanionVersion] | None:
        pattern = companion.choose_pattern(options)
        if pattern not in known:
            known[pattern] = find(companion, options)
        return known[pattern]

    return find_once


def _look_into(paths: Sequence[str], heads: Sequence[tuple[str, str]], top: Path | None) -> FindCompanions:
    """What finds companions of these paths at the heads: what each is called, and its commit."""

    @cache
    def look(places: tuple[str, ...]) -> list[CompanionVersion]:
        return [_join(head, places, [_read_version(commit, one, top) for one in places]) for head, commit in heads]

    return lambda companion, options: look(tuple(dict.fromkeys(companion.find_path(path, options) for path in paths)))


def _join(head: str, places: Sequence[str], found: Sequence[Manifest | str | None]) -> CompanionVersion:
    """One companion of all files that a head has of it: a checkpoint of several files may have one, or one each."""
    entries: dict[str, Entry] = {}
    for manifest in found:
        for entry in manifest.parameters() if isinstance(manifest, Manifest) else ():
            entries |= {name: entry for name in names_of(entry) if name not in entries}
    problems = [one for one in found if isinstance(one, str)]
    is_there = any(isinstance(one, Manifest) for one in found)
    return CompanionVersion(head, places[0], entries if is_there else None, next(iter(problems), ""))


def _read_version(commit: str, path: str, top: Path | None) -> Manifest | str | None:
    """The manifest at a path of a commit; in words what is there otherwise; None for nothing."""
    found = read_one_blob(f"{commit}:{path}", is_manifest, MAX_MANIFEST, top)
    if found is None:
        return None
    try:
        return decode_manifest(found.data) if found.whole else "has it raw: git theta track it, and commit it again"
    except ManifestError:
        return "has it, not stored by parameters: git theta track it, and commit it again"
