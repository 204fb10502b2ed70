"""Tensors that are no weights (moments, counters, codes), told by name and dtype, and what a strategy does with them.

A running variance that is extrapolated becomes negative, and the model NaN; a mean of step counters is a step that
nobody was at. So a declared table says what happens to them, whatever strategy was chosen for the weights around them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from git_theta.globs import name_matcher
from git_theta.tensors.dtypes import BY_NAME, DTypeKind


class Treatment(StrEnum):
    """What a strategy that computes does with a contested tensor of a kind."""

    LARGEST = "the largest of each element"
    MEAN = "the weighted mean, never extrapolated"
    EQUAL = "none: it has to be equal at all heads, and is contested where it is not"


class Kind(NamedTuple):
    """A kind of tensors.

    Attributes:
        name: what policies call it.
        treatment: what is done with them.
        holds: what they are, in words.
    """

    name: str
    treatment: Treatment
    holds: str


class KindPattern(NamedTuple):
    """How tensors of a kind are told.

    Attributes:
        kind: the kind.
        dtypes: of which kinds of dtypes.
        names: with spaces between them, globs of the last parts of a name; of parts anywhere in it where ``...`` stands
            around them. Parts are separated by dots or slashes, and upper case is as good as lower.
    """

    kind: str
    dtypes: tuple[DTypeKind, ...]
    names: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("counter", Treatment.LARGEST, "How many batches, steps or updates there were."),
            Kind("statistic", Treatment.MEAN, "What was observed of activations: running means and variances."),
            Kind("moment", Treatment.MEAN, "What an optimizer remembers of gradients: means of them and of squares."),
            Kind("constant", Treatment.EQUAL, "What the architecture says, not the training: positions, masks."),
        )
    }
)
"""By name."""

_INTEGERS: tuple[DTypeKind, ...] = ("int", "uint", "bool")
KIND_PATTERNS = (
    KindPattern(
        "counter",
        _INTEGERS,
        "num_batches_tracked num_updates n_averaged initted step steps *_step *_steps count *_count counter *_counter "
        "num_*_seen num_*_tracked epoch *_epoch iteration iterations iter *_iter optimizer.vars.*",
    ),
    KindPattern("counter", ("float",), "num_batches_tracked num_updates n_averaged initted step global_step"),
    KindPattern(
        "statistic",
        ("float", "complex"),
        "running_mean running_var running_std running_mean_sq moving_mean moving_var moving_variance moving_avg "
        "moving_mean:0 moving_variance:0 batch_normalization*.vars.* ...batch_stats... "
        "cluster_size embed_avg ema_count ema_weight min_val max_val",
    ),
    KindPattern(
        "moment",
        ("float", "complex"),
        "...exp_avg... ...exp_avg_sq... ...max_exp_avg_sq... ...exp_avg_sq_row... ...exp_avg_sq_col... "
        "...exp_avg_diff... ...exp_inf... ...momentum_buffer... ...square_avg... ...grad_avg... ...acc_delta... "
        "...optimizer_weights... optimizer.vars.* ...opt_state... state.*.sum",
    ),
    KindPattern(
        "constant",
        _INTEGERS,
        "position_ids token_type_ids *_ids *position_index mask *_mask attn.bias attention.bias self_attention.bias",
    ),
    KindPattern(
        "constant",
        ("float",),
        "inv_freq *_inv_freq cos_cached sin_cached freqs_cis masked_bias attn_mask causal_mask weight_mask bias_mask "
        "betas alphas_cumprod* sqrt_*alphas* log_one_minus_alphas_cumprod posterior_* lora_*.alpha",
    ),
)
"""The first that matches says of which kind a tensor is; one that none matches is a weight."""


def find_kind(names: Iterable[str], dtype: str) -> Kind | None:
    """Of which kind a tensor is: one of its names decides. None for weights, and for dtypes that are not ours."""
    known = BY_NAME.get(dtype)
    for matches, kind in _matchers().get(known.kind, ()) if known else ():
        if any(matches(f".{name}.".replace("/", ".").lower()) for name in names):
            return kind
    return None


@cache
def _matchers() -> dict[DTypeKind, list[tuple[Callable[[str], bool], Kind]]]:
    """For each kind of dtypes what to ask, in order."""
    found: dict[DTypeKind, list[tuple[Callable[[str], bool], Kind]]] = {}
    for pattern in KIND_PATTERNS:
        matches = name_matcher([_spell_glob(name) for name in pattern.names.split()])
        for dtype in pattern.dtypes:
            found.setdefault(dtype, []).append((matches, KINDS[pattern.kind]))
    return found


def _spell_glob(name: str) -> str:
    inner = name.removeprefix("...").removesuffix("...")
    return f"*.{inner}.{'' if inner == name else '*'}"
