"""What a migration would do: which versions of which files, and whether all it needs is here. Nothing is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from git_theta.errors import GitError, MissingObject, UsageError
from git_theta.manifest.text import MAX_MANIFEST
from git_theta.repository.migrating.attribute_changes import (
    FROM_LFS,
    TO_LFS,
    TO_NONE,
    ChosenPatterns,
    FilterExchange,
)
from git_theta.repository.migrating.blob_facts import BlobFacts, BlobKind, read_blob_facts
from git_theta.repository.migrating.default_patterns import choose_export_patterns, choose_import_patterns
from git_theta.repository.migrating.history_survey import HistorySurvey, survey_history
from git_theta.repository.migrating.lfs_objects import LfsObjects
from git_theta.repository.migrating.moved_refs import choose_tips
from git_theta.repository.migrating.preconditions import require_whole_history
from git_theta.vcs.attribute_files.attributes import normalize_pattern
from git_theta.vcs.attribute_files.pattern_matching import PatternMatcher
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git
from git_theta.words import pluralize

_SMALL_BLOB = 1 << 20
"""Bytes of a blob that is looked into before it is converted: pointers and most manifests are smaller."""


class MigrationRequest(NamedTuple):
    """What a person asks for.

    Attributes:
        action: from files and pointers to manifests, or back.
        refs: branches and tags whose history is meant; none for the current branch.
        everything: all of them.
        include, exclude: patterns of the top; no ``include`` for what is usual.
        pointers: whether an export is to leave git-lfs's pointers, not the files.
    """

    action: Literal["import", "export"]
    refs: Sequence[str] = ()
    everything: bool = False
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    pointers: bool = False

    @property
    def exchange(self) -> FilterExchange:
        """What becomes of the attributes of files that are converted."""
        return FROM_LFS if self.action == "import" else TO_LFS if self.pointers else TO_NONE

    @property
    def converted_kinds(self) -> tuple[BlobKind, ...]:
        """The kinds of blobs that are converted."""
        return ("raw", "lfs") if self.action == "import" else ("manifest",)


class PlannedFile(NamedTuple):
    """A file that is to be converted: how many versions of it, their bytes, and how many are pointers now."""

    path: str
    versions: int
    size: int
    pointers: int


class MigrationPlan(NamedTuple):
    """What is to be done.

    Attributes:
        request: what was asked for.
        tips: the refs whose history is meant, with their commits.
        chosen: by which patterns.
        survey: what that history has.
        facts: what the blobs of the chosen files are.
    """

    request: MigrationRequest
    tips: Mapping[str, str]
    chosen: ChosenPatterns
    survey: HistorySurvey
    facts: Mapping[str, BlobFacts]

    def list_files(self) -> Iterator[PlannedFile]:
        """The files that are to be converted, by path."""
        for path, versions in sorted(self.survey.versions.items()):
            facts = [self.facts[blob.decode()] for blob in versions]
            wanted = [one for one in facts if one.kind in self.request.converted_kinds]
            if wanted:
                pointers = sum(one.kind == "lfs" for one in wanted)
                yield PlannedFile(os.fsdecode(path), len(wanted), sum(one.size for one in wanted), pointers)

    @property
    def total_size(self) -> int:
        """Bytes of all versions that are to be converted, each blob once."""
        return sum(one.size for one in self.facts.values() if one.kind in self.request.converted_kinds)

    def list_foreign(self) -> Iterator[tuple[str, str, int]]:
        """What nothing here can follow: path, what it is, how many versions."""
        for path, versions in sorted(self.survey.versions.items()):
            reasons = (self.facts[blob.decode()].reason for blob in versions)
            for reason, count in Counter(filter(None, reasons)).items():
                yield os.fsdecode(path), reason, count


def plan_migration(request: MigrationRequest, repository: Repository) -> MigrationPlan:
    """What is to be done for a request. Raises UsageError, GitError."""
    require_whole_history(repository)
    tips = choose_tips(request.refs, everything=request.everything)
    commits = list(tips.values())
    include = [normalize_pattern(pattern) for pattern in request.include]
    exclude = [normalize_pattern(pattern) for pattern in request.exclude]
    complete = not include and not exclude
    if not include and request.action == "import":
        include = choose_import_patterns(repository, commits)
    elif not include:
        include = choose_export_patterns(commits)
    with PatternMatcher(include, exclude, repository) as matcher:
        survey = survey_history(commits, matcher.matches)
    facts = read_blob_facts(survey.blobs, _SMALL_BLOB if request.action == "import" else MAX_MANIFEST)
    chosen = ChosenPatterns(include, exclude, complete and request.action == "export")
    return MigrationPlan(request, tips, chosen, survey, facts)


def require_lfs_objects(plan: MigrationPlan, objects: LfsObjects, *, fetch: bool) -> None:
    """Return when git-lfs's objects are all here. ``fetch``: have git-lfs get those that are not.

    Raises MissingObject naming the first, its path and its commit.
    """
    missing = _missing_pointers(plan, objects)
    reason = ""
    if missing and fetch:
        try:
            git("lfs", "fetch", "--all", show=True)
        except GitError as error:
            reason = f"{error.message}\n"
        missing = _missing_pointers(plan, objects)
    if missing:
        path, commit, oid = missing[0]
        more = f"; {pluralize(len(missing), 'object')} in all" if len(missing) > 1 else ""
        hint = "Get them from their host: git lfs fetch --all, or repeat this with --fetch."
        raise MissingObject(
            f"commit {commit} has a git-lfs pointer, and git-lfs's object {oid} is not here{more}",
            hint=f"{reason}{hint}\nTo leave the file as it is: --exclude",
            path=path,
        )


def require_something(plan: MigrationPlan) -> None:
    """Raise UsageError where no version of any file would be converted."""
    if next(plan.list_files(), None) is None:
        patterns = " ".join(os.fsdecode(pattern) for pattern in plan.chosen.include)
        raise UsageError(
            f"nothing to {plan.request.action}: no version of a file that matches {patterns}",
            hint="Other branches: name them, or --everything. Other files: --include.",
        )


def _missing_pointers(plan: MigrationPlan, objects: LfsObjects) -> list[tuple[str, str, str]]:
    """(path, commit, object) of each object of git-lfs that is not here, once."""
    if plan.request.action != "import":
        return []
    found = {}
    for path, versions in sorted(plan.survey.versions.items()):
        for blob, commit in versions.items():
            pointer = plan.facts[blob.decode()].pointer
            if pointer and pointer.size and pointer.oid not in found and not objects.has(pointer):
                found[pointer.oid] = (os.fsdecode(path), commit.decode(), pointer.oid)
    return list(found.values())
