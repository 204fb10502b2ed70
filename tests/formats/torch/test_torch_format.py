"""The torch format against what the real torch writes."""

from __future__ import annotations

import collections
import io
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from git_theta.errors import FormatError
from git_theta.formats.base import SpanView
from git_theta.tensors.dtypes import BY_NAME, BY_TORCH
from git_theta.tensors.spec import Spec
from tests.formats.sources import BytesSource, FileSource, names_of
from tests.formats.torch_files import (
    READER,
    assert_faithful,
    filled,
    flattened,
    saved,
    spans_of,
    storage_bytes,
    windows,
)

F32 = BY_NAME["F32"]
QUANTIZED = {"qint8", "quint8", "qint32"}
PACKED = {"quint4x2", "quint2x4"}
# torch 2.13 declares these and cannot make a storage of them.
UNWRITABLE = {f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8)}


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(5, 4)
        self.layers = torch.nn.ModuleList([torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4)])
        self.head = torch.nn.Linear(4, 5, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("table", torch.arange(6).reshape(2, 3).t())
        self.plain = torch.full((2,), 7.0)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        hidden = self.embed(tokens)
        for layer in self.layers:
            hidden = layer(hidden)
        return torch.nn.functional.linear(hidden, self.head.weight) + torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])


def written(dtype: torch.dtype) -> torch.Tensor:
    name = str(dtype).removeprefix("torch.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates quantized tensors; files with them stay.
        if name in QUANTIZED:
            return torch.quantize_per_tensor(torch.arange(6.0).reshape(2, 3), 0.5, 1, dtype)
        if name in PACKED:
            return torch.quantize_per_channel(torch.arange(6.0).reshape(2, 3), torch.ones(2), torch.zeros(2), 0, dtype)
        return filled(dtype, 2, 3)


@pytest.mark.parametrize("name", sorted(set(BY_TORCH) - UNWRITABLE - PACKED))
def test_every_dtype_that_torch_saves(name: str) -> None:
    dtype = getattr(torch, name)
    tensors = {"matrix": written(dtype)}
    if name not in QUANTIZED:
        tensors |= {"scalar": filled(dtype), "empty": filled(dtype, 0, 3), "row": filled(dtype, 3)}
    assert_faithful(saved(tensors), tensors)


@pytest.mark.parametrize("name", sorted(PACKED))
def test_packed_quantized_tensors_are_their_bytes(name: str) -> None:
    tensor = written(getattr(torch, name))
    data = saved({"w": tensor})
    span = next(span for span in spans_of(data) if span.name == "w")
    assert span.spec == Spec(BY_TORCH[name], (span.size,))
    assert data[span.offset : span.offset + span.size] == storage_bytes(tensor)
    assert {"w.scales", "w.zero_points"} < set(names_of(spans_of(data)))


@pytest.mark.parametrize("name", sorted(UNWRITABLE))
def test_torch_still_cannot_write_the_dtypes_that_we_skip(name: str) -> None:
    with pytest.raises((RuntimeError, NotImplementedError, KeyError)):
        saved(torch.empty(6, dtype=getattr(torch, name)))


def test_every_dtype_of_torch_is_known() -> None:
    aliases = {getattr(torch, name) for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype)}
    assert {str(dtype).removeprefix("torch.") for dtype in aliases} - {"bit"} <= set(BY_TORCH)


def test_a_state_dict() -> None:
    model = Net()
    assert_faithful(saved(model.state_dict()), model.state_dict())


def test_tied_parameters_are_one_span_with_two_names() -> None:
    tied = next(span for span in spans_of(saved(Net().state_dict())) if span.name == "embed.weight")
    assert tied.views == (SpanView("head.weight", tied.spec),)


def test_a_training_checkpoint_after_a_real_adam_step() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.Adam(model.parameters(), amsgrad=True)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    scheduler.step()
    checkpoint = {
        "epoch": 3,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "history": [(1, {"loss": torch.tensor(0.5)})],
        "rng": torch.get_rng_state(),
    }
    spans = assert_faithful(saved(checkpoint), flattened(checkpoint))
    assert "optimizer.state.0.exp_avg" in names_of(spans)
    assert "history.0.1.loss" in names_of(spans)


def test_views_transposes_and_windows_share_one_span() -> None:
    base = torch.arange(12.0)
    tensors = {
        "rows": base.reshape(3, 4),
        "columns": base.reshape(3, 4).t(),
        "all": base,
        "tail": base[8:],
        "odd": base[1::2],
    }
    (span,) = assert_faithful(saved(tensors), tensors)
    assert (span.name, span.spec.shape) == ("rows", (3, 4))
    assert [view.name for view in span.views] == ["columns", "all", "tail", "odd"]


def test_where_only_windows_exist_the_span_is_flat() -> None:
    base = torch.arange(12.0)
    tensors = {"a": base[2:6], "b": base.reshape(3, 4).t(), "broadcast": base[:1].expand(5, 3)}
    (span,) = assert_faithful(saved(tensors), tensors)
    assert (span.name, span.spec) == ("a", Spec(F32, (12,)))
    assert [view.name for view in span.views] == ["a", "b", "broadcast"]


def test_a_storage_larger_than_its_only_tensor_is_whole() -> None:
    tensors = {"slice": torch.arange(100.0)[10:20]}
    (span,) = assert_faithful(saved(tensors), tensors)
    assert (span.size, span.views[0].offset) == (400, 10)


def test_windows_of_two_dtypes_on_one_storage() -> None:
    # Only dtypes without a storage class of their own may be saved so.
    wide = torch.arange(4).to(torch.uint32)
    tensors = {"wide": wide, "narrow": wide.view(torch.uint16)}
    (span,) = assert_faithful(saved(tensors), tensors)
    assert span.spec.dtype == BY_NAME["U32"]


def test_strided_and_size_one_dimensions() -> None:
    base = filled(torch.float32, 4, 1, 6)
    tensors = {
        "permuted": filled(torch.float32, 2, 3, 4).permute(2, 0, 1),
        "one": base[:, :, :1],
        "channels_last": filled(torch.float32, 2, 3, 4, 4).to(memory_format=torch.channels_last),
        "unsqueezed": filled(torch.float32, 5).unsqueeze(0).unsqueeze(-1),
        "hole": torch.empty(3, 0, 2).transpose(0, 2),
    }
    assert_faithful(saved(tensors), tensors)


def test_conjugate_and_negative_views() -> None:
    tensor = filled(torch.complex64, 2, 2)
    tensors = {"plain": tensor, "conj": tensor.conj(), "neg": filled(torch.complex64, 3).conj().imag}
    assert_faithful(saved(tensors), tensors)


def test_parameters_with_and_without_state() -> None:
    marked = torch.nn.Parameter(torch.ones(2))
    marked.note = torch.zeros(3)  # type: ignore[attr-defined]
    value = {"plain": torch.nn.Parameter(torch.ones(3)), "marked": marked}
    expected = {"plain": value["plain"].data, "marked": marked.data, "marked.note": marked.note}  # type: ignore[attr-defined]
    assert_faithful(saved(value), expected)


def test_parameters_that_refer_to_one_another() -> None:
    one, two = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(3))
    one.partner, two.partner = two, one  # type: ignore[attr-defined]
    assert names_of(spans_of(saved({"one": one, "two": two}))) == ["one", "one.partner.partner", "one.partner", "two"]


class Tagged(torch.Tensor):
    """A subclass of tensors, as quantization libraries have."""


def test_subclasses_of_tensors() -> None:
    tagged = torch.ones(2, 2).as_subclass(Tagged)
    tagged.scale = torch.tensor([3.0])  # type: ignore[attr-defined]
    data = saved({"w": tagged, "again": tagged})
    assert sorted(names_of(spans_of(data))) == ["again", "w", "w.scale"]


def test_sparse_and_nested_tensors_are_their_parts() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls both a prototype.
        coo, csr = torch.eye(3).to_sparse(), torch.eye(3).to_sparse_csr()
        nested = torch.nested.nested_tensor([torch.ones(2, 2), torch.ones(3, 2)])
        data = saved({"coo": coo, "csr": csr, "nested": nested})
    found = windows(spans_of(data))
    for name, tensor in (
        ("coo.indices", coo._indices()),
        ("coo.values", coo._values()),
        ("csr.compressed_indices", csr.crow_indices()),
        ("csr.plain_indices", csr.col_indices()),
        ("csr.values", csr.values()),
        ("nested.values", nested.values()),
        ("nested.sizes", nested._nested_tensor_size()),
    ):
        span, view = found[name]
        assert view.spec.shape == tuple(tensor.shape)
        assert data[span.offset : span.offset + span.size] == storage_bytes(tensor)


def test_quantized_per_channel_has_its_scales() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensor = torch.quantize_per_channel(torch.ones(2, 3), torch.ones(2), torch.zeros(2), 0, torch.qint8)
    assert sorted(names_of(spans_of(saved({"w": tensor})))) == ["w", "w.scales", "w.zero_points"]


def test_tensors_without_storage_are_frame() -> None:
    assert spans_of(saved({"meta": torch.empty(2, 3, device="meta"), "numpy": torch.ones(2).numpy()})) == []


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_arrays_of_numpy_are_tensors_where_the_pickle_keeps_their_bytes(protocol: int) -> None:
    """Those of more than 64 KiB, which are read past, too; tied ones have one span, and others stay in the frame."""
    large, small = np.arange(30_000, dtype="<f4"), np.arange(6, dtype="<i8").reshape(2, 3)
    ema = {"large": large, "small": small}
    value = {"w": torch.ones(3), "ema": ema, "again": small, "names": np.array(["a", None])}
    content = saved(value, pickle_protocol=protocol)
    spans = {span.name: span for span in spans_of(content)}
    assert spans.keys() == {"w", "ema.large", "ema.small"}
    for name, array in (("ema.large", large), ("ema.small", small)):
        span = spans[name]
        assert content[span.offset : span.offset + span.size] == array.tobytes()
        assert span.spec.shape == array.shape
    assert [view.name for view in spans["ema.small"].views] == ["again"]


def test_arrays_by_the_usual_protocol_are_no_tensors_whatever_their_values() -> None:
    """Bytes below 0x80 do stand in the file: they would come and go as tensors with their values."""
    for values in ([1, 2, 3], [200, -1, 3]):
        assert spans_of(saved({"x": np.array(values, dtype="<i4")})) == []


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_storages_saved_by_themselves() -> None:
    typed, untyped = torch.arange(3.0).storage(), torch.arange(5, dtype=torch.uint8).untyped_storage()  # type: ignore[no-untyped-call]
    spans = spans_of(saved({"typed": typed, "untyped": untyped}))
    assert [(span.name, span.spec) for span in spans] == [
        ("typed", Spec(F32, (3,))),
        ("untyped", Spec(BY_NAME["U8"], (5,))),
    ]


def test_a_lone_tensor_and_a_list_of_tensors() -> None:
    assert_faithful(saved(torch.ones(2)), {"tensor": torch.ones(2)})
    assert_faithful(saved([torch.ones(2), torch.zeros(3)]), {"0": torch.ones(2), "1": torch.zeros(3)})


def test_names_that_collide_are_told_apart() -> None:
    value = {
        "a.b": torch.ones(1),
        "a": {"b": torch.ones(2), "b~2": torch.ones(3)},
        "": torch.ones(4),
        1: torch.ones(5),
        "1": torch.ones(6),
    }
    assert names_of(spans_of(saved(value))) == ["a.b", "a.b~2", "a.b~2~2", "tensor", "1", "1~2"]


def test_keys_of_other_types() -> None:
    value = {
        (1, 2): torch.ones(1),
        None: torch.ones(1),
        2.5: torch.ones(1),
        torch.float16: torch.ones(1),
        10**5000: torch.ones(1),
    }
    assert names_of(spans_of(saved(value))) == ["key", "None", "2.5", "torch.float16", "key~2"]


def test_a_dict_that_two_keys_share_and_one_that_holds_itself() -> None:
    shared = {"w": torch.ones(1)}
    value: dict[str, object] = {"first": shared, "second": shared}
    value["self"] = value
    assert names_of(spans_of(saved(value))) == ["first.w"]


def test_ordered_dicts_with_attributes_and_other_containers() -> None:
    ordered = collections.OrderedDict(w=torch.ones(1))
    ordered._metadata = {"version": 1}  # type: ignore[attr-defined]
    value = {"ordered": ordered, "default": collections.defaultdict(list, k=[torch.ones(2)]), "size": torch.Size([2])}
    assert names_of(spans_of(saved(value))) == ["ordered.w", "default.k.0"]


def test_a_whole_pickled_model_has_its_state_dicts_names() -> None:
    model = Net()
    expected = {**model.state_dict(), "plain": model.plain}
    assert_faithful(saved(model), expected)
    assert_faithful(saved({"net": model}), {f"net.{name}": tensor for name, tensor in expected.items()})


@pytest.mark.parametrize("protocol", range(1, 6))
def test_every_pickle_protocol_that_can_write_storage_ids(protocol: int) -> None:
    tensors = {"w": torch.ones(2, 3), "v": torch.zeros(2, dtype=torch.uint16)}
    assert_faithful(saved(tensors, pickle_protocol=protocol), tensors)


@pytest.mark.parametrize("compile_", ["script", "trace"])
def test_torchscript_archives(compile_: str, tmp_path: Path) -> None:
    model = Net().eval()
    tokens = torch.tensor([0, 1, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates TorchScript; files with it stay.
        module = torch.jit.script(model) if compile_ == "script" else torch.jit.trace(model, tokens)  # type: ignore[no-untyped-call]
        module.save(tmp_path / "m.pt")
    data = (tmp_path / "m.pt").read_bytes()
    assert READER.matches(data[: 1 << 20], "without a suffix")
    found = windows(spans_of(data))
    state = module.state_dict()
    assert set(state) <= set(found)
    for name, tensor in state.items():
        span, view = found[name]
        assert data[span.offset : span.offset + span.size] == storage_bytes(tensor)
        assert view.spec.shape == tuple(tensor.shape)
    if compile_ == "trace":
        span, _ = found["constants.0"]
        assert data[span.offset : span.offset + span.size] == storage_bytes(torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0]))


class Lists(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tensors = [torch.ones(2), torch.zeros(3)]
        self.table = {"a": torch.ones(4)}

    def forward(self) -> torch.Tensor:
        return self.tensors[0] + self.table["a"].sum()


# TorchScript reads annotations as values, which the future import makes strings of.
Lists.__annotations__ = {"tensors": list[torch.Tensor]}


def test_torchscript_lists_and_dicts_of_tensors(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(Lists()).save(tmp_path / "m.pt")  # type: ignore[no-untyped-call]
    names = names_of(spans_of((tmp_path / "m.pt").read_bytes()))
    assert sorted(names) == ["table.a", "tensors.0", "tensors.1"]


def test_a_file_beyond_4_gib_has_zip64_offsets(tmp_path: Path) -> None:
    gib = 1 << 30
    path = tmp_path / "sparse.pt"
    # Neither the memory nor the file is ever written to: both are holes.
    with torch.serialization.skip_data():
        torch.save({"first": torch.empty(5 * gib, dtype=torch.uint8), "second": torch.ones(3)}, path)
    assert path.stat().st_blocks * 512 < gib
    spans = READER.spans(FileSource(path))
    assert [(span.name, span.size) for span in spans] == [("first", 5 * gib), ("second", 12)]
    assert spans[1].offset > 5 * gib
    assert all(span.offset % 64 == 0 for span in spans)


def rezipped(data: bytes, changes: Mapping[str, bytes | None], compression: int = zipfile.ZIP_STORED) -> bytes:
    """``data`` as another archive: members whose last name is in ``changes`` are replaced, or left out for None."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for info in old.infolist():
            content = changes.get(info.filename.rpartition("/")[2], old.read(info))
            if content is not None:
                new.writestr(info.filename, content, compression if info.file_size > 100 else zipfile.ZIP_STORED)
    return buffer.getvalue()


DATA = saved({"a": torch.ones(40), "b": torch.zeros(3)})


def test_optional_members_and_other_writers() -> None:
    bare = rezipped(
        DATA, dict.fromkeys((".format_version", ".storage_alignment", "byteorder", "version", "serialization_id"))
    )
    assert_faithful(bare, {"a": torch.ones(40), "b": torch.zeros(3)})


def test_a_compressed_storage_stays_in_the_frame() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(DATA)) as old, zipfile.ZipFile(buffer, "w") as new:
        for info in old.infolist():
            deflate = info.filename.endswith("/data/0")
            new.writestr(info.filename, old.read(info), zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED)
    assert_faithful(buffer.getvalue(), {"b": torch.zeros(3)})


def test_a_storage_of_another_size_than_the_pickle_says_stays_in_the_frame() -> None:
    assert names_of(spans_of(rezipped(DATA, {"0": bytes(156)}))) == ["b"]


def test_storages_that_are_missing_or_unused_are_no_spans() -> None:
    assert names_of(spans_of(rezipped(DATA, {"1": None}))) == ["a"]
    assert spans_of(rezipped(DATA, {"data.pkl": b"N."})) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"byteorder": b"big"}, "little-endian"),
        ({"data.pkl": None}, "data.pkl"),
        ({"data.pkl": b"\x80\x02}q\x00"}, "damaged"),
        ({"data.pkl": b""}, "damaged"),
    ],
)
def test_archives_that_are_not_read_say_why(changes: Mapping[str, bytes | None], reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        spans_of(rezipped(DATA, changes))


def test_a_compressed_pickle_is_refused() -> None:
    with pytest.raises(FormatError, match="compressed"):
        spans_of(rezipped(DATA, {}, zipfile.ZIP_DEFLATED))


def test_two_pickles_in_two_folders_are_refused() -> None:
    buffer = io.BytesIO(DATA)
    with zipfile.ZipFile(buffer, "a") as added:
        added.writestr("other/data.pkl", b"N.")
    with pytest.raises(FormatError, match="several"):
        spans_of(buffer.getvalue())


def test_no_tensor_data_is_read() -> None:
    data = saved({"a": torch.ones(100_000), "b": torch.ones(100_000)})
    source = BytesSource(data)
    spans = READER.spans(source)
    assert not [
        read for read in source.reads for span in spans if read[0] < span.offset + span.size and span.offset < sum(read)
    ]


@pytest.mark.parametrize(
    ("head", "path", "expected"),
    [
        (DATA, "no suffix", True),
        (b"PK\3\4 some other zip", "model.PT", True),
        (b"PK\3\4 some other zip", "report.docx", False),
        (saved({"a": 1}, _use_new_zipfile_serialization=False), "model.pt", False),
        (b"", "model.pt", False),
    ],
)
def test_detection_is_by_content_then_by_name(head: bytes, path: str, expected: bool) -> None:
    assert READER.matches(head, path) is expected
