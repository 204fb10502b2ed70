"""The format runs Git-Theta's conformance kit, finds what NumPy finds, and goes through a real clean and restore."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from git_theta.errors import FormatError
from git_theta.formats.base import Format, Span, Template
from git_theta.formats.detect import detect_format
from git_theta.testing.format_hooks import MemorySource
from git_theta.testing.formats import FormatLaws

from git_theta_numpy.format import NumpyFormat

ARRAYS: dict[str, Any] = {
    "weights": np.arange(60, dtype="<f4").reshape(6, 10),
    "in Fortran order": np.asfortranarray(np.arange(24, dtype="<i2").reshape(2, 3, 4)),
    "0-d": np.array(2.5),
    "none": np.zeros((0, 3), "<c16"),
    "folder/flags": np.array([True, False]),
}
OTHERS: dict[str, Any] = {
    "big-endian": np.arange(3, dtype=">f4"),
    "text": np.array(["a", "b"]),
    "records": np.zeros(2, [("x", "<f4"), ("y", "<i4")]),
    "dates": np.array(["2024-01-01"], "datetime64[D]"),
    "objects": np.array([{"a": 1}], object),
}


def npz(arrays: Mapping[str, Any], *, compressed: bool = False) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def npy(array: Any, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version)
    return file.getvalue()


class TestNumpyFormat(FormatLaws):
    def make_format(self) -> Format:
        return NumpyFormat()

    def samples(self) -> Mapping[str, bytes]:
        return {
            "a.npz": npz(ARRAYS),
            "others.npz": npz(OTHERS),
            "compressed.npz": npz(ARRAYS, compressed=True),
            "a.npy": npy(ARRAYS["weights"]),
            "fortran.npy": npy(ARRAYS["in Fortran order"]),
            "second.npy": npy(ARRAYS["weights"], (2, 0)),
            "third.npy": npy(ARRAYS["weights"], (3, 0)),
        }


def template(content: bytes) -> Template:
    found = list(NumpyFormat().spans(MemorySource(content)))
    ends = [0, *(span.offset + span.size for span in found)]
    starts = [*(span.offset for span in found), len(content)]
    return Template(tuple(content[end:start] for end, start in zip(ends, starts, strict=True)), tuple(found))


def test_files_that_differ_in_numbers_alone_say_the_same() -> None:
    """Their checksums differ, and nothing that a person has to settle."""
    one, other = (NumpyFormat().read_facts(template(npz({**ARRAYS, "text": OTHERS["text"], "x": x}))) for x in range(2))
    assert one == other
    assert list(one) == ["text"]


def test_arrays_that_are_no_tensors_are_told_by_name() -> None:
    one, other = (NumpyFormat().read_facts(template(npz({"a": at, "b": 0}, compressed=True))) for at in (1.0, 2.0))
    assert [key for key in one if one[key] != other[key]] == ["a"]
    assert not any(fact.plain for fact in one.values())


def spans(content: bytes) -> dict[str, Span]:
    return {span.name: span for span in NumpyFormat().spans(MemorySource(content))}


def values(content: bytes, span: Span) -> bytes:
    return content[span.offset : span.offset + span.size]


def test_it_finds_what_numpy_finds() -> None:
    content = npz(ARRAYS)
    found = spans(content)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert values(content, found[name]) == array.tobytes("A")
        window = found[name].views[0] if found[name].views else found[name]
        assert (window.name, window.spec.shape) == (name, array.shape)


def test_strides_are_those_of_the_array() -> None:
    array = ARRAYS["in Fortran order"]
    (view,) = spans(npy(array))["array"].views
    assert view.stride == tuple(step // array.itemsize for step in array.strides)


@pytest.mark.parametrize("kind", ["?", "b", "B", "<h", "<H", "<i", "<I", "<q", "<Q", "<e", "<f", "<d", "<F", "<D"])
def test_every_kind_of_number_is_a_parameter(kind: str) -> None:
    array = np.ones(3, kind)
    content = npy(array)
    assert values(content, spans(content)["array"]) == array.tobytes()


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_little_endian_number_stays_in_the_frame(name: str) -> None:
    assert spans(npz({name: OTHERS[name], "w": np.ones(2)})).keys() == {"w"}
    assert spans(npy(OTHERS[name])) == {}


def test_compressed_members_stay_in_the_frame() -> None:
    assert spans(npz(ARRAYS, compressed=True)) == {}


def test_other_members_of_an_archive_stay_in_the_frame() -> None:
    file = io.BytesIO(npz({"w": np.ones(2)}))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("notes.txt", "not an array")
    assert spans(file.getvalue()).keys() == {"w"}


def _npy(header: str) -> bytes:
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        b"\x93NUMPY",
        b"\x93NUMPY\x09\x00" + bytes(20),
        b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(40),
        _npy("__import__('os').system('echo hacked')"),
        _npy("{'descr': '<f4', 'fortran_order': False}"),
        _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1 << 62,)}"),
        _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}"),
        _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"),
        _npy("{'descr': '<f4', 'fortran_order': False, 'shape': 'abc'}"),
        _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}") + bytes(7),
        _npy("{{}: 1}"),
        _npy("(" * 9000),
        _npy("-" * 9000 + "1"),
        _npy("{'descr': '<f4', 'shape': (1,)," + " " * 20_000 + "'fortran_order': False}") + bytes(4),
    ],
    ids=range(14),
)
def test_a_damaged_or_hostile_header_is_refused(content: bytes) -> None:
    with pytest.raises(FormatError):
        spans(content)


def test_it_is_installed() -> None:
    """Git-Theta finds it by its entry point, among the formats that come with it."""
    for path, content in {"a.npz": npz(ARRAYS), "a.npy": npy(ARRAYS["weights"])}.items():
        found = detect_format(MemorySource(content), content, path)
        assert (found.format, found.problem) == ("numpy", "")
        assert math.prod(found.spans[0].spec.shape) == 60


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    from git_theta.manifest.text import decode_manifest
    from git_theta.operations.adding.clean import clean_stream
    from git_theta.operations.context import Context
    from git_theta.operations.restoring.restore import restore_pieces
    from git_theta.operations.state_database import StateDatabase
    from git_theta.operations.streams import Stream
    from git_theta.operations.workers import Workers
    from git_theta.store.memory import MemoryStore

    content = npz(ARRAYS | OTHERS)
    context = Context(MemoryStore(), StateDatabase(tmp_path / "state"), Workers(), tmp_path, pytest.fail)
    manifest = decode_manifest(clean_stream(Stream.from_pieces([content]), "a.npz", None, context))
    assert {entry.name for entry in manifest.parameters()} == ARRAYS.keys()
    assert b"".join(restore_pieces(manifest, context)) == content
    context.workers.close()
