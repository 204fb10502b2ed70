"""The plan of a file, or of a checkpoint of several, carried out: what becomes of each file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from git_theta.errors import ThetaError
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import encode_manifest
from git_theta.operations.context import Context
from git_theta.operations.merging.apply_plan import apply_plan
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.merge_checkpoint import merge_checkpoint
from git_theta.operations.merging.merge_remarks import describe_remarks
from git_theta.operations.merging.merge_results import Choose, MergeResult, MergeSettings
from git_theta.operations.restoring.restore import require_objects


class MergedFiles(NamedTuple):
    """What came of a plan.

    Attributes:
        result: parameter by parameter.
        manifests: the merged files by path, each split.
        others: by path, the text of a file that is not: of an index; None for a file that is gone.
    """

    result: MergeResult
    manifests: Mapping[str, Manifest]
    others: Mapping[str, bytes | None]

    def texts(self) -> dict[str, bytes | None]:
        """What Git records for each path; None for a file that is gone."""
        return {**self.others, **{path: encode_manifest(manifest) for path, manifest in self.manifests.items()}}


def merge_files(item: FilePlan, choose: Choose, settings: MergeSettings, context: Context) -> MergedFiles:
    """Carry out the plan of a file that has one, with weights for those heads that have it.

    Where nothing is left contested, all objects are here. The errors of ``apply_plan``, with the path.
    """
    settings = settings._replace(weights=item.select_weights(settings.weights))
    try:
        merged = _apply(item, choose, settings, context)
        if not merged.result.left:
            for manifest in merged.manifests.values():
                require_objects(manifest, context)
    except ThetaError as error:
        raise error.add_location(path=item.path) from None
    for applied in merged.result.applied:
        if not applied.decision.names:
            for note in applied.report.notes:
                context.warn(f"{item.path}: {note}")
    for remark in describe_remarks(merged.result):
        context.warn(f"{item.path}: {remark}")
    return merged


def _apply(item: FilePlan, choose: Choose, settings: MergeSettings, context: Context) -> MergedFiles:
    if item.checkpoint is None:
        assert item.plan
        result = apply_plan(item.plan, choose, settings, context)
        return MergedFiles(result, {item.path: result.manifest}, {item.was: None} if item.was else {})
    merged = merge_checkpoint(item.checkpoint, choose, settings, context)
    others: dict[str, bytes | None] = {path: None for path in item.checkpoint.paths if path not in merged.shards}
    if merged.index_text is not None:
        others[item.checkpoint.index_path] = merged.index_text
    return MergedFiles(merged.result, merged.shards, others)
