"""The first version of a checkpoint that fails: history halved by Git, versions told apart by ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import UsageError
from git_theta.globs import name_matcher
from git_theta.operations.context import Context
from git_theta.repository.history.checkpoint_files import CheckpointFile, VersionFiles
from git_theta.repository.history.checkpoint_lookup import path_from_top, refuse_globs
from git_theta.repository.history.folder_checkout import check_out_into, find_version_files, make_scratch_folder
from git_theta.vcs.bisection import list_bisection_points, merge_bases_below
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import literal_pathspec
from git_theta.vcs.heads import resolve_heads
from git_theta.vcs.trees import TreeFile

_NOTHING_FAILS = "Say by --bad which version fails, or try the command on one: git theta bisect -h"


class BisectVerdict(Enum):
    """What a test says of a version."""

    GOOD = "good"
    BAD = "bad"
    SKIPPED = "skipped"


class VersionTest(NamedTuple):
    """A version that was judged.

    Attributes:
        commit: its id.
        verdict: what is held of it.
        same_as: the commit that has the very same, and was tested in its place; "" where this one was.
        reason: why it was skipped untested; or "".
    """

    commit: str
    verdict: BisectVerdict
    same_as: str = ""
    reason: str = ""


class BisectRequest(NamedTuple):
    """What a person looks for.

    Attributes:
        path: the checkpoint, relative to the current folder: its file, the index or a shard of several; or a folder.
        globs: names of the parameters that count; none for the whole of it.
        goods: revisions that pass.
        bad: one that fails; "" for HEAD, which is tested first.
    """

    path: str
    globs: tuple[str, ...] = ()
    goods: tuple[str, ...] = ()
    bad: str = ""


class Bisection(NamedTuple):
    """What was found.

    Attributes:
        path: the checkpoint, from the top.
        first_bad: the first commit that fails; None where commits that were skipped may be it.
        candidates: these, with the first that is known to fail; else that alone.
        tests: what was judged, in that order.
    """

    path: str
    first_bad: str | None
    candidates: tuple[str, ...]
    tests: tuple[VersionTest, ...]


RunTest = Callable[[str, Path], BisectVerdict]
"""Told a commit, and the file or folder that its version of the checkpoint is in for as long as the test takes."""
ShowTest = Callable[[VersionTest, int], object]
"""Told each judgement, and how many commits were in question before it."""


def find_first_bad(
    request: BisectRequest, run: RunTest, repository: Repository, context: Context, show: ShowTest = lambda *_: None
) -> Bisection:
    """The first version that fails.

    Commits that did not change the checkpoint (or, of ``globs``, the parameters that match) have the verdict of what
    they have; so each version is restored and tested once. Renames are not followed: where the path is no checkpoint,
    a commit is skipped.

    Raises UsageError where nothing can be found: no such file or parameter, nothing changed, nothing fails, a good
    commit's own past fails. What ``run`` raises ends it.
    """
    bad, *goods = [head.commit for head in resolve_heads([request.bad or "HEAD", *request.goods])]
    judged = _JudgedVersions(request, run, repository, context)
    pathspecs = judged.find_pathspecs(bad)
    tests: list[VersionTest] = []

    def judge(commit: str, of: int) -> BisectVerdict:
        tests.append(judged.judge(commit))
        show(tests[-1], of)
        return tests[-1].verdict

    if not request.bad and judge(bad, 1) is not BisectVerdict.BAD:
        raise UsageError(f"{judged.path} at HEAD does not fail", hint=_NOTHING_FAILS)
    _check_merge_bases(bad, goods, judge)
    found = _halve(bad, goods, pathspecs, judge)
    if not found:
        raise UsageError(
            f"no version of {judged.path} can be the first to fail: what changed in between passes, or nothing did",
            hint=_NOTHING_FAILS,
        )
    return Bisection(judged.path, found[0] if len(found) == 1 else None, tuple(found), tuple(tests))


def _check_merge_bases(bad: str, goods: Sequence[str], judge: Callable[[str, int], BisectVerdict]) -> None:
    """A good commit on another branch says nothing of ours unless what both began at is good, too."""
    for base in merge_bases_below(bad, goods):
        if judge(base, 1) is BisectVerdict.BAD:
            raise UsageError(
                f"the merge base {base} fails already: a good version came after it, and the other branch has it not",
                hint="Name a good version in the history of the bad one.",
            )


def _halve(
    bad: str, goods: Sequence[str], pathspecs: Sequence[str], judge: Callable[[str, int], BisectVerdict]
) -> list[str]:
    """The commits that may be the first bad one, once nothing is left to test: one, unless others were skipped."""
    good, skipped = list(goods), set[str]()
    while True:
        possible = list_bisection_points(bad, good, pathspecs)
        untested = [commit for commit in possible if commit != bad and commit not in skipped]
        if not untested:
            return possible  # without the bad commit where that changed nothing itself
        verdict = judge(untested[0], len(possible))
        if verdict is BisectVerdict.BAD:
            bad = untested[0]
        elif verdict is BisectVerdict.GOOD:
            good.append(untested[0])
        else:
            skipped.add(untested[0])


class _JudgedVersions:
    """Versions of a checkpoint, restored and tested, each content once."""

    def __init__(self, request: BisectRequest, run: RunTest, repository: Repository, context: Context) -> None:
        self.path = path_from_top(request.path)
        self._globs = request.globs
        self._run, self._repository, self._context = run, repository, context
        self._known: dict[object, VersionTest] = {}

    def find_pathspecs(self, commit: str) -> list[str]:
        """What the versions are among the files of. Raises UsageError where a commit has none, or no such parameter."""
        files, place = self._find_files(commit)
        if self._globs and not self._identify(commit, files):
            refuse_globs(self.path)
        # Where the number of shards changes, their names do: all of their folder counts, and ids tell what is the same.
        return [literal_pathspec(place)] if place else []

    def judge(self, commit: str) -> VersionTest:
        """The verdict on a commit's version."""
        try:
            files, below = self._find_files(commit)
        except UsageError as error:
            return VersionTest(commit, BisectVerdict.SKIPPED, reason=error.message)
        identity = self._identify(commit, files)
        if known := self._known.get(identity):
            return VersionTest(commit, known.verdict, known.commit)
        with make_scratch_folder(self._repository) as folder:
            check_out_into(files, folder, self._context)
            tested = VersionTest(commit, self._run(commit, folder / below))
        self._known[identity] = tested
        return tested

    def _find_files(self, commit: str) -> tuple[dict[str, TreeFile], str]:
        """The files of the version, and the path of the file or folder that is given to the test."""
        return find_version_files(commit, self.path, self._repository.worktree)

    def _identify(self, commit: str, files: dict[str, TreeFile]) -> object:
        """What is alike where a test must say the same; nothing where no parameter matches."""
        if not self._globs:
            return tuple(sorted((path, file.oid) for path, file in files.items()))
        with VersionFiles(commit, self._repository.worktree) as version:
            found = version.find_checkpoint(self.path)
        matches = name_matcher(self._globs)
        return tuple(sorted(_identify_parameters(found.files, matches)))


def _identify_parameters(files: Iterable[CheckpointFile], matches: Callable[[str], bool]) -> Iterator[tuple[str, ...]]:
    for entry in (entry for file in files if file.manifest for entry in file.manifest.parameters()):
        if matches(entry.name or ""):
            yield entry.name or "", entry.oid, entry.dtype, repr(entry.shape)
        for view in entry.views:
            if matches(view.name):
                yield view.name, entry.oid, view.dtype, repr((view.shape, view.stride, view.offset))
