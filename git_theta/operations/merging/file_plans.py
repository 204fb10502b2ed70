"""A file of a merge, before its parameters: whether it is merged by them, taken from one head, or contested as a file.

For merges that Git does not lead: of many heads at once, or only looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from git_theta.manifest.model import Manifest
from git_theta.merging.decisions import BASE, trivial_merge
from git_theta.merging.plan import Plan, plan_merge
from git_theta.operations.merging.checkpoint_plans import CheckpointPlan
from git_theta.operations.merging.file_renames import MergeFile


class HeadVersion(NamedTuple):
    """A file at a commit: Git's mode and blob id, and what the blob says; None for one that is no manifest."""

    mode: str
    oid: str
    manifest: Manifest | None


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
            by its index then, and all heads have it.
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

    @property
    def mode(self) -> str:
        """The mode of the merged file: what one changed; the first head's where heads contradict each other."""
        modes = [self.heads[index] for index in self.among]
        held = [version.mode for version in modes if version]
        _, source = trivial_merge(self.base and self.base.mode, held)
        return held[source or 0]

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
    by, source = trivial_merge(_blob_identity(base), list(map(_blob_identity, heads)))
    if source is not None:
        return made._replace(source=source, reason=_taken_reason(made, source, [labels[index] for index in by]))
    return made._replace(reason=_contested_reason(made, labels))


def _blob_identity(version: HeadVersion | None) -> tuple[str, str] | None:
    return version and (version.mode, version.oid)


def _taken_reason(made: FilePlan, source: int, by: Sequence[str]) -> str:
    verb = "removed" if made.heads[source] is None else "changed" if made.base else "added"
    return f"{', '.join(by)} {verb} it"


def _contested_reason(made: FilePlan, labels: Sequence[str]) -> str:
    gone = [label for label, version in zip(labels, made.heads, strict=True) if version is None]
    if gone and made.base:
        return f"{', '.join(gone)} removed it, others changed it"
    raw = [label for label, version in zip(labels, made.heads, strict=True) if version and version.manifest is None]
    return f"heads changed it, and it is not stored by parameters at {', '.join(raw) or 'the merge base'}"
