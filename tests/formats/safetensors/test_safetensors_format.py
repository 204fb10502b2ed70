"""The safetensors format: what its own library writes, what it accepts, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import _TYPES, load, save, save_file

from git_theta.errors import FormatError
from git_theta.formats.safetensors.safetensors_format import SafetensorsFormat
from git_theta.tensors.dtypes import BY_NAME
from tests.formats.sources import BytesSource, FileSource, names_of

READER = SafetensorsFormat()


def file(header: object, data: bytes = b"", padding: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) + len(padding)).to_bytes(8, "little") + text + padding + data


def entry(dtype: str = "U8", shape: object = (4,), offsets: object = (0, 4)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def filled(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    """A tensor whose bytes are all different as far as they can be, of any dtype."""
    width = torch.empty(0, dtype=dtype).element_size()
    count = torch.Size(shape).numel() * width
    raw = (torch.arange(count) % (2 if dtype == torch.bool else 251)).to(torch.uint8)
    return raw.view(dtype).reshape(shape) if count else torch.empty(shape, dtype=dtype)


def raw_bytes(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


@pytest.mark.parametrize("spelled", sorted(_TYPES))
def test_every_dtype_that_the_library_writes(spelled: str, tmp_path: Path) -> None:
    dtype = getattr(torch, BY_NAME[spelled].torch)
    assert _TYPES[spelled] == dtype
    tensors = {"matrix": filled(dtype, 3, 4), "scalar": filled(dtype), "empty": filled(dtype, 0, 7)}
    save_file(tensors, tmp_path / "m.safetensors")
    source = FileSource(tmp_path / "m.safetensors")
    assert READER.matches(source.read(0, source.size), "any name")
    spans = READER.spans(source)
    assert sorted(names_of(spans)) == sorted(tensors)
    for span in spans:
        assert (span.spec.dtype, span.spec.shape) == (BY_NAME[spelled], tuple(tensors[span.name].shape))
        assert source.read(span.offset, span.size) == raw_bytes(tensors[span.name])


def test_packed_fp4_is_counted_in_values() -> None:
    pairs = torch.arange(6, dtype=torch.uint8).view(torch.float4_e2m1fn_x2).reshape(2, 3)
    written = save({"w": pairs})
    (span,) = READER.spans(BytesSource(written))
    assert (span.spec.dtype, span.size) == (BY_NAME["F4"], 6)
    assert span.spec.elements == 12
    assert written[span.offset : span.offset + span.size] == bytes(range(6))


@pytest.mark.parametrize(("dtype", "shape", "size"), [("F4", [3, 2], 3), ("F6_E2M3", [4], 3), ("F6_E3M2", [2, 4], 6)])
def test_sub_byte_dtypes_are_sized_in_bits(dtype: str, shape: list[int], size: int) -> None:
    (span,) = READER.spans(BytesSource(file({"w": entry(dtype, shape, [0, size])}, bytes(size))))
    assert span.size == size


def test_every_dtype_of_the_librarys_rust_core_is_known() -> None:
    # safetensors/src/tensor.rs, enum Dtype, 0.8
    core = "BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ I16 U16 F16 BF16"
    assert set((core + " I32 U32 F32 C64 F64 I64 U64").split()) <= set(BY_NAME)
    assert set(_TYPES) <= set(BY_NAME)


def test_metadata_in_any_place_is_frame() -> None:
    metadata = {"__metadata__": {"format": "pt", "brackets": '{"[,]\\" }'}}
    first = file({**metadata, "a": entry()}, b"abcd")
    last = file({"a": entry(), **metadata}, b"abcd")
    assert [READER.spans(BytesSource(data))[0].name for data in (first, last)] == ["a", "a"]


def test_unaligned_and_padded_headers_extra_keys_and_holes() -> None:
    header = {"b": {**entry(offsets=[9, 13]), "extra": {"deep": [1, 2]}}, "a": entry(offsets=[1, 5])}
    data = file(header, b".aaaa----bbbb...", padding=b"   ")
    spans = READER.spans(BytesSource(data))
    assert [data[s.offset : s.offset + s.size] for s in spans] == [b"aaaa", b"bbbb"]


def test_an_empty_header_has_no_tensors() -> None:
    assert READER.spans(BytesSource(save({}))) == []


def test_names_of_any_script() -> None:
    names = ["层.权重", "ñ", "emoji 🎉", 'quote"s and \\', "line\nbreak", "a.b.c"]
    written = save({name: torch.ones(1) for name in names})
    assert sorted(names_of(READER.spans(BytesSource(written)))) == sorted(names)
    assert sorted(load(written)) == sorted(names)


def test_only_the_header_is_read() -> None:
    source = BytesSource(save({"a": torch.ones(1000)}))
    READER.spans(source)
    assert max(offset + size for offset, size in source.reads) == source.size - 4000


GOOD = entry()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "too short"),
        (b"\x02\0\0\0\0\0\0", "too short"),
        (b"\xff" * 8 + b"{}", "more than the file"),
        (file(b"{}")[:-1], "more than the file"),
        ((17 << 20).to_bytes(8, "little") + bytes(17 << 20), "are not read"),
        (file(b""), "not valid JSON"),
        (file(b"{"), "not valid JSON"),
        (file(b"[]"), "not valid JSON"),
        (file(b'{"a"}'), "not valid JSON"),
        (file(b'{"a":'), "not valid JSON"),
        (file(b'{"a":{}'), "dtype"),
        (file(b"{1:2}"), "no string"),
        (file(b'{"a":1,}'), "no object"),
        (file(b"{},"), "follows"),
        (file(b"{}", padding=b"\0"), "follows"),
        (file(b"{}{}"), "follows"),
        (file(b'{"a\xff":1}'), "UTF-8"),
        (file(b'{"\xed\xa0\x80":1}'), "UTF-8"),
        (file({"a": []}), "no object"),
        (file({"a": None}), "no object"),
        (file({"a": "U8"}), "no object"),
        (file({"a": entry("U9")}), "unknown dtype"),
        (file({"a": entry(dtype=["U8"])}), "unknown dtype"),  # type: ignore[arg-type]
        (file({"a": {"shape": [], "data_offsets": [0, 1]}}), "unknown dtype"),
        (file({"a": {"dtype": "U8", "data_offsets": [0, 1]}}), "shape"),
        (file({"a": {"dtype": "U8", "shape": [4]}}), "shape"),
        (file({"a": entry(shape=[-4])}, bytes(4)), "shape"),
        (file({"a": entry(shape=[4.0])}, bytes(4)), "shape"),
        (file({"a": entry(shape=[True])}, bytes(4)), "shape"),
        (file({"a": entry(shape=[1] * 65)}, bytes(4)), "shape"),
        (file({"a": entry(shape=[2**62] * 64)}, bytes(4)), "does not match"),
        (file(b'{"a":{"dtype":"U8","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,4]}}'), "not valid JSON"),
        (file({"a": entry(shape=[5])}, bytes(4)), "does not match"),
        (file({"a": entry("F32", [2])}, bytes(4)), "does not match"),
        (file({"a": entry(offsets=[4, 0])}, bytes(4)), "does not match"),
        (file({"a": entry(offsets=[-4, 0])}, bytes(4)), "shape"),
        (file({"a": entry(offsets=[0, 4, 8])}, bytes(8)), "two offsets"),
        (file({"a": entry()}, bytes(3)), "outside"),
        (file({"a": entry(offsets=[2**62, 2**62 + 4])}, bytes(4)), "outside"),
        (file({"a": GOOD, "b": entry(offsets=[2, 6])}, bytes(8)), "overlaps"),
        (file({"a": GOOD, "b": GOOD}, bytes(4)), "overlaps"),
        (file(b'{"a":%s,"a":%s}' % ((json.dumps(entry(shape=[0], offsets=[0, 0])).encode(),) * 2)), "same name"),
        (file(b'{"a":{"dtype":"U8","dtype":"I8","shape":[],"data_offsets":[0,1]}}', b"x"), "same key twice"),
        (file({"a\0b": GOOD}, bytes(4)), "no text"),
        (file(b'{"\\ud800":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}', b"x"), "no text"),
        (file({"": GOOD}, bytes(4)), "empty"),
        (file(b'{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}}', b"x"), "NaN"),
        (file(b'{"a":-Infinity}'), "Infinity"),
        (file(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"), "not valid JSON"),
        (file(b'{"a":' + b"[" * (1 << 20)), "not valid JSON"),
        (file({"__metadata__": {"a": 1}}), "__metadata__"),
        (file({"__metadata__": [1]}), "not valid JSON"),
    ],
)
def test_damaged_and_hostile_headers_are_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        READER.spans(BytesSource(data))


@pytest.mark.parametrize("position", range(0, 120, 7))
def test_every_truncation_is_refused(position: int) -> None:
    data = file({"a": entry(), "b": entry(offsets=[4, 8])}, bytes(8))
    with pytest.raises(FormatError):
        READER.spans(BytesSource(data[:position]))


@pytest.mark.parametrize(
    ("head", "path", "expected"),
    [
        (save({"a": torch.ones(2)}), "model.bin", True),
        (b"\xff" * 8 + b'{"a":', "model.safetensors", True),
        (b"\xff" * 8 + b'{"a":', "model.bin", False),
        (b"\x10\0\0\0\0\0\0\0[1]", "model.safetensors", False),
        (b"PK\3\4", "model.safetensors", False),
        (b"", "model.safetensors", False),
    ],
)
def test_detection_is_by_content_then_by_name(head: bytes, path: str, expected: bool) -> None:
    assert READER.matches(head, path) is expected
