"""Parameters with an adapter's updates: computed one by one, each into a file of ours, and stored as `git add` would.

What is held in memory is one parameter's product (``tensors.adapter_arithmetic``); on disk, a batch of parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any, NamedTuple

from git_theta.errors import ThetaError
from git_theta.manifest.model import Entry
from git_theta.operations.adding.encoding_hint import NO_HINT, EncodingHint
from git_theta.operations.adding.known_parts import KnownParts
from git_theta.operations.adding.part_label import PartLabel
from git_theta.operations.adding.part_writer import PartWriter
from git_theta.operations.adding.spool import spool_pieces
from git_theta.operations.adding.update_bases import UpdateBases
from git_theta.operations.context import Context
from git_theta.operations.streams import SourceValues
from git_theta.operations.updating.update_steps import AddProduct, ParameterUpdate, ScaleElements, UpdateStep
from git_theta.parameters.preferences import Preferences
from git_theta.parameters.stored_values import StoredValues
from git_theta.parameters.value_encoding import encode_values
from git_theta.tensors.adapter_arithmetic import AdapterFactors, read_matrix
from git_theta.tensors.digest import hash_values
from git_theta.tensors.values import Values
from git_theta.updates.low_rank.factors import Factors, make_factors
from git_theta.updates.low_rank.low_rank_update import FACTORS, LowRankUpdate
from git_theta.updates.low_rank.scale_prediction import Scales, make_scales
from git_theta.updates.low_rank.scale_update import SCALES, ScaleUpdate

_BATCH = 256 << 20
"""Bytes of values that wait on disk for being stored together; a larger parameter waits alone."""
_LARGEST_SHARE = 0.4
"""Of a parameter's bytes, what its factors may have: above, the difference alone takes hardly more (1/2.1 at bf16)."""
_DEPTH = 4
"""Update bases that a parameter may have with an adapter on top: adapters on adapters stay as small as they are."""


class TargetUpdate(NamedTuple):
    """A stored parameter, and what an adapter says of it."""

    entry: Entry
    update: ParameterUpdate


class UpdatedParameter(NamedTuple):
    """What became of a parameter.

    Attributes:
        target: what it was, and what was done.
        oid: of its values now.
        own: bytes of their payload, without those of update bases.
    """

    target: TargetUpdate
    oid: str
    own: int

    @property
    def is_changed(self) -> bool:
        """Whether its values are others now."""
        return self.oid != self.target.entry.oid


def store_updates(
    targets: Sequence[TargetUpdate], known: KnownParts, bases: UpdateBases, context: Context
) -> Iterator[Entry]:
    """The parameters as they are now, in their order; each is durable when it comes (L5).

    Raises UsageError where an adapter's arrays make no sense, MissingObject, CorruptObject, StoreError.
    """
    for batch in _cut_batches(targets):
        with ExitStack() as spools, closing(PartWriter(context, known, bases)) as writer:
            for target in batch:
                values, hint = spools.enter_context(_compute_values(target, context))
                writer.add(PartLabel.of_entry(target.entry), values, hint)
            yield from writer.entries()


def measure_updates(
    targets: Sequence[TargetUpdate], bases: UpdateBases, context: Context
) -> Iterator[UpdatedParameter]:
    """What storing the parameters would come to; nothing is stored. Raises as ``store_updates``."""
    for target in targets:
        with _compute_values(target, context) as (values, hint):
            oid, entry = hash_values(values), target.entry
            context.progress(values.size)
            if oid == entry.oid:
                yield UpdatedParameter(target, oid, entry.storage.place.size)
                continue
            mapping = context.workers.map
            base = bases.find_base(entry.name, values.size, mapping, oid)
            settings = hint.settings_on(base)
            encoding = encode_values(values, mapping, context.preferences(), base, settings)
            yield UpdatedParameter(target, oid, sum(map(len, encoding.payload)))


@contextmanager
def _compute_values(target: TargetUpdate, context: Context) -> Iterator[tuple[Values, EncodingHint]]:
    """The values that come of a parameter, in a file that is there while the ``with`` block runs; and how they came."""
    entry = target.entry
    stored = StoredValues(entry, context.store, context.workers.map)
    with ExitStack() as spools:
        values: Values = stored
        hint = NO_HINT
        for step in target.update.steps:
            try:
                source = spools.enter_context(spool_pieces(step.compute(values), context.scratch))
            except ThetaError as error:
                raise error.add_location(parameter=entry.name or "") from error.__cause__
            hint = _make_hint(step, values, entry)
            values = SourceValues(stored.spec, source.size, source, 0)
        assert values.size == entry.size
        yield values, hint


def _make_hint(step: UpdateStep, values: Values, entry: Entry) -> EncodingHint:
    """What is known of a parameter after its last step, which was done to ``values``.

    PEFT keeps embeddings beside their factors: mostly those that the checkpoint has, so that is looked at.
    """
    make_settings = _find_settings(step, entry)
    if make_settings is None or (not isinstance(values, StoredValues) and hash_values(values) != entry.oid):
        return NO_HINT
    return EncodingHint(entry.oid, make_settings)


def _find_settings(step: UpdateStep, entry: Entry) -> Callable[[], Mapping[str, Any]] | None:
    """What tells an update of the step; None where no update but a difference would be small."""
    if isinstance(step, AddProduct) and step.factors.count_bytes() <= _LARGEST_SHARE * entry.size:
        return lambda: {FACTORS: _stored_factors(step.factors)}
    if isinstance(step, ScaleElements) and len(entry.shape) > 1:
        scaled = [axis for axis, sides in enumerate((step.shape[1:], step.shape[:1])) if math.prod(sides) == 1]
        if scaled:
            return lambda: {SCALES: _stored_scales(step, scaled[0], entry.shape)}
    return None


def _stored_scales(step: ScaleElements, axis: int, shape: tuple[int, ...]) -> Scales:
    """A number for each row, or for each column: all dimensions but the first one."""
    import numpy as np

    sides = (1, *shape[1:]) if axis else (shape[0], *(1 for _ in shape[1:]))
    return make_scales(np.broadcast_to(read_matrix(step.scale).reshape(step.shape), sides), axis)


def _stored_factors(factors: AdapterFactors) -> Factors:
    """The factors as they are stored: rows are the first dimension of the parameter, columns all others."""
    up, down = read_matrix(factors.up), read_matrix(factors.down)
    left, right = (down.T, up.T) if factors.transposed else (up, down)
    return make_factors(left, right, factors.scaling, rounds_product=factors.rounded)


def prefer_factors(preferences: Preferences) -> Preferences:
    """The same, with factors and scales where somebody gives them; a parameter may then have some update bases more."""
    if not preferences.wants_base():
        return preferences
    given = (LowRankUpdate.name, ScaleUpdate.name)
    others = tuple(name for name in preferences.updates if name not in given)
    return preferences._replace(updates=(*given, *others), depth=max(preferences.depth, _DEPTH))


def _cut_batches(targets: Iterable[TargetUpdate]) -> Iterator[list[TargetUpdate]]:
    batch: list[TargetUpdate] = []
    for target in targets:
        if batch and sum(one.entry.size for one in batch) + target.entry.size > _BATCH:
            yield batch
            batch = []
        batch.append(target)
    if batch:
        yield batch
