"""Strategies run: each with the array library that it takes, and what comes out is checked before anybody stores it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NoReturn

from git_theta.errors import PluginError
from git_theta.merging.base import STRATEGIES, Contest, Strategy
from git_theta.merging.devices import CPU
from git_theta.tensors.array_library import ArrayLibrary, Vector
from git_theta.tensors.arrays import Buffer
from git_theta.tensors.numpy_library import NUMPY


def library_for(strategy: Strategy, device: str) -> ArrayLibrary:
    """What a strategy computes with on a device: numpy on a CPU, torch on others, unless it takes one of them alone.

    Raises PluginError where that is torch, and torch is not installed.
    """
    takes = strategy.array_library
    if takes == "numpy" or (takes == "any" and device == CPU):
        return NUMPY
    from git_theta.tensors.torch_library import TorchLibrary

    try:
        import torch  # noqa: F401
    except ImportError:
        raise PluginError(
            f"{strategy.name} computes with torch, which is not installed here",
            hint=f"Install it: {sys.executable} -m pip install torch\n"
            'Or write the strategy against the array API, and declare array_library="any": it runs on numpy then.',
        ) from None
    return TorchLibrary(device)


def merge_arrays(strategy: Strategy, contest: Contest) -> Iterator[Vector]:
    """What a strategy makes of a contest that it has prepared: stored arrays, chunk by chunk.

    Raises PluginError, naming strategy and parameter, as soon as a chunk is no such array, or where they are too many
    or too few elements.
    """
    library, spec = contest.library, contest.spec
    if not strategy.exact:
        contest.report.computed_by = library.describe_algebra()
    dtype, left = library.dtype(spec.dtype), spec.nbytes
    for chunk in STRATEGIES.guard_iterator(strategy.name, _merge_chunks(strategy, contest)):
        if not library.is_vector(chunk) or chunk.dtype != dtype:
            wanted = f"{library.name} arrays of {_name(dtype)} and one dimension"
            _refuse(strategy, contest, f"yields {_describe(chunk)}, not {wanted}")
        left -= len(chunk) * chunk.itemsize
        if left < 0:
            _refuse(strategy, contest, f"yields more than {spec.elements} elements")
        yield chunk
    if left:
        _refuse(strategy, contest, f"yields {spec.elements - left * 8 // spec.dtype.bits} of {spec.elements} elements")


def _merge_chunks(strategy: Strategy, contest: Contest) -> Iterator[Vector]:
    """What the strategy yields; what the engine's own functions found wrong with it is said to be the strategy's."""
    try:
        yield from strategy.merge(contest)
    except PluginError as error:
        raise PluginError(f"{strategy.name} {error.message}", hint=error.hint, parameter=contest.name) from None


def merge_bytes(strategy: Strategy, contest: Contest) -> Iterator[Buffer]:
    """The same as the bytes that are stored."""
    return map(contest.library.to_bytes, merge_arrays(strategy, contest))


def _refuse(strategy: Strategy, contest: Contest, message: str) -> NoReturn:
    raise PluginError(
        f"{strategy.name} {message}",
        hint="Have git_theta.merging.numerics.compute round and yield, or mend the strategy: it is no merge as it is.",
        parameter=contest.name,
    )


def _describe(chunk: object) -> str:
    dtype, shape = getattr(chunk, "dtype", None), getattr(chunk, "shape", ())
    if dtype is None:
        return type(chunk).__name__
    return f"{type(chunk).__module__} arrays of {_name(dtype)} and shape {tuple(shape)}"


def _name(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")
