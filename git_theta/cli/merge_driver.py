"""What ``merge.theta.driver`` runs: one file's three manifests into one. Never prompts.

Called as ``merge_driver %O %A %B %L %P %X %Y``: three files, the size of conflict markers, the path, and what Git calls
ours and theirs (before 2.44 it knows no such placeholders, and hands them on as they are). Git takes the result from
the second file, and from the exit code: 0 merged, 1 conflict, above 128 an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from git_theta.checkpoints.shards import Shard
from git_theta.cli import boundary
from git_theta.cli.environment import read_merge_options
from git_theta.cli.git_output import claim_stdout
from git_theta.errors import ConflictError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import MAX_MANIFEST, decode_manifest, encode_manifest, is_manifest
from git_theta.merging.planning.decisions import Decision
from git_theta.merging.planning.plan import Plan, plan_merge
from git_theta.merging.planning.shard_layouts import stands_alone
from git_theta.merging.policies.policy import Choice
from git_theta.operations.foreign import detect_stand_in
from git_theta.operations.merging.apply_plan import apply_plan
from git_theta.operations.merging.conflict_list import describe_left
from git_theta.operations.merging.conflicts import note_file, note_of, stage_digest, write_note
from git_theta.operations.merging.merge_remarks import describe_remarks
from git_theta.operations.merging.merge_results import MergeResult
from git_theta.repository.clustering.clusters import reach_cluster
from git_theta.repository.comparing.file_layouts import unify_versions
from git_theta.repository.comparing.sharded_versions import is_shard
from git_theta.repository.merging.companion_versions import find_in_sides
from git_theta.repository.merging.driver_report import report_failure, report_merge, report_words
from git_theta.repository.merging.policy_choosers import chooser_for
from git_theta.repository.merging.shard_merge import merge_shard
from git_theta.repository.stores.opening import conflicts_dir, open_context
from git_theta.tensors.blas import UNTHREADED
from git_theta.vcs import atomic
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.git import git
from git_theta.vcs.merges.running_sides import find_driver_sides
from git_theta.words import list_some, pluralize

_UNFILLED_LABELS = ["%X", "%Y"]
_DEFAULT_MARKER_SIZE = 7
"""Git's size of conflict markers; it makes them longer when it merges merge bases into a virtual one."""
_EXIT_ERROR = 128
_PREFIX_SIZE = 64
"""Bytes that tell a manifest from any other file."""
_RENORMALIZE_HINT = """\
That side was committed without git-theta. To merge by parameters: git merge --abort, then
    git merge -X renormalize BRANCH
or: git theta merge BRANCH
Or take one side:"""
_SIDE_HINT = "git checkout --ours, or --theirs, and the file; then git add it."
_MOVED = "the sides keep other parameters in this shard, so it cannot be merged without the others"
_MOVED_HINT = "All shards and their index at once: git theta resolve. Before it is begun: git theta merge"
_SETTLE_HINT = """\
Settle them: git theta resolve -s STRATEGY, or --ours, --theirs, -i. What is left: git theta status
Or give up (git merge --abort, git rebase --abort ...), and merge again: git theta merge -s STRATEGY BRANCH"""


def main() -> int:
    """Merge the files that Git names on the command line."""
    claim_stdout()  # `git merge-tree` prints ids there
    os.environ.setdefault(*UNTHREADED)
    base, ours, theirs, markers, path, *labels = sys.argv[1:]
    files, virtual = [Path(file) for file in (base, ours, theirs)], int(markers) > _marker_size(path)
    if not _is_side(files[1]) or not _is_side(files[2]):
        boundary.warn(f"{path}: one side is no manifest of ours; take one side.", hint=_side_hint(files))
        return _give_up(files[1], virtual=virtual)
    digests: list[bytes] = []
    repository = discover_repository()
    made = _plan_files(files, digests, path, repository)
    try:
        if not stands_alone(made) and is_shard(path, repository.worktree):
            return _merge_shard(files[1], made, path, repository, virtual=virtual)
        merged = _merge_file(made, path, digests, repository, virtual=virtual)
    except ConflictError as error:
        boundary.warn(str(error.add_location(path=path)), hint=error.hint)
        return _give_up(files[1], virtual=virtual)
    if virtual and merged.left:
        return _give_up(files[1], virtual=virtual)
    text = encode_manifest(merged.manifest)
    # Older Gits take what is there even after an error.
    atomic.replace_file(files[1], text, scratch=repository.theta_dir / "tmp")
    _warn_notes(merged, path)
    if merged.left:
        write_note(note_of(path, merged), text, note_file(path, digests, conflicts_dir(repository)))
        _say_contested(merged, path, labels)
    return 1 if merged.left else 0


def _side_hint(files: Sequence[Path]) -> str:
    """What helps where a side is no manifest: to merge what both would be by parameters, if one is a raw file."""
    raw = any(not _is_side(file) and detect_stand_in(_read_start(file)) is None for file in files[1:])
    return f"{_RENORMALIZE_HINT}\n{_SIDE_HINT}" if raw else _SIDE_HINT


def _read_start(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(1 << 20)


def _marker_size(path: str) -> int:
    """The size of conflict markers in an outermost merge: people may ask for longer ones."""
    said = git("check-attr", "-z", "conflict-marker-size", "--", path).split(b"\0")[2]
    return int(said) if said.isdigit() and int(said) else _DEFAULT_MARKER_SIZE


def _is_side(file: Path) -> bool:
    """Whether a side is a manifest, by its start: it may be large."""
    with file.open("rb") as stream:
        return is_manifest(stream.read(_PREFIX_SIZE))


def _plan_files(files: Sequence[Path], digests: list[bytes], path: str, repository: Repository) -> Plan:
    """The plan that merges base, ours and theirs, which nobody else holds. The digests of their texts are added."""
    base, heads = _read_manifests(files, digests)
    sides = [one and Shard(path, one) for one in (base, *heads)]
    ancestor, *alike = unify_versions(sides, repository, boundary.warn)
    return plan_merge(ancestor and ancestor.manifest, [head.manifest for head in alike if head])


def _read_manifests(files: Sequence[Path], digests: list[bytes]) -> tuple[Manifest | None, list[Manifest]]:
    base = _read_side(files[0], digests)
    ancestor = decode_manifest(base) if base else None
    like = (base, ancestor) if base and ancestor else None
    heads = (_read_side(file, digests) for file in files[1:])  # one text at a time
    return ancestor, [decode_manifest(text, like) for text in heads if text]


def _read_side(file: Path, digests: list[bytes]) -> bytes | None:
    """The text of a side, None where that is no manifest; its digest is added."""
    text = None
    if _is_side(file):
        with file.open("rb") as stream:
            text = stream.read(MAX_MANIFEST + 1)
    digests.append(stage_digest(text))
    return text


def _give_up(ours: Path, *, virtual: bool) -> int:
    """Leave our side in place. A virtual merge base is left empty: our side in it would settle the conflict."""
    if virtual:
        ours.write_bytes(b"")
    return 1


def _merge_shard(ours: Path, made: Plan, path: str, repository: Repository, *, virtual: bool) -> int:
    """Merge a shard that has other parameters at another side, where the whole checkpoint can be; the exit code."""
    if not virtual:
        with open_context(repository, boundary.warn) as context:
            merged = merge_shard(path, made, read_merge_options(), repository, context)
        if merged:
            atomic.replace_file(ours, encode_manifest(merged), scratch=repository.theta_dir / "tmp")
            return 0
    boundary.warn(f"{path}: {_MOVED}", hint=_MOVED_HINT)
    return _give_up(ours, virtual=virtual)


def _merge_file(
    made: Plan, path: str, digests: Sequence[bytes], repository: Repository, *, virtual: bool
) -> MergeResult:
    asked = read_merge_options()
    choose = _choose_base if virtual else chooser_for(path, repository.worktree, asked)
    find = find_in_sides(
        path,
        partial(find_driver_sides, repository.git_dir, repository.worktree),
        lambda side, held: stage_digest(held.data) == digests[1 + side],
        repository.worktree,
    )
    with (
        open_context(repository, boundary.warn) as opened,
        reach_cluster(asked.cluster, repository, opened) as context,
    ):
        merged = apply_plan(made, choose, asked.settings, context._replace(find_companions=find))
        if not virtual:
            report_merge(path, merged, context, asked)
    return merged


def _choose_base(_: Decision) -> Choice:
    """A virtual merge base holds the ancestor's values for what its own sides contest."""
    return Choice("base", {}, "virtual merge base")


def _warn_notes(merged: MergeResult, path: str) -> None:
    for applied in merged.applied:
        if not applied.decision.names:
            for note in applied.report.notes:
                boundary.warn(f"{path}: {note}")
    for remark in describe_remarks(merged):
        boundary.warn(f"{path}: {remark}")


def _say_contested(merged: MergeResult, path: str, labels: Sequence[str]) -> None:
    told = len(labels) == 2 and all(labels) and labels != _UNFILLED_LABELS
    between = f" between ours ({labels[0]}) and theirs ({labels[1]})" if told else ""
    contested = f"{pluralize(len(merged.left), 'contested parameter')}{between}; the file holds ours:"
    boundary.say(f"{path}: {contested}")
    for line in list_some(describe_left(merged.left), rest=": git theta status --json"):
        boundary.say(line)
    boundary.say_hint(_SETTLE_HINT)


def run_driver() -> int:
    """As Git reads it: an error must not look like a conflict that was left."""
    outcomes: list[int] = []

    def merge_and_note() -> int:
        asked = read_merge_options()
        with boundary.hold_words() if asked.foreseen else nullcontext() as words:
            outcomes.append(main())
        if words:
            report_words(words, asked)
        return outcomes[0]

    code = boundary.run(merge_and_note)
    if code == boundary.INTERRUPTED:  # ends Git too, which leaves what it wrote for us in the worktree
        for side in sys.argv[1:4]:
            Path(side).unlink(missing_ok=True)
    if outcomes:
        return code
    report_failure(code, read_merge_options())
    return min(_EXIT_ERROR + code, 255)


if __name__ == "__main__":
    boundary.run_process(run_driver)
