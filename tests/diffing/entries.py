"""Entries, shards and changes without a store: ids of what they stand for, and nothing behind them."""

from __future__ import annotations

import hashlib

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.base import Change, ChangeStatus, ParameterVersion
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage, View
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec


def entry(name: str | None, data: bytes, dtype: str = "U8", shape: tuple[int, ...] | None = None) -> Entry:
    """A parameter with these bytes; a vector where no shape is given."""
    storage = Storage(Coding("dense", "raw"), Place(hashlib.sha256(b"stored" + data).hexdigest(), len(data) + 1))
    shape = (len(data) * 8 // BY_NAME[dtype].bits * BY_NAME[dtype].block,) if shape is None else shape
    return Entry(hashlib.sha256(data).hexdigest(), len(data), storage, name, dtype if name else "", shape)


def tied(first: Entry, *names: str) -> Entry:
    """The entry with further names for all of it."""
    return first._replace(views=tuple(View(name, first.dtype, first.shape) for name in names))


def shard(path: str, *entries: Entry, frame: bytes = b"") -> Shard:
    """A file with these parts."""
    literal = entry(None, frame) if frame else None
    return Shard(path, Manifest("safetensors", sum(each.size for each in entries) + len(frame), entries, literal))


def one(path: str, **values: bytes) -> tuple[Shard, ...]:
    """A checkpoint of one file, of vectors of bytes; "__" in a name stands for a dot."""
    return (shard(path, *(entry(name.replace("__", "."), data) for name, data in values.items())),)


def changed(dtype: str, shape: tuple[int, ...], before: bytes, after: bytes) -> Change:
    """A parameter whose bytes changed."""
    assert len(before) == len(after) == Spec(BY_NAME[dtype], shape).nbytes
    then, now = (ParameterVersion("model.safetensors", "w", entry("w", data, dtype, shape)) for data in (before, after))
    return Change(ChangeStatus.CHANGED, then, now)
