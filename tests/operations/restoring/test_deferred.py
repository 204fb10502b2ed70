"""Files that are written after Git is done: in which order Git is told, and what is said of those that wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from git_theta.errors import ThetaError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import encode_manifest
from git_theta.operations.context import Context
from git_theta.operations.restoring.deferred import DeferredFiles
from git_theta.operations.restoring.materialise import WrittenFile
from tests.operations.restoring.test_restore import manifest_of

CONTENTS = {"a.bin": b"the first", "b.bin": b"the second, which is longer"}


class RecordingIndex:
    """An index of which nothing is known but what it was told, and what the files held then."""

    def __init__(self, worktree: Path) -> None:
        self.told: list[tuple[str, dict[str, bytes]]] = []
        self._worktree = worktree

    def invalidate_entries(self, paths: Iterable[str]) -> None:
        self._note("invalidate", paths)

    def record_written(self, written: Mapping[str, WrittenFile]) -> None:
        self._note("record", written)

    def _note(self, verb: str, paths: Iterable[str]) -> None:
        self.told.append((verb, {path: (self._worktree / path).read_bytes() for path in paths}))


@pytest.fixture
def worktree(tmp_path: Path) -> Path:
    folder = tmp_path / "worktree"
    folder.mkdir()
    return folder


@pytest.fixture
def manifests(context: Context, worktree: Path) -> dict[str, Manifest]:
    """Two of them, which stand in the worktree in their files' places."""
    made = {path: manifest_of(context, [content], []) for path, content in CONTENTS.items()}
    for path, manifest in made.items():
        (worktree / path).write_bytes(encode_manifest(manifest))
    return made


@pytest.fixture
def reported() -> list[ThetaError]:
    return []


@pytest.fixture
def deferred(
    worktree: Path, context: Context, manifests: dict[str, Manifest], reported: list[ThetaError]
) -> DeferredFiles:
    files = DeferredFiles(worktree, context, reported.append)
    for path, manifest in manifests.items():
        files.add(path, manifest, encode_manifest(manifest))
    return files


def test_git_distrusts_its_index_before_a_file_is_there_and_believes_in_it_afterwards(
    deferred: DeferredFiles, worktree: Path, manifests: dict[str, Manifest], reported: list[ThetaError]
) -> None:
    """Whatever becomes of us in between, Git compares contents, and never takes what somebody else wrote for ours."""
    index = RecordingIndex(worktree)
    assert deferred.write(index, lambda: None) == list(CONTENTS)
    texts = {path: encode_manifest(manifest) for path, manifest in manifests.items()}
    assert index.told == [("invalidate", texts), ("record", CONTENTS)]
    assert reported == []


def test_git_distrusts_a_large_file_no_sooner_than_it_is_there(
    deferred: DeferredFiles, worktree: Path, manifests: dict[str, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then its entry is that of the manifest, and a merge can be given up if we are killed."""
    monkeypatch.setattr("git_theta.operations.restoring.deferred._TOLD_TOGETHER", 1)
    index = RecordingIndex(worktree)
    assert deferred.write(index, lambda: None) == list(CONTENTS)
    assert index.told == [
        told
        for path, manifest in manifests.items()
        for told in (("invalidate", {path: encode_manifest(manifest)}), ("record", {path: CONTENTS[path]}))
    ]


def test_a_path_with_another_content_is_not_written_and_needs_no_room(
    deferred: DeferredFiles, worktree: Path, manifests: dict[str, Manifest]
) -> None:
    assert (deferred.count, deferred.size) == (2, sum(map(len, CONTENTS.values())))
    deferred.forget("a.bin")
    assert (deferred.count, deferred.size) == (1, len(CONTENTS["b.bin"]))
    assert deferred.write(RecordingIndex(worktree), lambda: None) == ["b.bin"]
    assert (worktree / "a.bin").read_bytes() == encode_manifest(manifests["a.bin"])


def test_one_that_fails_is_reported_and_said_to_wait(
    deferred: DeferredFiles,
    worktree: Path,
    context: Context,
    manifests: dict[str, Manifest],
    reported: list[ThetaError],
    warnings: list[str],
) -> None:
    for oid in manifests["a.bin"].entries[0].storage.objects():
        context.store.delete(oid)
    index = RecordingIndex(worktree)
    assert deferred.write(index, lambda: None) == ["b.bin"]
    assert index.told[-1] == ("record", {"b.bin": CONTENTS["b.bin"]})
    assert [error.path for error in reported] == ["a.bin"]
    assert warnings == ["still manifests: a.bin. To get the files: git theta checkout"]


def test_where_the_index_cannot_be_told_it_is_said_and_the_files_are_right(
    deferred: DeferredFiles, worktree: Path, reported: list[ThetaError]
) -> None:
    class LockedIndex(RecordingIndex):
        def record_written(self, written: Mapping[str, WrittenFile]) -> None:
            raise OSError("locked")

    assert deferred.write(LockedIndex(worktree), lambda: None) == list(CONTENTS)
    assert {path: (worktree / path).read_bytes() for path in CONTENTS} == CONTENTS
    assert [str(error).partition(":")[0] for error in reported] == [
        "the index is not up to date with files that were checked out"
    ]


def test_what_is_abandoned_is_said_to_wait(deferred: DeferredFiles, warnings: list[str]) -> None:
    deferred.abandon()
    assert warnings == ["still manifests: a.bin, b.bin. To get the files: git theta checkout"]
