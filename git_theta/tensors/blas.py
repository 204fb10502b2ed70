"""Matrix products and decompositions on the thread that asks for them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cache

_SPELLINGS = ("scipy_openblas_{}64_", "openblas_{}64_", "openblas_{}")
"""How OpenBLAS is compiled into numpy >= 2, into numpy 1, and by distributions."""

UNTHREADED = ("OPENBLAS_NUM_THREADS", "1")
"""A variable and its value: with it in the environment of a process that imports numpy, OpenBLAS starts no threads to
begin with, and the import takes 30 ms less."""


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep numpy's BLAS from starting threads; the whole process's.

    Our workers are threads. Those of OpenBLAS on top of them, for products too small to gain anything, keep cores busy
    waiting for each other, up to 30 ms each time: a diff of 63 tensors took four times as long (measured). Other
    libraries are left as they are, and may then be slower.
    """
    functions = _openblas()
    if functions is None:
        yield
        return
    get, put = functions
    threads = get()
    put(1)
    try:
        yield
    finally:
        put(threads)


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
