"""Built torch archives, against torch and ``zipfile``."""

from __future__ import annotations

import collections
import copy
import io
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from git_theta.errors import FormatError
from git_theta.formats.base import Part, SpanView
from git_theta.formats.building import read_checksums
from git_theta.formats.guarded_format import GuardedFormat
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from tests.effort import choose_tries
from tests.formats.built_files import build_parts, built, contents, like_that, make_part, parts_of, template
from tests.formats.sources import spans_or_refusal
from tests.formats.test_real_checkpoints import PUBLISHED, published
from tests.formats.torch.test_torch_format import Net
from tests.formats.torch_files import READER, filled, flattened, saved, spans_of, storage_tensor
from tests.fuzzing.damage import damaged

F32 = BY_NAME["F32"]


def loaded(data: bytes) -> Any:
    """What torch makes of it without running code; the archive's own checksums hold."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.testzip() is None
    return torch.load(io.BytesIO(data), weights_only=True)


def assert_holds(found: object, expected: object) -> None:
    """Both hold the same tensors by name: dtypes, shapes, strides, bytes and ties."""
    ours, theirs = flattened(found), flattened(expected)
    assert sorted(ours) == sorted(theirs)
    for name, tensor in theirs.items():
        assert (ours[name].dtype, ours[name].shape) == (tensor.dtype, tensor.shape)
        assert ours[name].stride() == tensor.stride() or not tensor.numel()
        assert torch.equal(storage_tensor(ours[name]), storage_tensor(tensor))
    assert _ties(ours) == _ties(theirs)


def _ties(tensors: Mapping[str, torch.Tensor]) -> list[list[str]]:
    """The names on each storage; torch loads tensors without elements untied."""
    names: dict[int, list[str]] = {}
    for name in sorted(name for name, tensor in tensors.items() if tensor.numel()):
        names.setdefault(tensors[name].untyped_storage()._cdata, []).append(name)
    return list(names.values())


def without_id(data: bytes) -> bytes:
    """``data`` but for the hash of its contents, which nothing reads, and that hash's CRC."""
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        info = next(info for info in opened.infolist() if info.filename.endswith("serialization_id"))
        content = opened.read(info)
    return data.replace(content, bytes(len(content))).replace(info.CRC.to_bytes(4, "little"), bytes(4))


def training_checkpoint(width: int = 4) -> dict[str, Any]:
    model = torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.Linear(width, 2))
    optimizer = torch.optim.Adam(model.parameters(), amsgrad=True)
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "best": (0.5, None, "x")}


BASE = torch.arange(12.0)
CHECKPOINTS: dict[str, Callable[[], Any]] = {
    "a state dict": lambda: Net().state_dict(),
    "training": training_checkpoint,  # for a first optimizer torch imports its compiler: 3 s
    "tied and strided": lambda: {
        "w": BASE,
        "t": BASE.reshape(3, 4).t(),
        "tail": BASE[8:],
        "only": torch.arange(9.0)[2:4],
    },
    "dtypes": lambda: {
        str(dtype): filled(dtype, 2, 3)
        for dtype in (torch.bfloat16, torch.float8_e5m2, torch.uint16, torch.complex64, torch.bool, torch.int8)
    },
    "0-d and empty": lambda: {
        "scalar": torch.tensor(3.0),
        "none": torch.empty(0, 3),
        "fp8": filled(torch.float8_e4m3fn),
    },
    "parameters": lambda: {"p": torch.nn.Parameter(torch.ones(2)), "frozen": torch.nn.Parameter(torch.ones(3), False)},
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_the_same_tensors_give_the_same_file(name: str) -> None:
    data = saved(CHECKPOINTS[name]())
    assert like_that(READER, data, data) == data


@pytest.mark.parametrize(("package", "file", "count"), PUBLISHED)
def test_published_checkpoints_are_built_as_they_were(package: str, file: str, count: int) -> None:
    data = published(package, file).read_bytes()
    assert like_that(READER, data, data) == data


@pytest.mark.parametrize(("package", "file", "count"), PUBLISHED)
def test_published_checkpoints_with_a_parameter_less(package: str, file: str, count: int) -> None:
    data = published(package, file).read_bytes()
    expected = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    gone = next(iter(expected))
    parts = [part for part in parts_of(template(READER, data).spans, contents(READER, data)) if part.name != gone]
    new = built(READER, parts, data, contents(READER, data))
    found = torch.load(io.BytesIO(new), weights_only=True, map_location="cpu")
    del expected[gone]
    assert_holds(found, expected)
    assert list(found) == list(expected)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_other_bytes_in_the_same_places(name: str) -> None:
    data = saved(CHECKPOINTS[name]())
    content = {key: bytes(byte ^ 1 for byte in old) for key, old in contents(READER, data).items()}
    new = built(READER, parts_of(template(READER, data).spans, content), data, content)
    loaded(new)
    assert contents(READER, new) == content
    assert len(new) == len(data)


def test_only_the_changed_tensors_bytes_and_crcs_change() -> None:
    data = saved({"a": torch.ones(4), "b": torch.zeros(4)})
    content = contents(READER, data) | {"b": bytes(range(16))}
    new = built(READER, parts_of(template(READER, data).spans, content), data, content)
    changed = sum(old != byte for old, byte in zip(data, new, strict=True))
    assert changed <= 15 + 4 + 4
    assert torch.equal(loaded(new)["a"], torch.ones(4))


def test_checksums_are_what_the_file_declares() -> None:
    data = saved({"a": torch.ones(4), "none": torch.empty(0), "b": torch.zeros(4)})
    declared = read_checksums(GuardedFormat("torch", READER), template(READER, data))
    assert declared == {
        (name, "crc32"): crc32(content).to_bytes(4, "little")
        for name, content in contents(READER, data).items()
        if content
    }


def test_a_file_without_checksums_gets_none() -> None:
    torch.serialization.set_crc32_options(False)
    try:
        data = saved({"a": torch.ones(4), "b": torch.ones(4)})
    finally:
        torch.serialization.set_crc32_options(True)
    like = template(READER, data)
    assert read_checksums(GuardedFormat("torch", READER), like) == {}
    parts = parts_of(like.spans, dict.fromkeys("ab", b"values that nobody may read"))
    assert build_parts(READER, parts, like) == list(like.runs)
    shorter = b"".join([*build_parts(READER, parts[:1], like)[:1], bytes(16), build_parts(READER, parts[:1], like)[1]])
    with zipfile.ZipFile(io.BytesIO(shorter)) as opened:
        assert {info.CRC for info in opened.infolist()} == {0}
    assert torch.equal(torch.load(io.BytesIO(shorter), weights_only=True)["a"], torch.zeros(4))


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_rebuilding_the_same_checkpoint_gives_what_torch_wrote(name: str) -> None:
    """The rebuilt pickle and archive are torch's own, byte for byte: only its hash of the contents is taken over."""
    checkpoint = CHECKPOINTS[name]()
    more = {"to be removed": torch.ones(3), **checkpoint} if type(checkpoint) is dict else copy.copy(checkpoint)
    more["also"] = torch.zeros(2)
    for wanted, old in ((checkpoint, more), (more, checkpoint)):
        new = like_that(READER, saved(wanted), saved(old))
        assert_holds(loaded(new), wanted)
        assert without_id(new) == without_id(saved(wanted))


def test_a_parameter_added_to_a_state_dict_comes_after_the_one_before() -> None:
    old = collections.OrderedDict([("a.weight", torch.ones(2)), ("c.weight", torch.zeros(2))])
    new = collections.OrderedDict(
        [("a.weight", torch.ones(2)), ("b.weight", filled(torch.bfloat16, 3, 2)), ("c.weight", torch.zeros(2))]
    )
    found = loaded(like_that(READER, saved(new), saved(old)))
    assert list(found) == list(new)
    assert type(found) is collections.OrderedDict
    assert_holds(found, new)


def test_what_is_no_tensor_stays() -> None:
    state = Net().state_dict()
    old = {"epoch": 3, "args": {"lr": -1e-3, "on": True, "big": -(1 << 70), "n": [1, [2], None]}, "net": state}
    new = {"net": {name: tensor for name, tensor in state.items() if name != "layers.0.bias"}}
    found = loaded(like_that(READER, saved(new), saved(old)))
    assert_holds(found["net"], new["net"])
    assert {key: value for key, value in found.items() if key != "net"} == {
        key: value for key, value in old.items() if key != "net"
    }
    assert found["net"]._metadata == state._metadata  # type: ignore[attr-defined]


def test_reshaped_and_retyped_parameters_keep_their_places_and_kind() -> None:
    old = {"p": torch.nn.Parameter(torch.ones(2)), "x": 1, "q": torch.ones(3), "s": torch.ones(2).requires_grad_()}
    new = {
        "p": torch.nn.Parameter(torch.ones(2, 5)),
        "q": filled(torch.float8_e5m2, 4),
        "s": torch.ones(3, dtype=torch.int64),
    }
    found = loaded(like_that(READER, saved(new), saved(old)))
    assert list(found) == ["p", "x", "q", "s"]
    assert isinstance(found["p"], torch.nn.Parameter)
    assert not found["s"].requires_grad
    assert_holds({name: found[name] for name in new}, new)


def test_ties_are_made_and_cut() -> None:
    shared = torch.arange(6.0)
    tied = {"a": shared, "x": torch.ones(2), "b": shared}
    cut = {"a": shared, "x": torch.ones(2), "b": torch.ones(6)}
    assert_holds(loaded(like_that(READER, saved(tied), saved(cut))), tied)
    assert_holds(loaded(like_that(READER, saved(cut), saved(tied))), cut)
    window = {"a": shared, "x": torch.ones(2), "b": shared[2:4], "c": shared.reshape(2, 3).t()}
    assert_holds(loaded(like_that(READER, saved(window), saved(tied))), window)


def test_ties_in_another_order_are_put_in_anew() -> None:
    shared = torch.arange(6.0)
    first, second = {"a": shared, "b": shared, "n": torch.ones(1)}, {"b": shared, "a": shared}
    assert list(loaded(like_that(READER, saved(second), saved(first)))) == ["b", "a"]


def test_one_object_under_two_names_stays_one() -> None:
    shared = torch.nn.Parameter(torch.ones(3))
    larger = torch.nn.Parameter(torch.ones(4))
    found = loaded(like_that(READER, saved({"a": larger, "b": larger}), saved({"a": shared, "b": shared})))
    assert found["a"] is found["b"]


def test_two_dtypes_on_one_storage() -> None:
    wide = torch.arange(4).to(torch.uint32)
    new = {"wide": wide, "narrow": wide.view(torch.uint16)}
    assert_holds(loaded(like_that(READER, saved(new), saved({"wide": torch.ones(1)}))), new)


def test_a_training_checkpoint_of_another_width() -> None:
    new, old = training_checkpoint(6), training_checkpoint(4)
    found = loaded(like_that(READER, saved(new), saved(old)))
    assert_holds(found, new)
    model = torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.Linear(6, 2))
    model.load_state_dict(found["model"])
    optimizer = torch.optim.Adam(model.parameters(), amsgrad=True)
    optimizer.load_state_dict(found["optimizer"])
    assert found["best"] == (0.5, None, "x")


def test_new_names_are_nested_as_the_checkpoint_nests() -> None:
    old = {
        "optimizer": {"state": {0: {"m": torch.ones(1)}}},
        "net": {"enc": {"w": torch.ones(2)}, "n": 1},
        "l": [torch.ones(1)],
    }
    new = {
        "optimizer": {"state": {0: {"m": torch.ones(1)}, 1: {"m": torch.ones(2), "v": torch.ones(3)}}},
        "net": {"enc": {"w": torch.ones(2), "b": torch.ones(4)}, "dec": {"w": torch.ones(5)}},
        "l": [torch.ones(1), torch.ones(6)],
    }
    found = loaded(like_that(READER, saved(new), saved(old)))
    assert found["net"].pop("n") == 1
    assert_holds(found, new)
    assert list(found["optimizer"]["state"]) == [0, 1]


def test_other_members_and_unread_storages_stay() -> None:
    data = saved({"a": torch.ones(40), "b": torch.zeros(3), "c": torch.ones(2)})
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as rewritten:
        for info in old.infolist():
            deflated = info.filename.endswith("/data/0")
            rewritten.writestr(info.filename, old.read(info), zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED)
        rewritten.writestr("archive/extra/n\u00f6te", b"kept")
    like = buffer.getvalue()
    parts = parts_of(template(READER, like).spans[1:], contents(READER, like))
    found = built(READER, parts, like, contents(READER, like))
    assert_holds(loaded(found), {"a": torch.ones(40), "c": torch.ones(2)})
    with zipfile.ZipFile(io.BytesIO(found)) as opened:
        assert opened.read("archive/extra/n\u00f6te") == b"kept"
        assert opened.getinfo("archive/data/0").compress_type == zipfile.ZIP_DEFLATED


@pytest.mark.parametrize("alignment", [64, 4096])
def test_storages_are_aligned_as_the_template_is(alignment: int) -> None:
    config = torch.utils.serialization.config.save
    before, config.storage_alignment = config.storage_alignment, alignment
    try:
        old, new = saved({"a": torch.ones(3), "b": torch.ones(5)}), saved({"a": torch.ones(7), "c": torch.ones(5)})
    finally:
        config.storage_alignment = before
    found = like_that(READER, new, old)
    assert without_id(found) == without_id(new)
    assert all(span.offset % alignment == 0 for span in spans_of(found))


def test_torch_can_predict_where_the_storages_lie(tmp_path: Path) -> None:
    config = torch.utils.serialization.config.load
    new = {"x": torch.ones(3), "a": torch.ones(7), "none": torch.empty(0), "c": filled(torch.uint16, 5)}
    data = like_that(READER, saved(new), saved({"a": torch.ones(3), "gone": torch.ones(2)}))
    (tmp_path / "m.pt").write_bytes(data)
    before, config.calculate_storage_offsets = config.calculate_storage_offsets, True
    try:
        assert_holds(torch.load(tmp_path / "m.pt", weights_only=True, mmap=True), new)
    finally:
        config.calculate_storage_offsets = before


def test_an_archive_beyond_4_gib_is_laid_out_as_torchs(tmp_path: Path) -> None:
    large = 5 << 30
    # Neither the memory nor the files are ever written to: both are holes.
    with torch.serialization.skip_data():
        torch.save({"large": torch.empty(large, dtype=torch.uint8), "small": torch.ones(3)}, tmp_path / "archive.pt")
    like = template(READER, saved({"small": torch.ones(3)}))
    parts = [make_part("large", Spec(BY_NAME["U8"], (large,))), make_part("small", Spec(F32, (3,)))]
    first, between, last = build_parts(READER, parts, like)
    assert (tmp_path / "archive.pt").stat().st_size == sum(map(len, (first, between, last))) + large + 12
    with (tmp_path / "archive.pt").open("rb") as expected:
        # torch leaves one of the sizes in the zip64 field before a large storage at 0.
        assert sum(old != byte for old, byte in zip(expected.read(len(first)), first, strict=True)) == 2
        expected.seek(large, 1)
        assert without_crcs(expected.read(len(between))) == without_crcs(between)
    with (tmp_path / "built.pt").open("wb") as file:
        file.write(first)
        file.seek(large, 1)
        file.write(between + bytes(12) + last)
    with zipfile.ZipFile(tmp_path / "built.pt") as opened:
        assert opened.getinfo("archive/data/0").file_size == large
    assert torch.equal(torch.load(tmp_path / "built.pt", weights_only=True, mmap=True)["small"], torch.zeros(3))


def without_crcs(data: bytes) -> bytes:
    """A data descriptor's CRC left out."""
    return re.sub(rb"(PK\x07\x08)....", rb"\1", data, flags=re.DOTALL)


class Custom:
    """An object that a checkpoint may hold."""

    def __init__(self) -> None:
        self.x = 1


def without(data: bytes, name: str) -> None:
    parts = [part for part in parts_of(template(READER, data).spans, contents(READER, data)) if part.name != name]
    build_parts(READER, parts, template(READER, data))


REFUSED: dict[str, tuple[Any, str, str]] = {
    "objects": ({"w": torch.ones(1), "o": Custom()}, "w", "NEWOBJ.*Custom"),
    "a model": (Net(), "embed.weight", "plain values"),
    "in a list": ({"l": [torch.ones(1), torch.ones(2)]}, "l.0", "out of a list"),
    "in a tuple": ({"t": (torch.ones(1), torch.ones(2))}, "t.0", "other than a dict or list"),
    "sparse": ({"s": torch.eye(2).to_sparse()}, "s.values", "other than a dict or list"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_rebuilt_is_refused_with_the_reason(case: str) -> None:
    value, name, reason = REFUSED[case]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = saved(value)
    assert like_that(READER, data, data) == data
    with pytest.raises(FormatError, match=reason):
        without(data, name)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_other_protocols_are_read_and_protocol_2_is_written(protocol: int) -> None:
    new = {"b": torch.zeros(2), "c": torch.ones(1)}
    data = saved({"a": torch.ones(2, 3), "b": torch.zeros(2)}, pickle_protocol=protocol)
    assert_holds(loaded(like_that(READER, saved(new), data)), new)
    with pytest.raises(FormatError, match="BINBYTES"):
        without(saved({"a": torch.ones(1), "bytes": b"x"}, pickle_protocol=protocol), "a")


def test_a_torchscript_archive_takes_other_bytes_only(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Net()).save(tmp_path / "m.pt")  # type: ignore[no-untyped-call]
    data = (tmp_path / "m.pt").read_bytes()
    content = {name: bytes(len(old)) for name, old in contents(READER, data).items()}
    new = built(READER, parts_of(template(READER, data).spans, content), data, content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = torch.jit.load(io.BytesIO(new))  # type: ignore[no-untyped-call]
    assert not any(tensor.any() for tensor in module.state_dict().values())
    with pytest.raises(FormatError, match="TorchScript"):
        without(data, "embed.weight")


@pytest.mark.parametrize(
    ("value", "part", "reason"),
    [
        ({"w": torch.ones(1), "x": 3}, make_part("x", Spec(F32, (1,))), "something else"),
        ({"w": torch.ones(1), "x": {"y": torch.ones(1)}}, make_part("w.z", Spec(F32, (1,))), "something else"),
        ({"w": torch.ones(1), "state": {}}, make_part("state.0.m", Spec(F32, (1,))), "empty"),
        ({"w": torch.ones(1), "l": [torch.ones(1)]}, make_part("l.5", Spec(F32, (1,))), "at its end"),
        (torch.ones(1), make_part("w", Spec(F32, (1,))), "no dict"),
        ({"w": torch.ones(1)}, make_part("q", Spec(BY_NAME["QINT8"], (1,))), "QINT8"),
        ({"w": torch.ones(1)}, make_part("f", Spec(BY_NAME["F4"], (2,))), "F4"),
        (
            {"w": torch.ones(1)},
            make_part("v", Spec(F32, (1,)), views=(SpanView("u", Spec(F32, (9,))),)),
            "next to the others",
        ),
    ],
)
def test_what_has_no_place_is_refused(value: object, part: Part, reason: str) -> None:
    data = saved(value)
    parts = [*parts_of(template(READER, data).spans, contents(READER, data)), part]
    with pytest.raises(FormatError, match=reason) as refusal:
        build_parts(READER, parts, template(READER, data))
    assert refusal.value.parameter


def test_conjugates_cannot_change_their_shape() -> None:
    old, new = {"c": filled(torch.complex64, 2).conj()}, {"c": filled(torch.complex64, 3)}
    with pytest.raises(FormatError, match="more than a plain tensor"):
        like_that(READER, saved(new), saved(old))


def test_a_frame_of_another_file_is_refused() -> None:
    one, other = template(READER, saved({"a": torch.ones(4)})), template(READER, saved({"long": torch.ones(400)}))
    with pytest.raises(FormatError):
        build_parts(READER, [], one._replace(spans=other.spans))


DAMAGED = saved({"a": torch.ones(4), "n": {"b": torch.nn.Parameter(torch.ones(2)), "x": 1}, "c": torch.ones(1)})


@settings(max_examples=choose_tries(few=120, many=500), deadline=None)
@given(draw=st.data())
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_damaged_template_is_built_like_or_refused(draw: st.DataObject) -> None:
    data = draw.draw(damaged(DAMAGED))
    if spans_or_refusal(READER, data) is None:
        return
    like = template(READER, data)
    parts = [part for part in parts_of(like.spans, contents(READER, data)) if part.name != "a"]
    new = make_part("n.d", Spec(F32, (2,)))
    try:
        runs = build_parts(READER, [*parts, new], like)
    except FormatError as error:
        assert error.message
    else:
        assert len(runs) == len(parts) + 2


DTYPES = [torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.int64, torch.uint16, torch.bool]
TENSORS = st.builds(
    lambda dtype, shape: filled(dtype, *shape), st.sampled_from(DTYPES), st.lists(st.integers(0, 3), max_size=3)
)
NAMES = st.sampled_from(["a", "b", "layer.0.weight", "layer.0.bias", "layer.1.weight", "head.weight", "\u00fc.x"])
FLAT = st.dictionaries(NAMES, TENSORS, max_size=6)


@st.composite
def states(draw: st.DrawFn) -> Mapping[str, Any]:
    """A state dict, flat or in a training checkpoint, some of its names tied or windows."""
    state = collections.OrderedDict(draw(FLAT))
    for name in draw(st.lists(NAMES, max_size=2)):
        if state and name not in state:
            shared = draw(st.sampled_from(sorted(state)))
            state[name] = state[shared] if draw(st.booleans()) else state[shared].flatten()[1:]
    return state


@settings(max_examples=choose_tries(few=60, many=200), deadline=None)
@given(old=states(), new=states(), keep=st.booleans(), wrapped=st.booleans())
def test_any_parameters_like_any_checkpoint(
    old: dict[str, Any], new: dict[str, Any], keep: bool, wrapped: bool
) -> None:
    new = collections.OrderedDict({**old, **new}) if keep else new
    whole = [{"epoch": 1, "net": state, "lr": 0.5} if wrapped else state for state in (old, new)]
    data = like_that(READER, saved(whole[1]), saved(whole[0]))
    assert_holds(loaded(data), whole[1])
    assert [span[:2] for span in spans_of(data)] == [span[:2] for span in spans_of(saved(whole[1]))]


def test_arrays_in_the_pickle_are_replaced_and_its_checksum_follows_from_all_of_them() -> None:
    state = {"w": torch.zeros(3), "x": np.zeros(40_000, "<f4"), "y": np.zeros((2, 3), "<i4"), "step": 3}
    data = saved(state, pickle_protocol=4)
    like = template(READER, data)
    content = {span.name: span.name.encode() * span.size for span in like.spans}
    parts = parts_of(like.spans, content)
    found = built(READER, parts, data, content)
    with zipfile.ZipFile(io.BytesIO(found)) as opened:
        assert opened.testzip() is None
    made = torch.load(io.BytesIO(found), weights_only=False)
    assert {name: bytes(made[name].data.tobytes()) for name in "xy"} == {"x": b"x" * 160_000, "y": b"y" * 24}
    assert made["step"] == 3
    with pytest.raises(FormatError, match="arrays of NumPy"):
        build_parts(READER, parts[:-1], like)
