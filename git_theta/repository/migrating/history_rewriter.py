"""A history, commit by commit: what is converted, and all after it, is made anew; what came before stays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from git_theta.repository.migrating.attribute_changes import AttributeChanges
from git_theta.repository.migrating.base import BlobConversion
from git_theta.repository.migrating.history_survey import HistorySurvey, is_attributes_file
from git_theta.vcs.blob_reader import BlobReader
from git_theta.vcs.fast_export import ATTRIBUTES_NAME, ExportedCommit, FileChange
from git_theta.vcs.fast_import import HistoryImport

_FILE_MODE = b"100644"


class HistoryRewriter:
    """Makes the commits of a new history.

    Args:
        survey: what the old one has.
        conversion: what becomes of the files that were asked for.
        attributes: what becomes of the attributes files.
        target: where the new commits go.
        blobs: finds what old commits have at the top.

    Attributes:
        marks: old commit to the mark of the one that takes its place; what is not in it stays.
        first: the old commits of those whose parents stay.
    """

    def __init__(
        self,
        survey: HistorySurvey,
        conversion: BlobConversion,
        attributes: AttributeChanges,
        target: HistoryImport,
        blobs: BlobReader,
    ) -> None:
        self.marks: dict[bytes, bytes] = {}
        self.first: list[bytes] = []
        self._survey = survey
        self._conversion = conversion
        self._attributes = attributes
        self._target = target
        self._blobs = blobs
        self._originals: dict[bytes, bytes] = {}
        self._tracked: set[bytes] = set()
        self._new_blobs: dict[tuple[bytes, str], bytes | None] = {}
        self._new_attributes: dict[bytes, bytes] = {}

    def rewrite_all(self, commits: Iterable[ExportedCommit]) -> None:
        """Make what is to be made of these commits, parents before children."""
        for commit in commits:
            self._originals[commit.mark] = commit.original
            self._rewrite(commit._replace(parents=tuple(self._originals.get(one, one) for one in commit.parents)))

    def _rewrite(self, commit: ExportedCommit) -> None:
        changes = {change.path: self._convert_change(change) for change in commit.changes}
        has_converted = any(changes[change.path] != change for change in commit.changes)
        if has_converted or not self._tracked.isdisjoint(commit.parents):
            self._tracked.add(commit.original)
        changes |= {change.path: change for change in self._attribute_changes(commit)}
        follows = any(parent in self.marks for parent in commit.parents)
        if not follows and tuple(changes.values()) == commit.changes:
            return
        if not follows:
            self.first.append(commit.original)
        mark = self.marks[commit.original] = self._target.new_mark()
        parents = tuple(self.marks.get(parent, parent) for parent in commit.parents)
        self._target.add_commit(commit._replace(mark=mark, parents=parents, changes=tuple(changes.values())))

    def _convert_change(self, change: FileChange) -> FileChange:
        """The change with another blob, where the file is one that was asked for, and is converted."""
        if not change.is_regular or change.path not in self._survey.versions:
            return change
        # A format may go by the end of a name: the same bytes under another one are asked about anew.
        key = change.content, PurePosixPath(change.path.decode(errors="replace")).suffix
        if key not in self._new_blobs:
            found = self._conversion.convert(change.path, change.content)
            self._new_blobs[key] = self._target.add_blob(*found) if found else None
        mark = self._new_blobs[key]
        return change._replace(content=mark) if mark else change

    def _attribute_changes(self, commit: ExportedCommit) -> list[FileChange]:
        """What a commit does to attributes files, of those that it changes, and of that at the top if need be."""
        tracked = commit.original in self._tracked
        changes = {change.path: change for change in commit.changes if is_attributes_file(change.path)}
        begins = tracked and (not commit.parents or commit.parents[0] not in self._tracked)
        if begins and ATTRIBUTES_NAME not in changes:
            found = self._blobs.find(f"{commit.original.decode()}:{ATTRIBUTES_NAME.decode()}")
            mode, content = (_FILE_MODE, found[0].encode()) if found else (b"", b"")
            changes[ATTRIBUTES_NAME] = FileChange(ATTRIBUTES_NAME, mode, content)
        return [self._rewrite_attributes(change, tracked=tracked) for change in changes.values()]

    def _rewrite_attributes(self, change: FileChange, *, tracked: bool) -> FileChange:
        blob = change.content if change.mode else None
        content = self._attributes.rewrite(change.path, blob, tracked=tracked)
        if content is None:
            return FileChange(change.path)
        if blob and content == self._attributes.contents[blob.decode()]:
            return change
        if content not in self._new_attributes:
            self._new_attributes[content] = self._target.add_blob(len(content), [content])
        return FileChange(change.path, change.mode or _FILE_MODE, self._new_attributes[content])
