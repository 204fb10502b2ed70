"""What is suspicious about weights, for ``git theta doctor``: the same where they should differ, or broken numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from git_theta.checkpoints.shards import Shard, group_checkpoints
from git_theta.diffing.alarms import Alarm, AlarmKind, Step, WeightWatch, find_untrained
from git_theta.diffing.base import Comparison, MeasuredChange
from git_theta.diffing.compare import compare_checkpoint
from git_theta.diffing.verdict import count_new_nonfinite
from git_theta.errors import GitError, ManifestError
from git_theta.manifest.text import decode_manifest
from git_theta.operations.adding.layouts_alike import unify_pair
from git_theta.operations.comparing.diff_report import build_report
from git_theta.operations.comparing.weight_steps import digest_versions
from git_theta.operations.context import Context
from git_theta.repository.history.manifest_blobs import read_manifest_text
from git_theta.repository.history.same_weights import describe_alarm, originality_test, pathspecs_of, steps_of_branches
from git_theta.repository.history.version_history import VersionHistory, open_history
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.commits import BlobVersion, Edit
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, git_succeeds
from git_theta.words import escape_unprintable, pluralize

_MAX_NAMED = 3


def find_same_weights(paths: Sequence[str], warn: Callable[[str], None]) -> list[str]:
    """Alarms about the weights that branches have of these files (from the top), a sentence each.

    An alarm counts only while it holds: about another branch, while a branch has the weights at its tip; about a commit
    and its parent, while that commit is the last one in HEAD that changed the file.
    """
    if not paths or not git_succeeds("rev-parse", "--verify", "--quiet", "HEAD"):
        return []
    with open_history(warn) as history:
        taken: dict[str, Step] = {}
        found = list(_find_alarms(steps_of_branches(history, paths), taken, history))
        return [
            describe_alarm(alarm) for alarm in found if _still_stands(alarm, taken[alarm.commit + alarm.path], history)
        ]


def _find_alarms(steps: Iterable[Step], taken: dict[str, Step], history: VersionHistory) -> Iterator[Alarm]:
    watch = WeightWatch(originality_test(history))
    for step in steps:
        taken[step.commit + step.path] = step
        same = find_untrained(step)
        yield from [same] if same else watch.add(step)


def _still_stands(alarm: Alarm, step: Step, history: VersionHistory) -> bool:
    if alarm.kind is AlarmKind.PARENT:
        last = git("rev-list", "--no-merges", "-1", "HEAD", "--", *pathspecs_of(step)).decode().strip()
        return last == alarm.commit
    tips = git("for-each-ref", "--format=%(objectname)", "refs/heads", "refs/remotes").decode().split()
    return any(_digest_at(tip, step, history) == step.after for tip in tips)


def _digest_at(revision: str, step: Step, history: VersionHistory) -> str | None:
    """The weights that a revision has of a step's checkpoint; None where it has none."""
    checkpoints = history.reader.checkpoints
    wholes = (checkpoints.find_checkpoint(path, revision, None) for path in step.files)
    if whole := next(filter(None, wholes), None):
        return digest_versions(whole.after, history.reader.texts)
    found = ((path, history.blobs.find(f"{revision}:{path}")) for path in step.files or [step.path])
    return digest_versions([BlobVersion(path, one[0]) for path, one in found if one], history.reader.texts)


def find_broken_values(repository: Repository, warn: Callable[[str], None]) -> list[str]:
    """Where NaN or infinite values appeared with HEAD, or could have unseen, a sentence for each checkpoint.

    Reads the values of all parameters that HEAD changed, and fetches those that are not here.
    """
    try:
        head, *parents = git("rev-list", "--parents", "-1", "HEAD").decode().split()
    except GitError:
        return []
    with open_history(warn) as history, open_context(repository, warn) as context:
        edits = history.diffs.edits_between(head, parents[0] if parents else None)
        versions = head, parents[0] if parents else None
        reports = [build_report(one, context) for one in _compare_edits(edits, history, versions, context)]
    return [text for report in reports for text in _describe_broken(report.comparison.path, report.rows)]


def _compare_edits(
    edits: Sequence[Edit], history: VersionHistory, versions: tuple[str, str | None], context: Context
) -> list[Comparison]:
    before = [shard for edit in edits if (shard := _shard_of(edit.before, history))]
    after = [shard for edit in edits if (shard := _shard_of(edit.after, history))]
    renames = {edit.before.path: edit.after.path for edit in edits if edit.before and edit.after}
    paths = {shard.path for shard in (*before, *after)}
    indexes = history.reader.checkpoints.read_indexes(paths, *versions)
    groups = group_checkpoints(before, after, indexes, renames)
    return [compare_checkpoint(*unify_pair(one, context)) for one in groups if one[2]]


def _shard_of(version: BlobVersion | None, history: VersionHistory) -> Shard | None:
    text = read_manifest_text(history.blobs, version.oid) if version else None
    with suppress(ManifestError):  # fsck tells
        return Shard(version.path, decode_manifest(text)) if version and text else None
    return None


def _describe_broken(path: str, rows: Sequence[MeasuredChange]) -> Iterator[str]:
    bad = [
        (row.change.name, count_new_nonfinite(row.measures)) for row in rows if any(count_new_nonfinite(row.measures))
    ]
    if bad:
        nan, infinite = (sum(numbers[which] for _, numbers in bad) for which in (0, 1))
        what = " and ".join([f"{number:,} {word}" for number, word in ((nan, "NaN"), (infinite, "infinite")) if number])
        names = _enumerate_names([name for name, _ in bad])
        yield f"{path}: {what} appeared with HEAD in {pluralize(len(bad), 'parameter')}: {names}"
    unread = [row.change.name for row in rows if row.failure]
    if unread:
        yield f"{path}: {pluralize(len(unread), 'parameter')} could not be read: {_enumerate_names(unread)}"


def _enumerate_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(map(escape_unprintable, names[:_MAX_NAMED])) + more
