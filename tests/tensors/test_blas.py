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


def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "_openblas", lambda: None)
    with blas.one_thread():
        pass
