"""Archives of exported programs."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch

from git_theta.errors import FormatError
from git_theta.formats.base import Format
from git_theta.formats.detect import OPAQUE, detect_format
from git_theta.formats.torch.pt2_format import Pt2Format
from git_theta.testing.formats import FormatLaws
from tests.formats.built_files import built as build_like
from tests.formats.built_files import contents, parts_of, template
from tests.formats.sources import BytesSource, names_of
from tests.formats.torch.exported_programs import exported, loaded

READER = Pt2Format()
CONFIG = "data/weights/model_weights_config.json"


class TestPt2Format(FormatLaws):
    def make_format(self) -> Format:
        return READER

    def samples(self) -> Mapping[str, bytes]:
        return {"m.pt2": exported(), "other.bin": exported(first__weight=2.0)}


def read_tensor(content: bytes, name: str) -> torch.Tensor:
    """What a span or one of its views says a tensor is."""
    for span in READER.spans(BytesSource(content)):
        views = {view.name: view for view in span.views}
        if name in (span.name, *views):
            view = views.get(name)
            spec = view.spec if view else span.spec
            flat = torch.frombuffer(
                bytearray(content[span.offset :][: span.size]), dtype=getattr(torch, spec.dtype.torch)
            )
            if view and view.stride is not None:
                return torch.as_strided(flat, spec.shape, view.stride, view.offset)
            return flat.reshape(spec.shape)
    raise AssertionError(name)


def test_tensors_are_as_torch_loads_them() -> None:
    content = exported()
    tensors = loaded(content)
    assert {"second.weight", "tied", "scale", "turned", "steps"} < tensors.keys()
    assert set(names_of(READER.spans(BytesSource(content)))) == tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(read_tensor(content, name), tensor.detach()), name


def test_other_values_make_a_program_that_torch_loads_and_runs() -> None:
    content = exported()
    values = contents(READER, exported(first__weight=2.0, second__bias=0.5))
    made = build_like(READER, parts_of(template(READER, content).spans, values), content, values)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.testzip() is None
    wanted = torch.export.load(io.BytesIO(exported(first__weight=2.0, second__bias=0.5))).module()
    found = torch.export.load(io.BytesIO(made)).module()
    assert torch.equal(found(torch.ones(2, 4)), wanted(torch.ones(2, 4)))


def test_what_the_file_is_called_is_nobodys_news() -> None:
    first, second = (template(READER, exported(name)) for name in ("m.pt2", "another_name.pt2"))
    assert READER.read_facts(first) == READER.read_facts(second)


def test_the_program_is_no_plain_value() -> None:
    facts = READER.read_facts(template(READER, exported()))
    assert not facts["models/model.json (member)"].plain
    assert not facts["data/sample_inputs/model.pt (member)"].plain
    assert facts[f"{CONFIG} (member)"].plain
    assert not any("weight_" in key or "serialization_id" in key for key in facts)


@pytest.mark.parametrize("path", ["m.pt2", "weights"])
def test_it_is_known_by_its_content(path: str) -> None:
    content = exported()
    assert detect_format(BytesSource(content), content, path).format == "pt2"


def zipped(change: Callable[[dict[str, bytes]], Any], method: int = zipfile.ZIP_STORED) -> bytes:
    """The archive with other members."""
    with zipfile.ZipFile(io.BytesIO(exported())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def configured(**changes: Any) -> bytes:
    """The archive in which the file that lists the weights says something else of ``first.weight``."""

    def change(members: dict[str, bytes]) -> None:
        config = json.loads(members[f"m/{CONFIG}"])
        meta = config["config"]["first.weight"]
        meta.update({key: value for key, value in changes.items() if key in meta})
        if meta["tensor_meta"]:
            meta["tensor_meta"].update({key: value for key, value in changes.items() if key not in meta})
        members[f"m/{CONFIG}"] = json.dumps(config).encode()

    return zipped(change)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped(lambda members: members.pop("m/archive_format")), "does not say its format"),
        (zipped(lambda members: members.update({"m/byteorder": b"big"})), "not little-endian"),
        (zipped(lambda members: members.update({f"m/{CONFIG}": b"[" * 100_000})), "cannot be read"),
        (zipped(lambda members: members.update({f"m/{CONFIG}": b"\xff"})), "cannot be read"),
        (zipped(lambda members: members.update({f"m/{CONFIG}": b"[]"})), "cannot be read"),
        (zipped(lambda members: None, zipfile.ZIP_DEFLATED), "compressed"),
        (configured(sizes=[{"as_int": -1}] * 2), "dimension"),
        (configured(sizes=[{"as_int": 4}]), "strides"),
        (configured(sizes=[{"as_int": 1}] * 65, strides=[{"as_int": 1}] * 65), "at most"),
        (exported()[:-1], "end"),
    ],
)
def test_what_cannot_be_read_is_kept_whole_with_the_reason(content: bytes, reason: str) -> None:
    found = detect_format(BytesSource(content), content, "m.pt2")
    assert (found.format, found.refused_by) == (OPAQUE, "pt2")
    assert re.search(reason, found.problem), found.problem


@pytest.mark.parametrize(
    "changes",
    [
        {"use_pickle": True},
        {"use_pickle": None},
        {"path_name": "weight_99"},
        {"path_name": 7},
        {"path_name": "../archive_format"},
        {"layout": 1},
        {"dtype": 99},
        {"dtype": "7"},
        {"sizes": [{"as_expr": "s0"}, {"as_int": 4}]},
        {"sizes": "8, 4"},
        {"sizes": [{"as_int": 8}, {"as_int": 5}]},
        {"storage_offset": {"as_int": 1}},
        {"storage_offset": None},
        {"tensor_meta": None},
    ],
)
def test_a_tensor_that_is_not_plainly_there_stays_in_the_frame(changes: dict[str, Any]) -> None:
    found = names_of(READER.spans(BytesSource(configured(**changes))))
    assert "first.weight" not in found
    assert {"first.bias", "second.weight", "scale"} < set(found)


def test_an_archive_without_weights_is_kept_whole() -> None:
    def drop(members: dict[str, bytes]) -> None:
        for name in [name for name in members if name.endswith("_config.json")]:
            del members[name]

    found = detect_format(BytesSource(zipped(drop)), zipped(drop), "m.pt2")
    assert "compiled programs have them in their code" in found.problem


def test_several_models_have_names_behind_theirs() -> None:
    def double(members: dict[str, bytes]) -> None:
        members["m/data/weights/draft_weights_config.json"] = members[f"m/{CONFIG}"].replace(b"weight_0", b"weight_x")
        members["m/data/weights/weight_x"] = members["m/data/weights/weight_0"]

    found = names_of(READER.spans(BytesSource(zipped(double))))
    assert {"model.first.bias", "draft.first.bias"} < set(found)


def test_other_tensors_are_refused() -> None:
    like = template(READER, exported())
    with pytest.raises(FormatError, match="other parameters"):
        READER.build(parts_of(like.spans, dict.fromkeys((span.name for span in like.spans), b""))[1:], like)
