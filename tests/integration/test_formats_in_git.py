"""Formats beyond safetensors and torch through real Git: bit for bit, by parameter, merged, and loaded afterwards."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from git_theta.manifest.text import decode_manifest
from tests.formats.flax.flax_files import restored, serialized
from tests.formats.hdf5.hdf5_files import archived, written
from tests.formats.onnx.onnx_models import initializer, model
from tests.formats.tar.nemo_files import nemo
from tests.formats.tar.nemo_files import restored as restored_nemo
from tests.formats.torch_files import saved
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


def write_chunks(arrays: Arrays) -> bytes:
    """Datasets that could grow: one chunk each."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, chunks=array.shape, maxshape=(None, *array.shape[1:]))
    return buffer.getvalue()


def load_hdf5(content: bytes) -> Arrays:
    with h5py.File(io.BytesIO(content)) as file:
        return {name: dataset[()] for name, dataset in file.items()}


def load_keras(content: bytes) -> Arrays:
    """With the checksums of the archive, which ``zipfile`` looks at."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return load_hdf5(archive.read("model.weights.h5"))


def write_legacy(arrays: Arrays) -> bytes:
    """As torch wrote before 1.6: storages come in the order of their addresses in memory, so all are laid out anew."""
    state = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    return saved(state, _use_new_zipfile_serialization=False)


def load_torch(content: bytes) -> Arrays:
    return {name: tensor.numpy() for name, tensor in torch.load(io.BytesIO(content), weights_only=True).items()}


def write_pt2(arrays: Arrays) -> bytes:
    """A program that gives back what it is given, with the arrays beside."""
    module = torch.nn.Identity()
    for name, array in arrays.items():
        module.register_buffer(name, torch.from_numpy(array.copy()))
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(module, (torch.ones(2),)), buffer)
    return buffer.getvalue()


def load_pt2(content: bytes) -> Arrays:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: one.numpy() for name, one in torch.export.load(io.BytesIO(content)).state_dict.items()}


def write_nemo(arrays: Arrays) -> bytes:
    """Written at another time than the one before."""
    return nemo({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}, time=next(TIMES))


def load_nemo(content: bytes) -> Arrays:
    return {name: tensor.numpy() for name, tensor in restored_nemo(content).items()}


TIMES = (1764403200 + 0.25 * step for step in count())
WRITERS = {
    "onnx": Writer("model.onnx", write_onnx, load_onnx),
    "hdf5": Writer("model.weights.h5", written, load_hdf5),
    "hdf5-chunks": Writer("chunks.h5", write_chunks, load_hdf5),
    "flax": Writer("model.msgpack", serialized, restored),
    "torch-legacy": Writer("model.pth", write_legacy, load_torch),
    "pt2": Writer("model.pt2", write_pt2, load_pt2),
    "nemo": Writer("model.nemo", write_nemo, load_nemo),
    "keras": Writer("model.keras", lambda arrays: archived(written(arrays)), load_keras),
}
BASE: Arrays = {"a": np.arange(4096, dtype="<f4"), "b": np.ones((64, 64), "<f4"), "c": np.zeros(64, "<f8")}


@pytest.fixture(params=WRITERS)
def writer(request: pytest.FixtureRequest) -> Writer:
    return WRITERS[request.param]


def trained(*names: str) -> Arrays:
    return {name: array + 0.25 if name in names else array for name, array in BASE.items()}


class Fork(NamedTuple):
    """Two branches; ours, which trained ``a``, is checked out, and theirs trained ``b`` and ``c``."""

    sandbox: Sandbox
    path: str
    ours: bytes


@pytest.fixture
def forked(writer: Writer, tmp_path: Path, home: Path) -> Fork:
    sandbox = Sandbox.create(tmp_path / "forked")
    sandbox.theta("track", f"*{Path(writer.path).suffix}")
    record(sandbox, {writer.path: writer.write(BASE)}, "base")
    sandbox.git("switch", "-qc", "side")
    record(sandbox, {writer.path: writer.write(trained("b", "c"))}, "theirs")
    sandbox.git("switch", "-q", "main")
    ours = writer.write(trained("a"))
    record(sandbox, {writer.path: ours}, "ours")
    return Fork(sandbox, writer.path, ours)


def test_law_1_it_is_stored_by_parameter_and_comes_back_bit_for_bit(forked: Fork) -> None:
    assert_round_trip(forked.sandbox, {forked.path: forked.ours})
    old, new = (
        decode_manifest(forked.sandbox.git("cat-file", "blob", f"{rev}:{forked.path}").stdout.encode())
        for rev in ("HEAD~1", "HEAD")
    )
    assert old.format == new.format != "opaque"
    oids = {one.name: one.oid for one in old.parameters()}
    assert [one.name for one in new.parameters() if one.oid != oids[one.name]] == ["a"]


def test_a_merge_has_what_each_side_trained_and_loads(forked: Fork, writer: Writer) -> None:
    forked.sandbox.git("merge", "-q", "--no-edit", "side")
    merged = forked.sandbox.read(forked.path)
    assert_round_trip(forked.sandbox, {forked.path: merged})
    loaded = writer.load(merged)
    assert loaded.keys() == BASE.keys()
    assert all(np.array_equal(loaded[name], array) for name, array in trained("a", "b", "c").items())
