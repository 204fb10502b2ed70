"""What a checkpoint is made of, as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from git_theta.checkpoints.shards import Shard
from git_theta.cli.show_output import Metadata
from git_theta.manifest.model import Entry, stored_bytes
from git_theta.operations.keeping.summary import (
    ModuleNode,
    element_count,
    find_duplicates,
    module_tree,
    sum_parameters,
    tied_names,
)
from git_theta.repository.history.checkpoint_lookup import CheckpointVersion


def version_json(found: CheckpointVersion, chosen: Sequence[Entry], facts: Sequence[Metadata]) -> dict[str, Any]:
    """A version of a checkpoint, and the parameters that were chosen of it; ``facts`` are of each file."""
    return {
        "path": found.path,
        "revision": found.revision or None,
        "files": [_file_json(shard, fact) for shard, fact in zip(found.shards, facts, strict=True)],
        "total": sum_parameters(chosen)._asdict(),
        "modules": [_module_json(module) for module in _flatten_modules(module_tree(chosen))],
        "shared": [[entry.name for entry in group] for group in find_duplicates(chosen)],
        "parameters": [_parameter_json(entry) for entry in chosen],
    }


def _file_json(shard: Shard, fact: Metadata) -> dict[str, Any]:
    return {
        "path": shard.path,
        "format": shard.manifest.format,
        "size": shard.manifest.size,
        "stored": sum_parameters(shard.manifest.parts()).stored,
        "metadata": None if isinstance(fact, str) else dict(fact),
        "failure": fact if isinstance(fact, str) else None,
    }


def _flatten_modules(module: ModuleNode, above: str = "") -> Iterator[ModuleNode]:
    """The modules with their whole names, outer ones first."""
    name = f"{above}.{module.name}" if above else module.name
    if name:
        yield module._replace(name=name)
    for inner in module.modules:
        yield from _flatten_modules(inner, name)


def _module_json(module: ModuleNode) -> dict[str, Any]:
    return {"name": module.name, **sum_parameters(module.entries)._asdict()}


def _parameter_json(entry: Entry) -> dict[str, Any]:
    coding, place, _ = entry.storage
    return {
        "name": entry.name,
        "ties": tied_names(entry),
        "dtype": entry.dtype,
        "shape": list(entry.shape),
        "elements": element_count(entry),
        "size": entry.size,
        "oid": entry.oid,
        "stored": stored_bytes([entry]),
        "own": place.size,
        "update": coding.update,
        "serializer": coding.serializer,
        "objects": [oid for oid, _ in place.objects()],
        "range": list(place.range) if place.range else None,
        "bases": [base.oid for base in coding.chain],
    }
