"""BLAS on the thread that asks for it."""

from __future__ import annotations

import pytest

from git_theta.tensors import blas


def test_threads_are_one_within_and_as_before_afterwards() -> None:
    functions = blas._openblas()
    if functions is None:
        pytest.skip("numpy was not built with OpenBLAS")
    threads, _ = functions
    before = threads()
    with pytest.raises(KeyError), blas.one_thread():
        assert threads() == 1
        raise KeyError
    assert threads() == before


def test_the_last_of_several_threads_gives_them_back() -> None:
    functions = blas._openblas()
    if functions is None:
        pytest.skip("numpy was not built with OpenBLAS")
    threads, put = functions
    before = threads()
    try:
        put(3)
        first, second = blas.one_thread(), blas.one_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert threads() == 1
        second.__exit__(None, None, None)
        assert threads() == 3
    finally:
        put(before)


def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_openblas", lambda: None)
    with blas.one_thread():
        pass
