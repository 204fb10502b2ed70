"""What a round takes of a head, as a tree: files built like those of the start, around the head's shared parameters."""

from __future__ import annotations

from pathlib import Path

from git_theta.checkpoints.shards import Shard
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import encode_manifest
from git_theta.operations.context import Context
from git_theta.operations.merging.assemble import assemble_file
from git_theta.operations.templates import is_same_frame
from git_theta.repository.rounds.shared_heads import Checkpoints, RoundStart, SharedHead
from git_theta.vcs import trees


def build_checkpoints(head: SharedHead, start: RoundStart, context: Context) -> Checkpoints:
    """The checkpoints of a head as files of them would be: with checksums of the values that are taken.

    Raises ConflictError where no file can be built so, and what reading values raises.
    """
    return {
        path: found._replace(
            shards=tuple(
                [
                    _build_shard(one, was, head, context)
                    for one, was in zip(found.shards, _shards_of(start, path), strict=True)
                ]
            )
        )
        for path, found in head.checkpoints.items()
    }


def write_checkpoints(checkpoints: Checkpoints, start: RoundStart, top: Path) -> str:
    """The id of a tree: that of the start, with these checkpoints."""
    shards = [shard for found in checkpoints.values() for shard in found.shards]
    changes = {
        path: trees.TreeFile(start.files[path].mode, trees.write_blob(encode_manifest(manifest), top))
        for path, manifest in shards
    }
    return trees.write_changed_tree(start.commit, changes, top)


def find_own_frames(head: SharedHead, start: RoundStart, context: Context) -> list[str]:
    """The files of a head that have other things beside parameters than those of the start: none of that is taken.

    Raises what reading them raises.
    """
    before = {shard.path: shard.manifest for found in start.checkpoints.values() for shard in found.shards}
    after = [shard for found in head.own.values() for shard in found.shards]
    return [path for path, manifest in after if not _is_framed_alike(manifest, before.get(path), context)]


def _is_framed_alike(manifest: Manifest, before: Manifest | None, context: Context) -> bool:
    if before is None:
        return False
    alike = manifest.frame and before.frame and manifest.frame.oid == before.frame.oid
    return bool(alike) or is_same_frame(manifest, before, context)


def _shards_of(start: RoundStart, path: str) -> tuple[Shard, ...]:
    return start.checkpoints[path].shards


def _build_shard(one: Shard, was: Shard, head: SharedHead, context: Context) -> Shard:
    if one == was:
        return was
    own = [shard.manifest for found in head.own.values() for shard in found.shards if _is_like(shard, was)]
    built = assemble_file(was.manifest, list(one.manifest.parameters()), [was.manifest, *own], context)
    return Shard(one.path, built)


def _is_like(shard: Shard, was: Shard) -> bool:
    """Whether a file of a head may declare checksums as that of the start does: a head's may be of another format."""
    return shard.manifest.format == was.manifest.format
