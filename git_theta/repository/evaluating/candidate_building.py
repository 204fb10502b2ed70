"""Candidates of a merge, built in a temporary folder: whole checkpoints, for as long as somebody looks at them.

They go by the way of every merge: the plan is made once, and what it contests is computed for each. What is computed
lies in a store of its own, which is gone with the folder; store, index and worktree of the repository stay as they are.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from git_theta.errors import ConflictError, StoreError
from git_theta.evaluation.searching.merge_candidate import MergeCandidate
from git_theta.manifest.identity_text import write_identity
from git_theta.manifest.model import Manifest
from git_theta.operations.context import Context
from git_theta.operations.merging.file_plans import FilePlan
from git_theta.operations.merging.merge_results import MergeSettings
from git_theta.operations.merging.merged_files import MergedFiles, merge_files
from git_theta.operations.restoring.materialise import require_room
from git_theta.operations.restoring.restore import restore_pieces
from git_theta.repository.evaluating.evaluated_versions import list_tree_versions, restore_version
from git_theta.repository.history.folder_checkout import make_scratch_folder
from git_theta.repository.history.scratch_context import open_scratch_context
from git_theta.repository.merging.companion_versions import find_in_heads
from git_theta.repository.merging.merge_request import MergeInputs
from git_theta.repository.merging.policy_choosers import chooser_of
from git_theta.repository.merging.policy_sources import MergeOptions
from git_theta.vcs.discovery import Repository
from git_theta.words import join_some


class BuiltCandidate(NamedTuple):
    """A candidate, built.

    Attributes:
        place: its file, or the folder of its shards.
        identity: the text that tells its contents from others.
    """

    place: Path
    identity: bytes


class CandidateBuilder:
    """Builds candidates of one checkpoint.

    Args:
        item: how it is merged, by parameters.
        made: the heads and the base.
        settings: seed and device; weights are the candidates'.
        repository: where they are.
        context: what to work with.
    """

    def __init__(
        self, item: FilePlan, made: MergeInputs, settings: MergeSettings, repository: Repository, context: Context
    ) -> None:
        self._item, self._made, self._settings = item, made, settings
        self._repository = repository
        # What is to be said of a merge is the same of most candidates.
        self._context = context._replace(warn=cache(context.warn))

    @contextmanager
    def build(self, candidate: MergeCandidate) -> Iterator[BuiltCandidate]:
        """Build a candidate; it is gone behind the block.

        Raises ConflictError, UsageError where these heads cannot be merged so; StoreError where it does not fit.
        """
        if candidate.head is not None:
            with self._restore_head(candidate.head) as built:
                yield built
            return
        with make_scratch_folder(self._repository) as folder:
            with open_scratch_context(self._context, self._repository) as context:
                merged = self._merge(candidate, context)
                place = _write_files(merged, folder / "checkpoint", context)
            yield BuiltCandidate(place, write_identity(list(merged.manifests.values())))

    @contextmanager
    def _restore_head(self, number: int) -> Iterator[BuiltCandidate]:
        head = self._made.heads[number]
        version = next(one for one in list_tree_versions(head.commit, head.name) if one.path in self._item.paths)
        with restore_version(version, self._repository, self._context) as place:
            yield BuiltCandidate(place, version.identity)

    def _merge(self, candidate: MergeCandidate, context: Context) -> MergedFiles:
        item, made = self._item, self._made
        settings = self._settings._replace(weights=candidate.weights)
        asked = MergeOptions(candidate.strategy, candidate.spell_options(), settings=settings)
        find = find_in_heads(item, [head.commit for head in made.heads], made.labels, self._repository.home)
        choose = chooser_of(item, self._repository.home, asked)
        merged = merge_files(item, choose, settings, context._replace(find_companions=find))
        if left := merged.result.left:
            reasons = [f"{one.decision.name or 'what is no parameter'}: {one.reason}" for one in left]
            raise ConflictError(f"stays contested: {join_some(reasons)}", path=item.path)
        return merged


def _write_files(merged: MergedFiles, folder: Path, context: Context) -> Path:
    """The files of a checkpoint below a folder; its file, or the folder of its shards."""
    try:
        folder.mkdir()
        require_room(sum(manifest.size for manifest in merged.manifests.values()), folder)
        for path, manifest in merged.manifests.items():
            _open_parent(folder / path)
            with (folder / path).open("xb") as out:
                out.writelines(restore_pieces(manifest, context))
        others = {path: text for path, text in merged.others.items() if text is not None}
        for path, text in others.items():
            _open_parent(folder / path)
            (folder / path).write_bytes(text)
    except OSError as error:
        hint = "Candidates lie in .git/theta/tmp while they are evaluated: make room there."
        raise StoreError(f"cannot write a candidate: {os.strerror(error.errno or 0)}", hint=hint) from error
    return folder / _find_place(merged.manifests, others)


def _open_parent(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)


def _find_place(manifests: Mapping[str, Manifest], others: Mapping[str, bytes]) -> str:
    """The path of the only file, or of the folder that the index of several stands in."""
    paths = [*manifests, *others]
    return paths[0] if len(paths) == 1 else posixpath.dirname(next(iter(others), paths[0]))
