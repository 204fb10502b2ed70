"""Looking back: the commits that changed parameters, and who last changed each. From manifests alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from git_theta.api.naming import (
    EnteredRepository,
    enter_repository,
    list_words,
    resolve_path,
    resolve_revision,
    spell_revision,
    warn_caller,
)
from git_theta.api.row_table import RowTable
from git_theta.diffing.alarms import Alarm
from git_theta.diffing.base import ChangeStatus
from git_theta.errors import UsageError
from git_theta.operations.comparing.parameter_blame import ParameterBlame
from git_theta.operations.comparing.parameter_history import CheckpointChange
from git_theta.repository.history.checkpoint_blame import blame_checkpoint, spec_named
from git_theta.repository.history.checkpoint_files import VersionFiles
from git_theta.repository.history.commit_log import find_logged
from git_theta.repository.history.same_weights import describe_alarm
from git_theta.repository.history.version_history import open_history
from git_theta.vcs.commits import Commit, CommitDiffs
from git_theta.vcs.git import literal_pathspec
from git_theta.vcs.revisions import commit_ids

if TYPE_CHECKING:
    from git_theta.api.checkpoint import Globs
    from git_theta.api.naming import PathLike, RepositoryLike, RevisionLike

_LOG_SHOWN = ("commit", "date", "author", "subject", "path", "changed", "added", "removed", "stored")
_BLAME_SHOWN = ("name", "commit", "date", "author", "subject")


class LogRow(NamedTuple):
    """What a commit did to one checkpoint.

    Attributes:
        commit: its id.
        date: when, in ISO 8601.
        author, email: who wrote it.
        subject: the first paragraph of its message.
        path, was: what the checkpoint is called there, and what it was called before; "" where that is the same.
        changed, added, removed, renamed: how many parameters were; another dtype or shape counts as changed, another
            shard as renamed.
        names: those parameters, as they are called there.
        stored: bytes of objects that no version before needed.
        notes: what is alarming about it, in words: weights that are those of its parent, or of another commit.
    """

    commit: str
    date: str
    author: str
    email: str
    subject: str
    path: str
    was: str
    changed: int
    added: int
    removed: int
    renamed: int
    names: tuple[str, ...]
    stored: int
    notes: tuple[str, ...]


class BlameRow(NamedTuple):
    """Who last changed a parameter.

    Attributes:
        name: the parameter's, at the revision that was asked about; each name of a tied one.
        path: of its file there.
        dtype, shape: there.
        oid: SHA-256 of its bytes.
        commit, date, author, email, subject: the commit's, as in ``LogRow``.
        path_there, name_there: what file and parameter were called in that commit.
    """

    name: str
    path: str
    dtype: str
    shape: tuple[int, ...]
    oid: str
    commit: str
    date: str
    author: str
    email: str
    subject: str
    path_there: str
    name_there: str


def read_log(
    path: PathLike | None = None,
    rev: RevisionLike = "HEAD",
    repo: RepositoryLike = ".",
    *,
    include: Globs = (),
    limit: int | None = None,
) -> RowTable[LogRow]:
    """The commits that changed parameters, youngest first, a row for each checkpoint; exported as ``git_theta.log``.

    Nothing but manifests is read, and nothing is fetched from where objects are kept.

    Args:
        path: of a checkpoint, as ``git_theta.open`` takes it; followed through renames. None for all.
        rev: the commit whose history is looked at, or a range such as ``"main..topic"``.
        repo: as ``git_theta.open``.
        include: globs for names of parameters; none for all.
        limit: how many commits to look for; None for all of history.

    Raises:
        UsageError: no such revision, or no commit has a checkpoint of that path.
        GitError: ``repo`` is in no repository.

    Example:
        >>> git_theta.log("model.safetensors", include="classifier.*").to_frame()[["commit", "subject", "stored"]]
    """
    globs = list_words(include)
    with enter_repository(repo) as entered:
        tips = commit_ids([spell_revision(rev)])
        pathspecs = [] if path is None else _pathspecs_of(resolve_path(path), tips[0], entered)
        with open_history(warn_caller) as history, CommitDiffs(pathspecs, renames=False) as limited:
            found = [
                _log_row(logged.commit, one, alarms)
                for logged, alarms in islice(find_logged(history, limited, tips, pathspecs, globs), limit)
                for one in logged.touched
            ]
            if pathspecs and limit != 0 and not history.reader.has_found:
                raise UsageError(
                    f"no commit has a checkpoint there: {path}", hint="What is versioned: git theta ls-files :/"
                )
    return RowTable(LogRow, found, _LOG_SHOWN)


def read_blame(
    path: PathLike, rev: RevisionLike = "HEAD", repo: RepositoryLike = ".", *, include: Globs = ()
) -> RowTable[BlameRow]:
    """For each parameter of a checkpoint, the commit that last changed it; exported as ``git_theta.blame``.

    Files are followed through renames, and parameters that were renamed with the same bytes. Nothing but manifests is
    read.

    Args:
        path: as ``git_theta.open``.
        repo: the same.
        rev: the commit that the checkpoint is taken from.
        include: globs for names of parameters; none for all.

    Raises:
        UsageError: no such revision, checkpoint or name; or the file is kept whole, or was never stored by parameters.
        GitError: ``repo`` is in no repository.

    Example:
        >>> {row.name: row.subject for row in git_theta.blame("model.safetensors", "v2.0")}
    """
    globs = list_words(include)
    with enter_repository(repo) as entered:
        with VersionFiles(resolve_revision(rev), entered.top) as version:
            whole = version.find_checkpoint(resolve_path(path)).path
        with open_history(warn_caller) as history:
            blamed = blame_checkpoint(history, spell_revision(rev), whole, globs)
    return RowTable(BlameRow, map(_blame_row, blamed), _BLAME_SHOWN)


def _pathspecs_of(path: str, tip: str, entered: EnteredRepository) -> list[str]:
    """Git's names for the files of a checkpoint: all of its shards, as they are called at the tip."""
    with VersionFiles(tip, entered.top) as version:
        files = version.find_checkpoint(path).files if version.find_file(path) else ()
    return [literal_pathspec(one) for one in dict.fromkeys([path, *(file.path for file in files)])]


def _log_row(commit: Commit, one: CheckpointChange, alarms: Sequence[Alarm]) -> LogRow:
    statuses = [change.status for change in one.changes]
    return LogRow(
        commit.oid, commit.time, commit.author, commit.email, commit.subject, one.path, one.was,
        statuses.count(ChangeStatus.CHANGED) + statuses.count(ChangeStatus.SPEC),
        statuses.count(ChangeStatus.ADDED),
        statuses.count(ChangeStatus.REMOVED),
        statuses.count(ChangeStatus.RENAMED) + statuses.count(ChangeStatus.MOVED),
        tuple([change.name for change in one.changes]),
        one.stored,
        tuple([describe_alarm(alarm) for alarm in alarms if alarm.path == one.path]),
    )  # fmt: skip


def _blame_row(one: ParameterBlame[Commit]) -> BlameRow:
    spec, commit = spec_named(one.place), one.commit
    return BlameRow(
        one.place.name, one.place.path, spec.dtype, spec.shape, one.place.entry.oid,
        commit.oid, commit.time, commit.author, commit.email, commit.subject, one.path, one.name,
    )  # fmt: skip
