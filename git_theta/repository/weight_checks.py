"""What is suspicious about weights, for ``git theta doctor``: the same where they should differ, or broken numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

from git_theta.checkpoints.shards import Shard, checkpoints
from git_theta.diffing.alarms import Alarm, Kind, Step, Watch, untrained
from git_theta.diffing.base import Comparison, Measured
from git_theta.diffing.compare import compare
from git_theta.diffing.verdict import broke
from git_theta.errors import GitError, ManifestError
from git_theta.manifest.lines import weights
from git_theta.manifest.text import loads
from git_theta.operations.comparing.diff_report import diff
from git_theta.repository.opening import open_desk
from git_theta.repository.same_weights import everywhere, original, told
from git_theta.repository.version_history import Past, manifest_text, past
from git_theta.vcs.commits import Edit, Version
from git_theta.vcs.discovery import Repository
from git_theta.vcs.git import git, succeeds
from git_theta.words import count, printable

_NAMED = 3


def alike(paths: Sequence[str], warn: Callable[[str], None]) -> list[str]:
    """What is alarming about the weights that branches have of these files (from the top), a sentence each.

    Only what still stands is told: of other branches, where a branch has the weights at its tip; of a commit and its
    parent, where that commit is the last that changed the file in HEAD.
    """
    if not paths or not succeeds("rev-parse", "--verify", "--quiet", "HEAD"):
        return []
    with past(warn) as history:
        digests: dict[str, str] = {}
        found = list(_alarms(everywhere(history, paths), digests, history))
        return [told(alarm) for alarm in found if _stands(alarm, digests[alarm.commit + alarm.path], history)]


def _alarms(steps: Iterable[Step], digests: dict[str, str], history: Past) -> Iterator[Alarm]:
    watch = Watch(original(history))
    for step in steps:
        digests[step.commit + step.path] = step.after
        same = untrained(step)
        yield from [same] if same else watch.add(step)


def _stands(alarm: Alarm, digest: str, history: Past) -> bool:
    if alarm.kind is Kind.PARENT:
        last = git("rev-list", "--no-merges", "-1", "HEAD", "--", f":(top,literal){alarm.path}").decode().strip()
        return last == alarm.commit
    tips = git("for-each-ref", "--format=%(objectname)", "refs/heads", "refs/remotes").decode().split()
    blobs = {found[0] for tip in tips if (found := history.blobs.find(f"{tip}:{alarm.path}"))}
    texts = [text for oid in sorted(blobs) if (text := manifest_text(history.blobs, oid))]
    return digest in map(weights, texts)


def broken(repository: Repository, warn: Callable[[str], None]) -> list[str]:
    """Where NaN or infinite values appeared with HEAD, or could have unseen, a sentence for each checkpoint.

    Reads the values of all parameters that HEAD changed, and fetches those that are not here.
    """
    try:
        head, *parents = git("rev-list", "--parents", "-1", "HEAD").decode().split()
    except GitError:
        return []
    with past(warn) as history, open_desk(repository, warn) as desk:
        edits = history.diffs.between(head, parents[0] if parents else None)
        reports = [diff(one, desk) for one in _comparisons(edits, history)]
    return [text for report in reports for text in _told(report.comparison.path, report.rows)]


def _comparisons(edits: Sequence[Edit], history: Past) -> list[Comparison]:
    before = [shard for edit in edits if (shard := _shard(edit.before, history))]
    after = [shard for edit in edits if (shard := _shard(edit.after, history))]
    renames = {edit.before.path: edit.after.path for edit in edits if edit.before and edit.after}
    return [compare(*one) for one in checkpoints(before, after, renames=renames) if one[2]]


def _shard(version: Version | None, history: Past) -> Shard | None:
    text = manifest_text(history.blobs, version.oid) if version else None
    with suppress(ManifestError):  # fsck tells
        return Shard(version.path, loads(text)) if version and text else None
    return None


def _told(path: str, rows: Sequence[Measured]) -> Iterator[str]:
    bad = [(row.change.name, broke(row.measures)) for row in rows if any(broke(row.measures))]
    if bad:
        nan, infinite = (sum(numbers[which] for _, numbers in bad) for which in (0, 1))
        what = " and ".join([f"{number:,} {word}" for number, word in ((nan, "NaN"), (infinite, "infinite")) if number])
        names = _listed([name for name, _ in bad])
        yield f"{path}: {what} appeared with HEAD in {count(len(bad), 'parameter')}: {names}"
    unread = [row.change.name for row in rows if row.failure]
    if unread:
        yield f"{path}: {count(len(unread), 'parameter')} could not be read: {_listed(unread)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(printable, names[:_NAMED])) + more
