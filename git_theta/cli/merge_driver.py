"""What ``merge.theta.driver`` runs: one file's three manifests into one. Never prompts.

Called as ``merge_driver %O %A %B %L %P``: three files, the size of conflict markers, the path. Git takes the result
from the second file, and from the exit code: 0 merged, 1 conflict, above 128 an error.
"""

from __future__ import annotations

import sys
from pathlib import Path

from git_theta.cli import boundary
from git_theta.cli.desk import desk_for
from git_theta.cli.policies import policy_for, settings_in_force
from git_theta.errors import ManifestError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import dumps, loads
from git_theta.merging.plan import plan
from git_theta.merging.policy import Choice
from git_theta.merging.trivial import Decision
from git_theta.operations.framing import framed
from git_theta.operations.merge import Choose, Merged, merge
from git_theta.vcs.repository import Repository, discover

_MARKERS = 7
"""Size of conflict markers; Git makes them longer when it merges merge bases into a virtual one."""
_ERROR = 128
_SHOWN = 20


def main() -> int:
    """Merge the files that Git names on the command line."""
    base, ours, theirs, markers, path = sys.argv[1:6]
    try:
        manifests = [_manifest(Path(file)) for file in (base, ours, theirs)]
    except ManifestError as error:
        boundary.warn(f"{path}: one side is no manifest of ours ({error.message}); take one side.", hint=error.hint)
        return 1
    repository = discover()
    virtual = int(markers) > _MARKERS
    merged = _merged(manifests, path, repository, virtual=virtual)
    if merged is None:
        boundary.warn(f"{path}: both sides changed a file that is not split into parameters; take one side.")
        return 1
    Path(ours).write_bytes(dumps(merged.manifest))
    if merged.left and not virtual:
        _report(merged, path)
    return 1 if merged.left else 0


def _manifest(file: Path) -> Manifest | None:
    text = file.read_bytes()
    return loads(text) if text else None


def _merged(manifests: list[Manifest | None], path: str, repository: Repository, *, virtual: bool) -> Merged | None:
    base, *sides = manifests
    heads = [side for side in sides if side is not None]
    made = plan(base, heads)
    if made.whole and made.frame.source is None:
        return None
    with desk_for(repository) as desk:
        made, agreed = framed(made, desk)
        if not agreed:
            boundary.warn(f"{path}: both sides changed what is no parameter (metadata, pickled values); ours is kept")
        choose = _ancestors if virtual else _chooser(path, repository)
        return merge(made, choose, settings_in_force(), desk)


def _chooser(path: str, repository: Repository) -> Choose:
    policy = policy_for(path, repository.worktree)
    return lambda decision: policy.choose(path, *decision.names)


def _ancestors(decision: Decision) -> Choice | None:
    """A virtual merge base holds the ancestor's values for what its own sides contest."""
    return Choice("base", {}, "virtual merge base") if decision.base else None


def _report(merged: Merged, path: str) -> None:
    count = len(merged.left)
    boundary.say(f"{path}: {count} contested parameter{'s' if count > 1 else ''}; the file holds ours for them:")
    for left in merged.left[:_SHOWN]:
        boundary.say(f"  {', '.join(left.decision.names)}" + (f" ({left.reason})" if left.reason else ""))
    if count > _SHOWN:
        boundary.say(f"  ... and {count - _SHOWN} more")
    hint = "Merge again with a strategy: git merge --abort; then git theta merge -s average HEAD (or ties, ...)"
    boundary.say(hint, prefix="hint: ")


def _exit_code() -> int:
    """As Git reads it: an error must not look like a conflict that was left."""
    outcomes: list[int] = []

    def merged() -> int:
        outcomes.append(main())
        return outcomes[0]

    code = boundary.run(merged)
    return code if outcomes else min(_ERROR + code, 255)


if __name__ == "__main__":
    sys.exit(_exit_code())
