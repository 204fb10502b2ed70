"""Archives of Keras."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import h5py
import pytest

from git_theta.errors import FormatError
from git_theta.formats.base import Format
from git_theta.formats.building import cut_derived
from git_theta.formats.detect import OPAQUE, detect_format
from git_theta.formats.guarded_format import GuardedFormat
from git_theta.formats.hdf5.keras_format import KerasFormat
from git_theta.testing.formats import FormatLaws
from tests.formats.built_files import built as build_like
from tests.formats.built_files import contents, parts_of, template
from tests.formats.hdf5.hdf5_files import KERAS, WEIGHTS, archived, compact, written
from tests.formats.sources import BytesSource, names_of

READER = KerasFormat()


class TestKerasFormat(FormatLaws):
    def make_format(self) -> Format:
        return READER

    def samples(self) -> Mapping[str, bytes]:
        return {
            "m.keras": archived(written({"layers/dense/vars/0": WEIGHTS, "step": WEIGHTS[0]})),
            "compact.keras": archived(compact("small", WEIGHTS)),
        }


def test_what_keras_wrote_is_as_h5py_reads_it() -> None:
    content = KERAS.read_bytes()
    found = READER.spans(BytesSource(content))
    assert len(names_of(found)) == 22
    with zipfile.ZipFile(KERAS) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
        for span in found:
            assert weights[span.name.replace(".", "/")][()].tobytes() == content[span.offset :][: span.size], span.name


def test_other_values_make_an_archive_whose_checksums_hold() -> None:
    content = KERAS.read_bytes()
    values = {name: bytes(byte ^ 1 for byte in value) for name, value in contents(READER, content).items()}
    made = build_like(READER, parts_of(template(READER, content).spans, values), content, values)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.testzip() is None
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
            assert weights["layers/dense/vars/0"][()].tobytes() == values["layers.dense.vars.0"]


def test_when_it_was_saved_is_nobodys_news() -> None:
    weights = written({"w": WEIGHTS})
    first, second = (template(READER, archived(weights, date=f"2026-11-29@10:06:0{at}")) for at in (1, 2))
    guarded = GuardedFormat("keras", READER)
    assert first.runs != second.runs
    assert cut_derived(guarded, first) == cut_derived(guarded, second)
    assert READER.read_facts(first) == READER.read_facts(second)


def test_the_configuration_is_told_by_itself() -> None:
    facts = READER.read_facts(template(READER, KERAS.read_bytes()))
    assert set(facts) == {"metadata.json", "config.json", "structure of model.weights.h5"}
    assert (facts["metadata.json"].plain, facts["config.json"].plain) == (True, False)


def test_it_is_known_by_its_content() -> None:
    content = KERAS.read_bytes()
    assert detect_format(BytesSource(content), content, "best").format == "keras"


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # of 1980, not of now: its bytes name a test
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (archived(written({"w": WEIGHTS}), zipfile.ZIP_DEFLATED), "not compressed"),
        (zipped(a=b""), "not compressed"),
        (archived(written({"w": WEIGHTS})[:-1]), "cut"),
        (archived(b""), "superblock"),
    ],
)
def test_what_cannot_be_read_is_kept_whole_with_the_reason(content: bytes, reason: str) -> None:
    found = detect_format(BytesSource(content), content, "m.keras")
    assert (found.format, found.refused_by) == (OPAQUE, "keras")
    assert reason in found.problem


def test_other_variables_are_refused() -> None:
    like = template(READER, KERAS.read_bytes())
    with pytest.raises(FormatError, match="other variables"):
        READER.build(parts_of(like.spans, dict.fromkeys((span.name for span in like.spans), b""))[1:], like)
