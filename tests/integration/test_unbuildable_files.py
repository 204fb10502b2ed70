"""A merge of which one file cannot be built: a conflict of that file, and the others are merged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

import git_theta
from git_theta.errors import ConflictError
from tests.formats.hdf5.hdf5_files import written
from tests.integration.three_branches import BASE, MODEL, added, values
from tests.sandbox import Sandbox
from tests.templates import built_once

HDF5 = "a.h5"
"""Before MODEL, in the order of merges."""


def datasets(*names: str) -> bytes:
    return written({name: np.arange(64, dtype=np.float32) for name in names})


@pytest.fixture
def apart(sandbox: Sandbox) -> Sandbox:
    """Each side added another dataset, which no HDF5 file of a side can hold; both trained MODEL."""
    _fork(sandbox)
    return sandbox


@built_once
def _fork(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors", "*.h5")
    _commit(sandbox, {HDF5: datasets("a"), MODEL: BASE})
    sandbox.git("switch", "-qc", "theirs")
    _commit(sandbox, {HDF5: datasets("a", "y"), MODEL: added(BASE, a__weight=2)})
    sandbox.git("switch", "-q", "main")
    _commit(sandbox, {HDF5: datasets("a", "x"), MODEL: added(BASE, a__weight=4)})


def _commit(sandbox: Sandbox, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        sandbox.write(path, content)
    sandbox.commit()


def merge(sandbox: Sandbox, *words: str) -> str:
    done = sandbox.theta("merge", *words, "-s", "average", "--for", "(frame)=ours", check=False)
    assert done.returncode == 1
    return done.stderr


def test_the_other_files_are_merged(apart: Sandbox) -> None:
    said = merge(apart, "theirs")
    assert f"{HDF5}" in said and "HDF5 files cannot be rebuilt with other datasets" in said
    assert apart.git("diff", "--name-only", "--diff-filter=U").stdout == f"{HDF5}\n"
    assert np.allclose(values(apart.read(MODEL), "a.weight"), values(BASE, "a.weight") + 3)
    assert apart.read(HDF5) == datasets("a", "x")


def test_several_heads_change_nothing_and_name_it(apart: Sandbox) -> None:
    apart.git("switch", "-qc", "third", "main~1")
    _commit(apart, {MODEL: added(BASE, a__weight=6)})
    apart.git("switch", "-q", "main")
    said = merge(apart, "theirs", "third")
    assert f"1 conflict:\ntheta:   {HDF5}: the merged parameters fit no hdf5 file" in said
    assert apart.git("status", "--porcelain").stdout == ""


def test_python_is_told_of_it_as_of_any_conflict(apart: Sandbox) -> None:
    rules = ["(frame)=ours"]
    with pytest.raises(ConflictError, match=f"1 conflict: {HDF5}"):
        git_theta.merge("main", "theirs", strategy="average", rules=rules, repo=apart.root).commit("merged")
