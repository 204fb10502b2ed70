"""Pickles as the users of NumPy and joblib write them: arrays are tensors where a protocol leaves their bytes alone."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest

from git_theta.errors import FormatError
from git_theta.formats.base import Format, Span
from git_theta.formats.detect import OPAQUE, detect_format
from git_theta.formats.pickle.pickle_format import PickleFormat
from git_theta.testing.formats import FormatLaws
from tests.formats.sources import BytesSource, names_of

# pickletools warns about odd escapes in text opcodes; a warning is no way to fail.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WEIGHTS = np.arange(12, dtype="<f4").reshape(3, 4)


class Estimator:
    """As an estimator of scikit-learn: arrays, numbers and texts are attributes."""

    def __init__(self, scale: float = 1.0) -> None:
        self.coef_ = WEIGHTS * scale
        self.classes_ = np.array(["cat", "dog"])
        self.n_iter_ = np.arange(3, dtype="<i4")
        self.alpha = 0.5
        self.steps = [("pca", {"components": np.asfortranarray(WEIGHTS.astype("f8"))}), ("none", None)]


def dumped(value: Any, protocol: int = 4) -> bytes:
    return pickle.dumps(value, protocol=protocol)


def joblib_dumped(value: Any) -> bytes:
    file = io.BytesIO()
    joblib.dump(value, file)
    return file.getvalue()


WRITERS = {
    "3.pkl": lambda value: dumped(value, 3),
    "4.pkl": dumped,
    "5.pkl": lambda value: dumped(value, 5),
    "m.joblib": joblib_dumped,
}


class TestPickleFormat(FormatLaws):
    def make_format(self) -> Format:
        return PickleFormat()

    def samples(self) -> Mapping[str, bytes]:
        values = {f"model-{name}": write(Estimator()) for name, write in WRITERS.items()}
        return {**values, "array.pkl": dumped(WEIGHTS), "none.pkl": dumped({"step": 1}), "more.joblib": OBJECTS}


OBJECTS = joblib_dumped({"x": np.array([{"a": 1}, None], object), "after": WEIGHTS, "step": 1})


def spans(content: bytes) -> dict[str, Span]:
    return {span.name: span for span in PickleFormat().spans(BytesSource(content))}


def loaded(content: bytes, span: Span) -> np.ndarray:
    flat = np.frombuffer(
        content, {"F32": "<f4", "F64": "<f8", "I32": "<i4"}[span.spec.dtype.name], span.spec.elements, span.offset
    )
    [window] = span.views or [None]
    shape = window.spec.shape if window else span.spec.shape
    return flat.reshape(shape, order="F" if window else "C")


@pytest.mark.parametrize("writer", WRITERS)
def test_arrays_of_numbers_are_found_wherever_they_are(writer: str) -> None:
    model = Estimator()
    content = WRITERS[writer](model)
    found = spans(content)
    assert sorted(found) == ["coef_", "n_iter_", "steps.0.1.components"]
    for name, array in (("coef_", model.coef_), ("n_iter_", model.n_iter_), ("steps.0.1.components", WEIGHTS)):
        assert np.array_equal(loaded(content, found[name]), array), name


def test_arrays_of_many_bytes_are_passed_by() -> None:
    content = dumped({"w": np.zeros(1 << 20), "b": np.ones(3)})
    source = BytesSource(content)
    assert names_of(PickleFormat().spans(source)) == ["w", "b"]
    assert sum(size for _, size in source.reads) < 1 << 18


def test_one_array_under_two_names_is_tied() -> None:
    content = dumped({"a": WEIGHTS, "b": [WEIGHTS]})
    [span] = spans(content).values()
    assert (span.name, [view.name for view in span.views]) == ("a", ["b.0"])


def test_an_array_of_objects_is_a_pickle_of_its_own() -> None:
    assert list(spans(OBJECTS)) == ["after"]


@pytest.mark.parametrize(
    "array", [WEIGHTS.astype(">f4"), np.zeros(2, [("x", "f4"), ("y", "i4")]), np.array(["2024"], "M8[D]")]
)
@pytest.mark.parametrize("writer", WRITERS)
def test_arrays_of_what_is_no_number_stay_in_the_frame(writer: str, array: np.ndarray) -> None:
    assert list(spans(WRITERS[writer]({"no": array, "w": WEIGHTS}))) == ["w"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (dumped(1) + dumped(2), "several in one"),
        (dumped(WEIGHTS)[:-1], "ends"),
        (dumped({"a": "x" * (25 << 20)}), "more than"),
    ],
)
def test_what_cannot_be_read_is_kept_whole_with_the_reason(content: bytes, reason: str) -> None:
    found = detect_format(BytesSource(content), content[: 1 << 20], "m.pkl")
    assert (found.format, found.spans) == (OPAQUE, ())
    assert reason in found.problem


def test_a_compressed_one_is_none_of_ours(tmp_path: Path) -> None:
    joblib.dump(WEIGHTS, tmp_path / "m.joblib", compress=3)
    content = (tmp_path / "m.joblib").read_bytes()
    assert detect_format(BytesSource(content), content, "m.joblib").warnings == []


def test_nothing_is_imported_or_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (os.fspath(tmp_path / "ran"),)

    assert list(spans(dumped({"w": WEIGHTS, "x": Evil()}))) == ["w"]
    assert not (tmp_path / "ran").exists()


def test_protocol_2_has_no_bytes_to_find() -> None:
    content = dumped({"w": WEIGHTS}, 2)
    assert detect_format(BytesSource(content), content, "m.pkl").format == OPAQUE


def test_an_endless_line_is_refused() -> None:
    with pytest.raises(FormatError):
        PickleFormat().spans(BytesSource(b"\x80\x03c" + b"x" * (1 << 20)))
