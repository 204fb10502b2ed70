"""What ``merge.theta.driver`` runs: one file's three manifests into one. Never prompts.

Called as ``merge_driver %O %A %B %L %P %X %Y``: three files, the size of conflict markers, the path, and what Git calls
ours and theirs (before 2.44 it knows no such placeholders, and hands them on as they are). Git takes the result from
the second file, and from the exit code: 0 merged, 1 conflict, above 128 an error.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from git_theta.cli import boundary, hand_back
from git_theta.cli.desk import conflicts_of, desk_for
from git_theta.cli.policies import policy_for, settings_in_force
from git_theta.errors import ConflictError
from git_theta.manifest.text import LARGEST, dumps, is_manifest, loads
from git_theta.merging.plan import Plan, plan
from git_theta.merging.policy import Choice
from git_theta.merging.trivial import Decision
from git_theta.operations.conflicts import FRAME, Stages, keep, note_of
from git_theta.operations.merge import Choose, Merged, merge
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs import atomic
from git_theta.vcs.git import git
from git_theta.vcs.repository import Repository, discover
from git_theta.words import count, printable

_UNKNOWN = ["%X", "%Y"]
_MARKERS = 7
"""Git's size of conflict markers; it makes them longer when it merges merge bases into a virtual one."""
_ERROR = 128
_HEAD = 64
"""Bytes that tell a manifest from any other file."""
_TAKE_A_SIDE = "git checkout --ours, or --theirs, and the file; then git add it."
_SETTLE = """\
Settle them: git theta resolve -s STRATEGY, or --ours, --theirs, -i. What is left: git theta status
Or give up (git merge --abort, git rebase --abort ...), and merge again: git theta merge -s STRATEGY BRANCH"""


def main() -> int:
    """Merge the files that Git names on the command line."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # temporary files go, as after Ctrl-C
    os.environ.setdefault(*UNTHREADED)
    base, ours, theirs, markers, path, *labels = sys.argv[1:]
    stages = Stages(*(_text(Path(file)) for file in (base, ours, theirs)))
    virtual = int(markers) > _markers(path)
    if not stages.ours or not stages.theirs:
        boundary.warn(f"{path}: one side is no manifest of ours; take one side.", hint=_TAKE_A_SIDE)
        return _given_up(Path(ours), virtual=virtual)
    made = plan(loads(stages.base) if stages.base else None, [loads(stages.ours), loads(stages.theirs)])
    repository = discover()
    try:
        merged = _merged(made, path, repository, virtual=virtual)
    except ConflictError as error:
        boundary.warn(str(error.located(path=path)), hint=error.hint)
        return _given_up(Path(ours), virtual=virtual)
    if virtual and merged.left:
        return _given_up(Path(ours), virtual=virtual)
    atomic.replace(Path(ours), dumps(merged.manifest))  # older Gits take what is there even after an error
    _say_notes(merged, path)
    if merged.left:
        keep(note_of(path, merged), stages, conflicts_of(repository))
        _report(merged, path, labels)
    return 1 if merged.left else 0


def _markers(path: str) -> int:
    """The size of conflict markers in an outermost merge: people may ask for longer ones."""
    said = git("check-attr", "-z", "conflict-marker-size", "--", path).split(b"\0")[2]
    return int(said) if said.isdigit() and int(said) else _MARKERS


def _text(file: Path) -> bytes | None:
    """The text of a side: b"" where the file was not there, None where it is no manifest (and may be large)."""
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
        return head + stream.read(LARGEST) if not head or is_manifest(head) else None


def _given_up(ours: Path, *, virtual: bool) -> int:
    """Leave ours to the person. Of a virtual merge base leave nothing: else it would settle what nobody decided."""
    if virtual:
        ours.write_bytes(b"")
    return 1


def _merged(made: Plan, path: str, repository: Repository, *, virtual: bool) -> Merged:
    choose = _ancestors if virtual else _chooser(path, repository)
    with desk_for(repository) as desk:
        merged = merge(made, choose, settings_in_force(), desk)
        if not virtual:
            hand_back.outcome(path, merged, desk)
    return merged


def _chooser(path: str, repository: Repository) -> Choose:
    policy = policy_for(path, repository.worktree)
    return lambda decision: policy.choose(path, *decision.names)


def _ancestors(_: Decision) -> Choice:
    """A virtual merge base holds the ancestor's values for what its own sides contest."""
    return Choice("base", {}, "virtual merge base")


def _say_notes(merged: Merged, path: str) -> None:
    for applied in merged.applied:
        if not applied.decision.names:
            for note in applied.report.notes:
                boundary.warn(f"{path}: {note}")


def _report(merged: Merged, path: str, labels: Sequence[str]) -> None:
    told = len(labels) == 2 and all(labels) and labels != _UNKNOWN
    between = f" between ours ({labels[0]}) and theirs ({labels[1]})" if told else ""
    contested = f"{count(len(merged.left), 'contested parameter')}{between}; the file holds ours for them:"
    boundary.say(f"{printable(path)}: {contested}")
    for left in merged.left:
        boundary.say(f"  {', '.join(left.decision.names) or FRAME}" + (f" ({left.reason})" if left.reason else ""))
    boundary.say(_SETTLE, prefix="hint: ")


def _exit_code() -> int:
    """As Git reads it: an error must not look like a conflict that was left."""
    outcomes: list[int] = []

    def merged() -> int:
        outcomes.append(main())
        return outcomes[0]

    code = boundary.run(merged)
    if outcomes:
        return code
    hand_back.failure(code)
    return min(_ERROR + code, 255)


if __name__ == "__main__":
    sys.exit(_exit_code())
