"""The spec of a part, as updates are told it."""

from __future__ import annotations

from functools import lru_cache

from git_theta.manifest.model import Entry
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec, spec_fits

_BYTES = BY_NAME["U8"]


def spec_of(entry: Entry) -> Spec:
    """The spec that updates are told; ``U8 [size]`` for what is no tensor of a dtype that we know."""
    return _make_spec(entry.dtype, entry.shape, entry.size)


@lru_cache(1 << 12)  # many parts have the same
def _make_spec(dtype: str, shape: tuple[int, ...], size: int) -> Spec:
    known = BY_NAME.get(dtype)
    return Spec(known, shape) if known and spec_fits(dtype, shape, size) else Spec(_BYTES, (size,))
