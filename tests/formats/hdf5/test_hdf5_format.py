"""HDF5 files, and their values as h5py reads them."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from git_theta.errors import FormatError
from git_theta.formats.base import Format, Span
from git_theta.formats.building import cut_derived
from git_theta.formats.detect import detect_format
from git_theta.formats.guarded_format import GuardedFormat
from git_theta.formats.hdf5.hdf5_format import Hdf5Format
from git_theta.testing.format_hooks import MemorySource
from git_theta.testing.formats import FormatLaws
from tests.formats.built_files import built as build_like
from tests.formats.built_files import contents, parts_of, template
from tests.formats.hdf5.hdf5_files import LEGACY, LIBVERS, WEIGHTS, compact, written
from tests.formats.sources import BytesSource, names_of

READER = Hdf5Format()


def spans(content: bytes) -> dict[str, Span]:
    return {span.name: span for span in READER.spans(BytesSource(content))}


def reasons(content: bytes) -> dict[str, str]:
    facts = READER.read_facts(template(READER, content))
    return {key.removeprefix("dataset "): fact.text for key, fact in facts.items() if key.startswith("dataset ")}


def assert_as_h5py_reads(content: bytes) -> list[str]:
    """Every span has the values that h5py reads under each of its names, which are given."""
    found = READER.spans(BytesSource(content))
    with h5py.File(io.BytesIO(content)) as file:
        paths: dict[str, Any] = {}
        file.visit_links(lambda path: paths.update({path.replace("/", "."): file.get(path)}))
        for span in found:
            for name in (span.name, *(view.name for view in span.views)):
                assert paths[name].shape == span.spec.shape, name
                assert paths[name][()].tobytes() == content[span.offset : span.offset + span.size], name
    return names_of(found)


def tied() -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["encoder/kernel"] = WEIGHTS
        file["decoder/kernel"] = file["encoder/kernel"]
        file["again"] = file["encoder"]
        file["encoder/round"] = file["/"]
        file["soft"] = h5py.SoftLink("/encoder/kernel")
        file["elsewhere"] = h5py.ExternalLink("other.h5", "/kernel")
    return buffer.getvalue()


class TestHdf5Format(FormatLaws):
    def make_format(self) -> Format:
        return READER

    def samples(self) -> Mapping[str, bytes]:
        arrays = {"layer/kernel": WEIGHTS, "layer/bias": np.ones(4, "f4"), "step": np.array(3)}
        made = {f"{libver}.h5": written(arrays, libver) for libver in LIBVERS}
        made["chunks.h5"] = written({"w": np.arange(2048, dtype="<f4")}, chunks=(1024,))
        return {**made, "tied.h5": tied(), "compact.h5": compact("small", WEIGHTS), "timed.h5": timed(1)}


def timed(stamp: int) -> bytes:
    """A file that tells when its dataset was changed; the second of the day is put in by hand."""
    content = written({"w": WEIGHTS}, track_times=True)
    like = template(READER, content)
    [place] = READER.find_derived(like)
    return content[: place.offset] + stamp.to_bytes(4, "little") + content[place.offset + 4 :]


@pytest.mark.parametrize("libver", LIBVERS)
def test_every_version_of_the_file_format_is_read(libver: str) -> None:
    arrays: dict[str, NDArray[Any]] = {
        f"{group}/{name}": np.full((2, 3), index, "f4")
        for index, (group, name) in enumerate((group, name) for group in ("a/x", "b", "c") for name in ("k", "b"))
    }
    names = assert_as_h5py_reads(written(arrays, libver))
    assert sorted(names) == sorted(name.replace("/", ".") for name in arrays)


def test_groups_of_thousands_are_read() -> None:
    arrays: dict[str, NDArray[Any]] = {f"layer{index:04}": np.full(3, index, "<i4") for index in range(3000)}
    assert sorted(assert_as_h5py_reads(written(arrays))) == sorted(arrays)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        *[(f"<{kind}", name) for kind, name in {"f2": "F16", "f4": "F32", "f8": "F64"}.items()],
        *[(f"<i{size}", f"I{8 * size}") for size in (1, 2, 4, 8)],
        *[(f"<u{size}", f"U{8 * size}") for size in (1, 2, 4, 8)],
        ("?", "BOOL"),
        ("<c8", "C64"),
        ("<c16", "C128"),
    ],
)
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_every_type(kind: str, dtype: str, libver: str) -> None:
    content = written({"w": np.arange(5).astype(kind)}, libver)
    assert_as_h5py_reads(content)
    assert spans(content)["w"].spec.dtype.name == dtype


@pytest.mark.parametrize(
    ("dtype", "fields", "bias", "stored"),
    [
        ("BF16", (15, 7, 8, 0, 7), 127, "803f00c0"),
        ("F8_E4M3", (7, 3, 4, 0, 3), 7, "38c0"),
        ("F8_E5M2", (7, 2, 5, 0, 2), 15, "3cc0"),
    ],
)
def test_small_floats_are_known_by_where_their_bits_are(
    dtype: str, fields: tuple[int, ...], bias: int, stored: str
) -> None:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(*fields)
    kind.set_ebias(bias)
    kind.set_precision(fields[0] + 1)
    kind.set_size((fields[0] + 1) // 8)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        made = h5py.h5d.create(file.id, b"w", kind, h5py.h5s.create_simple((2,)))
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([1, -2], "f4"))
    span = spans(buffer.getvalue())["w"]
    assert span.spec.dtype.name == dtype
    assert buffer.getvalue()[span.offset : span.offset + span.size] == bytes.fromhex(stored)


@pytest.mark.parametrize(
    ("libver", "array"), [("earliest", np.arange(3, dtype="<i4")), ("earliest", np.array(2.5)), ("v108", np.ones(2))]
)
def test_compact_datasets(libver: str, array: NDArray[Any]) -> None:
    content = compact("small", array, libver)
    names = assert_as_h5py_reads(content)
    if libver == "earliest":
        assert sorted(names) == ["beside", "small"]
    else:
        assert (names, reasons(content)) == (["beside"], {"small": "in a header with a checksum"})


def test_links_to_one_dataset_are_its_names_and_a_group_is_entered_once() -> None:
    [span] = READER.spans(BytesSource(tied()))
    assert names_of([span]) == ["again.kernel", "decoder.kernel"]
    assert_as_h5py_reads(tied())


LARGE = np.arange(60_000, dtype="<f4").reshape(300, 200)


def chunk_of(array: NDArray[Any], index: Sequence[int], shape: Sequence[int]) -> NDArray[Any]:
    """What of the array lies in a chunk."""
    return array[tuple(slice(at * size, (at + 1) * size) for at, size in zip(index, shape, strict=True))]


@pytest.mark.parametrize("libver", ["earliest", "v108"])
@pytest.mark.parametrize("shape", [(40, 30), (300, 8), (7, 200)])
def test_each_chunk_is_a_tensor_with_what_h5py_reads_there(shape: tuple[int, int], libver: str) -> None:
    """Those at the edges are filled up."""
    content = written({"w": LARGE}, libver, chunks=shape)
    found = READER.spans(BytesSource(content))
    assert len(found) == math.prod(-(-size // step) for size, step in zip(LARGE.shape, shape, strict=True))
    for span in found:
        name, word, *index = span.name.split(".")
        assert (name, word, span.spec.shape) == ("w", "chunks", shape)
        wanted = chunk_of(LARGE, list(map(int, index)), shape)
        stored = np.frombuffer(content, "<f4", span.spec.elements, span.offset).reshape(shape)
        assert np.array_equal(stored[tuple(slice(size) for size in wanted.shape)], wanted), span.name


@pytest.mark.parametrize("settings", [{"chunks": (300, 200)}, {"maxshape": (None, 200), "chunks": (300, 200)}])
def test_one_chunk_that_is_all_of_it_is_the_dataset(settings: dict[str, Any]) -> None:
    content = written({"w": LARGE}, **settings)
    [span] = READER.spans(BytesSource(content))
    assert (span.name, content[span.offset :][: span.size]) == ("w", LARGE.tobytes())


def test_chunks_that_were_never_written_are_not_there() -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        made = file.create_dataset("w", (300, 200), "<f4", chunks=(100, 100))
        made[150:250, 50:60] = 1
        file["tied"] = made
        file.create_dataset("none", (300, 200), "<f4", chunks=(100, 100))
    found = READER.spans(BytesSource(buffer.getvalue()))
    assert [span.name for span in found] == ["tied.chunks.1.0", "tied.chunks.2.0"]
    assert [view.name for span in found for view in span.views] == ["w.chunks.1.0", "w.chunks.2.0"]


def test_other_values_make_chunks_that_h5py_reads() -> None:
    content, other = (written({"w": array}, chunks=(50, 60)) for array in (LARGE, LARGE * 2))
    values = contents(READER, other)
    made = build_like(READER, parts_of(template(READER, content).spans, values), content, values)
    with h5py.File(io.BytesIO(made)) as file:
        assert np.array_equal(file["w"][()], LARGE * 2)


@pytest.mark.parametrize(
    ("array", "settings", "reason"),
    [
        (WEIGHTS, {"chunks": (1, 4)}, "chunks"),
        (WEIGHTS, {"chunks": (1, 4), "compression": "gzip"}, "chunks"),
        (np.zeros((10_001, 1024), "<f4"), {"chunks": (1, 1024)}, "many"),
        (np.zeros(2048, "<f4"), {"chunks": (1024,), "shuffle": True}, "chunks"),
        (np.zeros(2048, "<f4"), {"chunks": (1024,), "fletcher32": True}, "chunks"),
        (WEIGHTS.astype(">f4"), {}, "no numbers"),
        (WEIGHTS.astype(">i4"), {}, "no numbers"),
        (np.zeros(2, [("x", "f4"), ("y", "i4")]), {}, "no numbers"),
        (np.zeros(2, [("r", "f4"), ("j", "f4")]), {}, "no numbers"),
        (np.array([b"ab", b"c"]), {}, "no numbers"),
        (np.zeros(2, "V2"), {}, "no numbers"),
    ],
)
def test_what_is_not_in_one_piece_stays_in_the_frame_and_is_told_of(
    array: NDArray[Any], settings: dict[str, Any], reason: str
) -> None:
    content = written({"w": array}, **settings)
    assert spans(content) == {}
    assert reason in reasons(content)["w"]


def test_what_was_never_written_has_no_bytes() -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("never", shape=(5,), dtype="<f4")
        file.create_dataset("none", shape=(0, 3), dtype="<f4")
        file["null"] = h5py.Empty("f4")
        file["w"] = WEIGHTS
    assert list(spans(buffer.getvalue())) == ["w"]
    assert reasons(buffer.getvalue()) == {"never": "never written"}


def test_data_in_another_file_is_not_in_this_one(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("far", data=WEIGHTS, external=[(tmp_path / "far.bin", 0, h5py.h5f.UNLIMITED)])
        file["near"] = WEIGHTS
    content = (tmp_path / "m.h5").read_bytes()
    assert list(spans(content)) == ["near"]
    assert reasons(content) == {"far": "in another file"}


def test_a_committed_type_stays_in_the_frame() -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["kind"] = np.dtype("<f4")
        file.create_dataset("w", data=WEIGHTS, dtype=file["kind"])
    assert spans(buffer.getvalue()) == {}
    assert "elsewhere" in reasons(buffer.getvalue())["w"]


def test_what_keras_wrote() -> None:
    names = assert_as_h5py_reads(LEGACY.read_bytes())
    assert len(names) == 22
    assert "model_weights.dense.sequential.dense.kernel" in names
    assert reasons(LEGACY.read_bytes()) == {}


def test_it_is_known_by_its_content() -> None:
    content = written({"w": WEIGHTS})
    assert detect_format(BytesSource(content), content, "weights").format == "hdf5"


def test_datasets_are_passed_by() -> None:
    source = MemorySource(written({"w": np.zeros(1 << 20, "f4")}))
    READER.spans(source)
    assert sum(end - start for start, end in source.reads) < 1 << 12


def test_when_it_was_changed_is_nobodys_news() -> None:
    first, second = (template(READER, timed(stamp)) for stamp in (1, 2))
    assert first.runs != second.runs
    guarded = GuardedFormat("hdf5", READER)
    assert cut_derived(guarded, first) == cut_derived(guarded, second)
    assert READER.read_facts(first) == READER.read_facts(second)


def test_another_attribute_is_news() -> None:
    buffer = io.BytesIO(written({"w": WEIGHTS}))
    with h5py.File(buffer, "r+") as file:
        file["w"].attrs["unit"] = "m"
    facts = [READER.read_facts(template(READER, one)) for one in (written({"w": WEIGHTS}), buffer.getvalue())]
    assert facts[0].keys() == facts[1].keys() == {"structure"}
    assert facts[0] != facts[1]


def test_other_datasets_are_refused_with_the_reason() -> None:
    like = template(READER, written({"v": WEIGHTS, "w": WEIGHTS}))
    with pytest.raises(FormatError, match="where each lies"):
        READER.build(parts_of(like.spans, {"v": b"", "w": b""})[1:], like)
