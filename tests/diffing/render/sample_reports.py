"""Reports as comparing and measuring would make them, of checkpoints that were never trained."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable

from git_theta.checkpoints.shards import Shard
from git_theta.diffing.base import Change, ChangeStatus, Comparison, MeasuredChange, Measures, ParameterVersion, Report
from git_theta.manifest.model import Coding, Entry, Manifest, Place, Storage, View

SQUARE = (384, 384)
LABELS = ("HEAD~1", "worktree")


def entry(name: str, shape: tuple[int, ...] = SQUARE, dtype: str = "F32", ties: tuple[str, ...] = ()) -> Entry:
    """A dense entry."""
    oid = hashlib.sha256(ascii(name).encode()).hexdigest()
    size = 4 * math.prod(shape)
    views = tuple(View(tied, dtype, shape) for tied in ties)
    return Entry(oid, size, Storage(Coding("dense", "planes"), Place(oid, size // 2)), name, dtype, shape, views)


def place(
    name: str, shape: tuple[int, ...] = SQUARE, dtype: str = "F32", path: str = "model.safetensors"
) -> ParameterVersion:
    """A parameter of a shard."""
    return ParameterVersion(path, name, entry(name, shape, dtype))


def measures(shape: tuple[int, ...] = SQUARE, relative: float = 0.0123, **others: object) -> Measures:
    """Those of a calm, dense change."""
    elements = math.prod(shape)
    before = math.sqrt(elements) / 20
    calm = Measures(
        elements,
        differing=elements,
        norm_before=before,
        norm_after=before * 1.001,
        norm=before * relative,
        largest=relative / 5,
        cosine=1 - relative**2 / 2,
    )
    return calm._replace(**others)  # type: ignore[arg-type]


def changed(name: str, shape: tuple[int, ...] = SQUARE, relative: float = 0.0123, **others: object) -> MeasuredChange:
    """A parameter that changed, and how."""
    change = Change(ChangeStatus.CHANGED, place(name, shape), place(name, shape))
    return MeasuredChange(change, measures(shape, relative, **others))


def unchanged(name: str, shape: tuple[int, ...] = SQUARE) -> MeasuredChange:
    """A parameter that is as it was."""
    return MeasuredChange(Change(ChangeStatus.UNCHANGED, place(name, shape), place(name, shape)))


def added(name: str, shape: tuple[int, ...] = SQUARE) -> MeasuredChange:
    """A parameter that is new."""
    norm = math.sqrt(math.prod(shape)) / 20
    return MeasuredChange(
        Change(ChangeStatus.ADDED, None, place(name, shape)), Measures(math.prod(shape), norm_after=norm)
    )


def removed(name: str, shape: tuple[int, ...] = SQUARE) -> MeasuredChange:
    """A parameter that is gone."""
    return MeasuredChange(Change(ChangeStatus.REMOVED, place(name, shape), None))


def renamed(old: str, new: str) -> MeasuredChange:
    """A parameter under another name."""
    return MeasuredChange(
        Change(ChangeStatus.RENAMED, place(old), ParameterVersion("model.safetensors", new, entry(new)))
    )


def respecified(name: str, before: tuple[str, tuple[int, ...]], after: tuple[str, tuple[int, ...]]) -> MeasuredChange:
    """A parameter of another dtype, shape, or both."""
    old, new = place(name, before[1], before[0]), place(name, after[1], after[0])
    return MeasuredChange(Change(ChangeStatus.SPEC, old, new), Measures(math.prod(after[1])))


def report(rows: Iterable[MeasuredChange], path: str = "model.safetensors", rest: bool = False) -> Report:
    """A report of everything that is not unchanged."""
    rows = tuple(rows)
    changes = tuple(row.change for row in rows)
    befores = [change.before.entry for change in changes if change.before]
    afters = [change.after.entry for change in changes if change.after]
    comparison = Comparison(path, shards(path, befores), shards(path, afters), changes, rest)
    return Report(comparison, tuple(row for row in rows if row.change.status is not ChangeStatus.UNCHANGED), LABELS)


def shards(path: str, entries: Iterable[Entry], format_: str = "safetensors") -> tuple[Shard, ...]:
    """One file of these entries; none of none."""
    entries = tuple(entries)
    size = sum(each.size for each in entries) + 1000
    return (Shard(path, Manifest(format_, size, entries)),) if entries else ()


def encoder(layers: int = 12, relative: float = 0.0123) -> list[MeasuredChange]:
    """Every parameter of an encoder, moved the more the later its layer is."""
    rows = [changed("embeddings.word_embeddings.weight", (30522, 384), relative / 9)]
    for layer in range(layers):
        for module in ("attention.self.query", "attention.self.key", "attention.output.dense", "output.LayerNorm"):
            name = f"encoder.layer.{layer}.{module}"
            moved = relative * (1 + layer) / layers
            rows += [changed(f"{name}.weight", SQUARE, moved), changed(f"{name}.bias", (384,), moved)]
    return [*rows, changed("pooler.dense.weight", SQUARE, relative)]


HOSTILE = (
    "</script><img src=x onerror=window.owned=1>.weight",
    '"><svg onload="window.owned=1">.weight',
    "</style></title><script>window.owned=1</script>.bias",
    "${window.owned=1}$body.weight",
    "\x1b[31mred\x1b]0;title\x07\n\u202egnp.\udc80.weight",
)
"""Names that try to leave where they are put: a page, a terminal, a template."""
