"""What a pickled tensor's values mean nothing without: a quantiser, or that they are to be conjugated or negated.

Of a tensor that is quantised as one, scale and zero point stand in the pickle; by channels they are tensors. Source:
``Tensor._reduce_ex_internal`` in ``torch/_tensor.py`` (2.13).
"""

from __future__ import annotations

from git_theta.formats.pickle.pickle_facts import PickledFact
from git_theta.formats.pickle.pickle_records import Call, Global, PickledDict

_QUANTISED = Global("torch._utils", "_rebuild_qtensor")
_PARAMETER = Global("torch._utils", "_rebuild_parameter")
_QUANTISER_ARGUMENT = 4
_METADATA_ARGUMENTS = {
    Global("torch._utils", "_rebuild_tensor_v2"): 6,
    Global("torch._utils", "_rebuild_tensor_v3"): 7,
}


def is_bound(value: object) -> bool:
    """Whether a call that rebuilds a tensor says what its values mean."""
    if not isinstance(value, Call):
        return False
    if value.function == _QUANTISED:
        return True
    at = _METADATA_ARGUMENTS.get(value.function) if isinstance(value.function, Global) else None
    metadata = value.arguments[at] if at is not None and at < len(value.arguments) else None
    return isinstance(metadata, (Call, PickledDict)) and bool(metadata.pairs)


def describe_quantizer(value: object) -> str:
    """Scale and zero point, in words, of a tensor that is quantised as one; "" for any other."""
    found = _find_quantised(value)
    return f"scale {found[1]!r}, zero point {found[2]!r}" if found else ""


def take_quantizer(ours: PickledFact | None, theirs: PickledFact | None) -> bool:
    """Have a tensor be quantised as another one is; False, with nothing changed, where both are no such tensors."""
    if not ours or not theirs:
        return False
    mine, other = _quantised_call(ours.node.value), _find_quantised(theirs.node.value)
    if mine is None or other is None or _find_quantised(mine) is None:
        return False
    after = _QUANTISER_ARGUMENT + 1
    mine.arguments = (*mine.arguments[:_QUANTISER_ARGUMENT], other, *mine.arguments[after:])
    return True


def _quantised_call(value: object) -> Call | None:
    """The call that rebuilds a quantised tensor, itself or as an ``nn.Parameter``."""
    if isinstance(value, Call) and value.function == _PARAMETER and value.arguments:
        value = value.arguments[0]
    return value if isinstance(value, Call) and value.function == _QUANTISED else None


def _find_quantised(value: object) -> tuple[object, ...] | None:
    """Scheme, scale and zero point, all plain values."""
    call = _quantised_call(value)
    found = call.arguments[_QUANTISER_ARGUMENT] if call and len(call.arguments) > _QUANTISER_ARGUMENT else None
    if not isinstance(found, tuple) or len(found) != 3:
        return None
    scheme, scale, zero_point = found
    return found if isinstance(scheme, Global) and isinstance(scale, float) and isinstance(zero_point, int) else None
