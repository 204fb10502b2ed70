"""A file of a merge, before its parameters: whether it is merged by them, taken from one head, or contested as a file.

So is a checkpoint of several files that not all heads have: it is taken, or contested, as one.

For merges that Git does not lead: of many heads at once, or only looked at.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from git_theta.manifest.model import Manifest
from git_theta.merging.planning.decisions import BASE, trivial_merge
from git_theta.merging.planning.plan import Plan, plan_merge
from git_theta.operations.merging.checkpoint_plans import CheckpointPlan
from git_theta.operations.merging.conflicts import content_key
from git_theta.operations.merging.file_renames import MergeFile


class HeadVersion(NamedTuple):
    """A file at a commit: Git's mode and blob id, and what the blob says; None for one that is no manifest."""

    mode: str
    oid: str
    manifest: Manifest | None


VersionFiles = Mapping[str, HeadVersion]
"""The files of a checkpoint at one version, by path."""


class FilePlan(NamedTuple):
    """How a file is merged: by parameters, taken from one head, or contested.

    Attributes:
        path: the file.
        base, heads: what stands there; None for nothing.
        was: what the base and those heads call it that did not rename it to ``path``; "" where nobody renamed it.
        plan: how its parameters are merged; None for a file that is taken, or contested, as it is.
        among: the heads that the plan is about: those that have the file.
        source: without a plan, the head (or BASE) that has the outcome; None where the file is contested.
        reason: without a plan, why, in words.
        checkpoint: of a checkpoint of several files, the whole of it, whose parameters ``plan`` is about; it is called
            by its index then.
        files: of a checkpoint of several files without a plan, what the base and each head have of it.
    """

    path: str
    base: HeadVersion | None
    heads: tuple[HeadVersion | None, ...]
    was: str = ""
    plan: Plan | None = None
    among: tuple[int, ...] = ()
    source: int | None = None
    reason: str = ""
    checkpoint: CheckpointPlan | None = None
    files: tuple[VersionFiles, ...] = ()

    @property
    def is_of_several_files(self) -> bool:
        """Whether it is about a checkpoint of several files."""
        return bool(self.checkpoint or self.files)

    @property
    def paths(self) -> frozenset[str]:
        """Of all files that it is about, at whatever version."""
        if self.checkpoint:
            return self.checkpoint.paths
        return frozenset(path for held in self.files for path in held) or frozenset(filter(None, (self.path, self.was)))

    def files_at(self, source: int) -> dict[str, HeadVersion | None]:
        """What a head, or BASE, has in each of the paths, where there is no plan."""
        held = self.files[1 + source] if self.files else {}
        taken = self.version_at(source)
        if not self.files and taken:
            held = {self.path: taken}
        return {path: held.get(path) for path in sorted(self.paths)}

    @property
    def mode(self) -> str:
        """The mode of the merged file: what one changed; the first head's where heads contradict each other."""
        modes = [self.heads[index] for index in self.among]
        held = [version.mode for version in modes if version]
        _, source = trivial_merge(self.base and self.base.mode, held)
        return held[source or 0]

    def select_weights(self, weights: tuple[float, ...] | None) -> tuple[float, ...] | None:
        """Of one weight for each head, those of the heads that the plan is about; None where all weigh alike."""
        return weights and tuple([weights[index] for index in self.among])

    def version_at(self, source: int) -> HeadVersion | None:
        """What a head, or BASE, has."""
        return self.base if source == BASE else self.heads[source]


def plan_file(file: MergeFile[HeadVersion], labels: Sequence[str]) -> FilePlan:
    """How to merge a file that is not the same everywhere.

    Args:
        file: what the merge base and each head have.
        labels: what people call the heads.
    """
    base, *heads = file.versions
    made = FilePlan(file.path, base, tuple(heads), file.was, reason=file.clash)
    if file.clash:
        return made
    among = tuple([index for index, version in enumerate(heads) if version])
    manifests = [version.manifest for version in heads if version and version.manifest]
    split = len(manifests) == len(among) and (base is None or base.manifest is not None)
    if split and among and (base is None or len(among) == len(heads)):
        called = [labels[index] for index in among]
        return made._replace(plan=plan_merge(base and base.manifest, manifests, called), among=among)
    return _take_or_contest(made, [_identity_of(base), *map(_identity_of, heads)], labels)


def plan_as_one(path: str, files: Sequence[VersionFiles], labels: Sequence[str], *, clash: str = "") -> FilePlan:
    """How to merge a checkpoint of several files that not all heads have: taken from one head, or contested.

    Args:
        path: of its index.
        files: what the base and each head have of it; an index without a shard is no checkpoint.
        labels: what people call the heads.
        clash: why heads contradict each other about its place, in words; "" where they do not.
    """
    base, *heads = (_lead_version(path, held) for held in files)
    made = FilePlan(path, base, tuple(heads), files=tuple(files), reason=clash)
    return made if clash else _take_or_contest(made, list(map(_identity_of_files, files)), labels)


def _take_or_contest(made: FilePlan, identities: Sequence[Hashable], labels: Sequence[str]) -> FilePlan:
    """Without a plan: the head that alone changed it, or a conflict. ``identities``: of the base and of each head."""
    by, source = trivial_merge(identities[0], identities[1:])
    if source is not None:
        return made._replace(source=source, reason=_taken_reason(made, source, [labels[index] for index in by]))
    return made._replace(reason=_contested_reason(made, by, labels))


def _lead_version(path: str, held: VersionFiles) -> HeadVersion | None:
    """What stands for a checkpoint: its index, or its first shard; None where there is no shard."""
    shards = [version for version in held.values() if version.manifest]
    return held.get(path, shards[0]) if shards else None


def _identity_of_files(held: VersionFiles) -> Hashable:
    """What tells the checkpoint from others; of one that was stored anew, the same as before."""
    there = any(version.manifest for version in held.values())
    return frozenset((path, _identity_of(version)) for path, version in held.items()) if there else None


def _identity_of(version: HeadVersion | None) -> Hashable:
    if version is None:
        return None
    return version.mode, content_key(version.manifest) if version.manifest else version.oid


def _taken_reason(made: FilePlan, source: int, by: Sequence[str]) -> str:
    verb = "removed" if made.heads[source] is None else "changed" if made.base else "added"
    return f"{', '.join(by)} {verb} it"


def _contested_reason(made: FilePlan, by: Sequence[int], labels: Sequence[str]) -> str:
    gone = [label for label, version in zip(labels, made.heads, strict=True) if version is None]
    if gone and made.base:
        changed = [labels[index] for index in by if made.heads[index]]
        return f"{', '.join(gone)} removed it, {', '.join(changed)} changed it"
    raw = [label for label, version in zip(labels, made.heads, strict=True) if version and version.manifest is None]
    return f"heads changed it, and it is not stored by parameters at {', '.join(raw) or 'the merge base'}"
