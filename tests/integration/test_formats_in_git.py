"""Formats beyond safetensors and torch through real Git: bit for bit, by parameter, merged, and loaded afterwards."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from git_theta.manifest.text import decode_manifest
from tests.formats.hdf5.hdf5_files import archived, written
from tests.formats.onnx.onnx_models import initializer, model
from tests.integration.checkpoint_history import assert_round_trip
from tests.sandbox import Sandbox
from tests.two_branches import record

Arrays = dict[str, NDArray[Any]]


class Writer(NamedTuple):
    """How files of a format are called, written and loaded by others."""

    path: str
    write: Callable[[Arrays], bytes]
    load: Callable[[bytes], Arrays]


def write_onnx(arrays: Arrays) -> bytes:
    return bytes(model([initializer(name, array) for name, array in arrays.items()]).SerializeToString())


def load_onnx(content: bytes) -> Arrays:
    graph = onnx.load_model_from_string(content).graph
    return {one.name: numpy_helper.to_array(one) for one in graph.initializer}


def load_hdf5(content: bytes) -> Arrays:
    with h5py.File(io.BytesIO(content)) as file:
        return {name: dataset[()] for name, dataset in file.items()}


def load_keras(content: bytes) -> Arrays:
    """With the checksums of the archive, which ``zipfile`` looks at."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return load_hdf5(archive.read("model.weights.h5"))


WRITERS = {
    "onnx": Writer("model.onnx", write_onnx, load_onnx),
    "hdf5": Writer("model.weights.h5", written, load_hdf5),
    "keras": Writer("model.keras", lambda arrays: archived(written(arrays)), load_keras),
}
BASE: Arrays = {"a": np.arange(4096, dtype="<f4"), "b": np.ones((64, 64), "<f4"), "c": np.zeros(64, "<f8")}


@pytest.fixture(params=WRITERS)
def writer(request: pytest.FixtureRequest) -> Writer:
    return WRITERS[request.param]


def trained(*names: str) -> Arrays:
    return {name: array + 0.25 if name in names else array for name, array in BASE.items()}


@pytest.fixture
def forked(writer: Writer, tmp_path: Path, home: Path) -> Sandbox:
    """Ours trained ``a``, theirs ``b`` and ``c``."""
    sandbox = Sandbox.create(tmp_path / "forked")
    sandbox.theta("track", f"*{Path(writer.path).suffix}")
    record(sandbox, {writer.path: writer.write(BASE)}, "base")
    sandbox.git("switch", "-qc", "side")
    record(sandbox, {writer.path: writer.write(trained("b", "c"))}, "theirs")
    sandbox.git("switch", "-q", "main")
    record(sandbox, {writer.path: writer.write(trained("a"))}, "ours")
    return sandbox


def test_law_1_it_is_stored_by_parameter_and_comes_back_bit_for_bit(forked: Sandbox, writer: Writer) -> None:
    assert_round_trip(forked, {writer.path: writer.write(trained("a"))})
    old, new = (
        decode_manifest(forked.git("cat-file", "blob", f"{rev}:{writer.path}").stdout.encode())
        for rev in ("HEAD~1", "HEAD")
    )
    assert old.format == new.format != "opaque"
    changed = [one.name for one, other in zip(new.parameters(), old.parameters(), strict=True) if one.oid != other.oid]
    assert changed == ["a"]


def test_a_merge_has_what_each_side_trained_and_loads(forked: Sandbox, writer: Writer) -> None:
    forked.git("merge", "-q", "--no-edit", "side")
    assert_round_trip(forked, {writer.path: writer.write(trained("a", "b", "c"))})
    loaded = writer.load(forked.read(writer.path))
    assert loaded.keys() == BASE.keys()
    assert all(np.array_equal(loaded[name], array) for name, array in trained("a", "b", "c").items())
