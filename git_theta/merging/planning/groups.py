"""Groups: parameters that mean something only together, such as codes and their scales; and adapters' pairs of factors.

Codes of one branch beside scales of another, or beside an average of scales, are a wrong model that loads without a
word (L13). So members of a group are contested together and taken from one side together, and no strategy computes with
them. The two factors of an adapter are contested together, too: their product is what was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple, TypeVar

Thing = TypeVar("Thing")


class Group(NamedTuple):
    """What a group is.

    Attributes:
        name: what plans call it.
        reason: why no strategy computes with its members; "" where one can, for each member by itself.
    """

    name: str
    reason: str


class GroupPattern(NamedTuple):
    """How a group is told: names that are alike but for their ends.

    Attributes:
        group: the group.
        codes: with spaces between them, ends of names that hold codes or indices; ``=`` for the bare name that the
            others go on from.
        companions: ends of names that mean nothing without one of these.
        dtypes: dtypes of the codes that make it a group, with spaces between them; "" for any.
    """

    group: Group
    codes: str
    companions: str
    dtypes: str = ""


class FoundGroup(NamedTuple):
    """A group in some checkpoint: names of its members, those that hold codes first."""

    group: Group
    names: tuple[str, ...]


_CODES = "codes mean nothing without the scales that they were made with"
_INDICES = "values mean nothing without the indices that say where they are"
_NARROW = (
    "F8_E4M3 F8_E5M2 F8_E4M3FNUZ F8_E5M2FNUZ F6_E2M3 F6_E3M2 F4 F4_E2M1X2 I8 U8 I32 U32 "
    "I1 I2 I3 I4 I5 I6 I7 U1 U2 U3 U4 U5 U6 U7"
)
SCALED = Group("codes and scales", _CODES)
SPARSE = Group("indices and values", _INDICES)
PAIR = Group("an adapter's factors", "")
GROUP_PATTERNS = (
    GroupPattern(  # fp8 of transformers, vLLM, ComfyUI; compressed-tensors; int8 of bitsandbytes, EETQ; NVFP4
        SCALED,
        ".weight .weight_packed .weight_qdata",
        ".weight_scale .weight_scale_inv .weight_scale_2 .weight_scales .weight_global_scale .weight_zero_point "
        ".weight_g_idx .weight_shape .input_scale .input_scale_inv .input_global_scale .input_zero_point "
        ".scale_weight .scale_input .SCB .weight_format .dequant_scale",
        _NARROW,
    ),
    GroupPattern(SCALED, "=", "_scale _scale_inv _scale_2 _zero_point", _NARROW),  # experts in one tensor
    GroupPattern(SCALED, "_blocks .blocks", "_scales .scales", _NARROW),  # MX, as gpt-oss has it
    GroupPattern(SCALED, ".qweight", ".qzeros .scales .g_idx"),  # GPTQ, AWQ
    GroupPattern(  # bitsandbytes, 4 bits
        SCALED,
        "=",
        ".absmax .quant_map .nested_absmax .nested_quant_map .quant_state.bitsandbytes__nf4 "
        ".quant_state.bitsandbytes__fp4",
    ),
    GroupPattern(  # bitsandbytes, optimizers
        SCALED, ".state1 .state2", ".qmap1 .qmap2 .absmax1 .absmax2 .max1 .max2 .new_max1 .new_max2", "U8 I8"
    ),
    GroupPattern(SCALED, "._data", "._scale ._shift", _NARROW),  # quanto
    GroupPattern(SCALED, ".W_q", ".scale .zero .nbits .group_size .shape"),  # HQQ
    GroupPattern(SCALED, ".codes .Qidxs", ".codebooks .scales .SU .SV .Wscale"),  # AQLM, QuIP#
    GroupPattern(SCALED, "=", ".scales .zero_points", "QINT8 QUINT8 QINT32 QUINT4X2 QUINT2X4"),  # torch, by channels
    GroupPattern(SPARSE, ".indices .compressed_indices .crow_indices .ccol_indices",
                 ".values .plain_indices .col_indices .row_indices", "I64 I32"),
    GroupPattern(SPARSE, ".indptr", ".indices .data .shape", "I64 I32"),  # scipy
    GroupPattern(SPARSE, ".bitmask", ".compressed .row_offsets .shape"),  # compressed-tensors
    GroupPattern(SPARSE, ".sizes", ".values .strides .storage_offsets", "I64"),  # nested tensors of torch
)  # fmt: skip
"""What there is. Names below ``=`` and dots are those that the libraries beside them write."""

FACTORS = (("lora_A", "lora_B"), ("lora_embedding_A", "lora_embedding_B"), ("lora_down", "lora_up"),
           ("lora.down", "lora.up"), ("lora_linear_layer.down", "lora_linear_layer.up"))  # fmt: skip
"""Parts of names of an adapter's factors: the one that comes first in a forward pass, and the other one."""
_ADAPTER = "lora"


def find_groups(checkpoints: Sequence[Mapping[str, Thing]], dtype_of: Callable[[Thing], str]) -> Iterator[FoundGroup]:
    """The groups that any of several versions of a checkpoint has, with the members that they have in any of them."""
    seen: set[tuple[Group, str]] = set()
    every = dict.fromkeys(chain.from_iterable(checkpoints))
    names = [name for name in every if _is_companion(name) or _ADAPTER in name]
    for checkpoint in checkpoints if names else ():
        for name in filter(checkpoint.__contains__, names):
            for pattern, stem in _stems_of(name):
                codes = [_join(stem, end) for end in pattern.codes.split()]
                if (pattern.group, stem + pattern.codes) not in seen and any(
                    one in checkpoint and _fits(pattern, dtype_of(checkpoint[one])) for one in codes
                ):
                    seen.add((pattern.group, stem + pattern.codes))
                    members = [*codes, *(_join(stem, end) for end in pattern.companions.split())]
                    yield FoundGroup(pattern.group, _present(members, checkpoints))
            if _ADAPTER in name and (pair := pair_factors(name)) and pair[1] in checkpoint and pair[0] == name:
                yield FoundGroup(PAIR, pair)


def pair_factors(name: str) -> tuple[str, str] | None:
    """The names of both factors of the adapter that a name belongs to, the first in a forward pass first."""
    dotted = f".{name}."
    for first, second in FACTORS:
        for here, there in ((first, second), (second, first)):
            before, found, after = dotted.rpartition(f".{here}.")
            if found:
                other = f"{before}.{there}.{after}"[1:-1]
                return (name, other) if here == first else (other, name)
    return None


def _stems_of(name: str) -> Iterable[tuple[GroupPattern, str]]:
    """The patterns that a name may be a companion in, each with what its members' names begin with (after a dot)."""
    dotted = f".{name}"
    for pattern, end in _companions().get(_last_piece(name), ()):
        if dotted.endswith(end):
            yield pattern, dotted[: -len(end)]


def _is_companion(name: str) -> bool:
    """Whether a name ends as a companion's does; nearly none does."""
    ends = _companion_ends().get(_last_piece(name))
    return ends is not None and f".{name}".endswith(ends)


@cache
def _companion_ends() -> dict[str, tuple[str, ...]]:
    return {piece: tuple(end for _, end in found) for piece, found in _companions().items()}


@cache
def _companions() -> dict[str, list[tuple[GroupPattern, str]]]:
    """Companions by the last piece of their names, which is quick to tell."""
    found: dict[str, list[tuple[GroupPattern, str]]] = {}
    for pattern in GROUP_PATTERNS:
        for end in pattern.companions.split():
            found.setdefault(_last_piece(end), []).append((pattern, end))
    return found


def _last_piece(name: str) -> str:
    return name.rpartition("_")[2].rpartition(".")[2]


def _join(stem: str, end: str) -> str:
    return (stem if end == "=" else stem + end)[1:]


def _fits(pattern: GroupPattern, dtype: str) -> bool:
    return not pattern.dtypes or dtype in pattern.dtypes.split()


def _present(names: Iterable[str], checkpoints: Sequence[Mapping[str, Thing]]) -> tuple[str, ...]:
    return tuple([name for name in names if any(name in checkpoint for checkpoint in checkpoints)])
