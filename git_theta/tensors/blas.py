"""Matrix products and decompositions on the thread that asks for them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache
from threading import Lock

_SPELLINGS = ("scipy_openblas_{}64_", "openblas_{}64_", "openblas_{}")
"""How OpenBLAS is compiled into numpy >= 2, into numpy 1, and by distributions."""

UNTHREADED = ("OPENBLAS_NUM_THREADS", "1")
"""A variable and its value: with it in the environment of a process that imports numpy, OpenBLAS starts no threads to
begin with, and the import takes 30 ms less."""


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep numpy's BLAS from starting threads; the whole process's, while any thread is inside.

    Our workers are threads. Those of OpenBLAS on top of them, for products too small to gain anything, keep cores busy
    waiting for each other, up to 30 ms each time: a diff of 63 tensors took four times as long (measured). Other
    libraries are left as they are, and may then be slower.
    """
    functions = _openblas()
    if functions is None:
        yield
        return
    _LIMIT.enter(*functions)
    try:
        yield
    finally:
        _LIMIT.leave(functions[1])


class _ThreadLimit:
    """How many of our threads are inside, and how many threads there were before the first of them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = self._before = 0

    def enter(self, get: Callable[[], int], put: Callable[[int], None]) -> None:
        with self._lock:
            if not self._inside:
                self._before = get()
                put(1)
            self._inside += 1

    def leave(self, put: Callable[[int], None]) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                put(self._before)


_LIMIT = _ThreadLimit()


def count_threads() -> int | None:
    """How many threads numpy's BLAS would start; None where numpy was built with another library than OpenBLAS."""
    functions = _openblas()
    return functions and functions[0]()


@cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """OpenBLAS's functions that get and set its threads, or None where numpy was built with another library."""
    import ctypes

    import numpy as np

    with contextlib.suppress(AttributeError, OSError, ImportError):
        library = ctypes.CDLL(np.linalg._umath_linalg.__file__)
        for spelling in _SPELLINGS:
            with contextlib.suppress(AttributeError):  # the library's, or those it was linked to
                return (
                    getattr(library, spelling.format("get_num_threads")),
                    getattr(library, spelling.format("set_num_threads")),
                )
    return None
