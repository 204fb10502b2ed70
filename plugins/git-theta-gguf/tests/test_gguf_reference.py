"""Files of the reference writer, against what the reference reader finds and its dequantiser makes of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from git_theta.errors import FormatError
from git_theta.formats.base import Span
from git_theta.formats.building import build_file
from git_theta.formats.guarded_format import GuardedFormat
from git_theta.formats.layout import validate_spans
from git_theta.tensors.block_values import BLOCK_DECODERS, decode_blocks
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.numbers import codes_of, numbers_of
from git_theta.testing.format_hooks import MemorySource

from git_theta_gguf.gguf_format import GgufFormat
from git_theta_gguf.gguf_types import TENSOR_TYPES, ValueType

gguf = pytest.importorskip("gguf", reason="the reference reader is not here: pip install --no-deps gguf==0.19.0")

QUANTISED = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "MXFP4", "TQ1_0", "TQ2_0"]
"""What the reference writes from floats."""


def write_model(file: Path, tokens: int = 50, alignment: int = 32, names: tuple[str, ...] = ()) -> Path:
    writer = gguf.GGUFWriter(file, "llama")
    if alignment != 32:
        writer.add_custom_alignment(alignment)
    writer.add_name("a small model")
    writer.add_block_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_bool("llama.flag", True)
    writer.add_token_list([f"token {number}" for number in range(tokens)])
    writer.add_token_scores([-float(number) for number in range(tokens)])
    writer.add_token_merges([f"to ken{number}" for number in range(tokens)])
    generator = np.random.default_rng(3)
    for kind in QUANTISED:
        values = generator.standard_normal((6, 512)).astype(np.float32)
        number = gguf.GGMLQuantizationType[kind]
        writer.add_tensor(f"blk.0.{kind}.weight", gguf.quants.quantize(values, number), raw_dtype=number)
    for name in names:
        writer.add_tensor(name, np.arange(3, dtype=np.float32))
    for kind in ("Q4_K", "Q6_K", "IQ2_XXS", "NVFP4"):
        number = gguf.GGMLQuantizationType[kind]
        row = 1024 // BY_NAME[kind].block * BY_NAME[kind].bits // 8
        writer.add_tensor(f"blk.1.{kind}.weight", generator.integers(0, 256, (3, row), np.uint8), raw_dtype=number)
    for kind in ("i1", "i2", "i4", "i8", "f8"):
        writer.add_tensor(f"of {kind}", np.arange(24, dtype=kind).reshape(2, 3, 4))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def find_spans(content: bytes) -> dict[str, Span]:
    return {span.name: span for span in GgufFormat().spans(MemorySource(content))}


def dequantise(span: Span, content: bytes) -> Any:
    data = content[span.offset : span.offset + span.size]
    return numbers_of(codes_of(data, span.spec.dtype), span.spec.dtype).reshape(span.spec.shape)


def test_the_tables_are_the_reference_s() -> None:
    assert {kind.name: int(kind) for kind in gguf.GGMLQuantizationType} == TENSOR_TYPES
    assert {kind.name: int(kind) for kind in gguf.GGUFValueType} == {kind.name: int(kind) for kind in ValueType}
    for kind, (block, size) in gguf.GGML_QUANT_SIZES.items():
        assert (BY_NAME[kind.name].block, BY_NAME[kind.name].bits) == (block, 8 * size)


@pytest.mark.parametrize("alignment", [32, 64, 256])
def test_it_finds_what_the_reference_reader_finds(tmp_path: Path, alignment: int) -> None:
    file = write_model(tmp_path / "model.gguf", alignment=alignment)
    found, content = find_spans(file.read_bytes()), file.read_bytes()
    reader = gguf.GGUFReader(file)
    assert list(found) == [tensor.name for tensor in reader.tensors]
    for tensor in reader.tensors:
        span = found[tensor.name]
        assert (span.spec.dtype.name, span.spec.shape) == (tensor.tensor_type.name, tuple(tensor.shape.tolist()[::-1]))
        assert (span.offset, span.size) == (tensor.data_offset, tensor.n_bytes)
        assert content[span.offset : span.offset + span.size] == tensor.data.tobytes()


def test_metadata_are_what_the_reference_reader_reads(tmp_path: Path) -> None:
    from git_theta.formats.base import Template

    content = write_model(tmp_path / "model.gguf").read_bytes()
    fields = gguf.GGUFReader(tmp_path / "model.gguf").fields
    head = min(span.offset for span in find_spans(content).values())
    told = dict(GgufFormat().metadata(Template((content[:head],), ())))
    assert told.keys() == {key for key in fields if not key.startswith("GGUF.")}
    for key, value in told.items():
        expected = fields[key].contents()
        assert value == (expected if not isinstance(expected, list) else f"array of 50 x {kind_of(expected)}"), key


def kind_of(values: list[Any]) -> str:
    return "string" if isinstance(values[0], str) else "float32"


@pytest.mark.parametrize("name", BLOCK_DECODERS)
def test_blocks_are_decoded_as_the_reference_does_bit_for_bit(name: str) -> None:
    """Any bits: so scales that are NaN, infinite, subnormal."""
    blocks = np.random.default_rng(5).integers(0, 256, (3000, BY_NAME[name].bits // 8), np.uint8)
    with np.errstate(all="ignore"):
        theirs = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[name]).astype("<f4")
    np.testing.assert_array_equal(decode_blocks(blocks, name).view("u4"), theirs.view("u4").reshape(3000, -1))


def test_values_of_files_are_the_reference_s(tmp_path: Path) -> None:
    content = write_model(tmp_path / "model.gguf").read_bytes()
    found = find_spans(content)
    for tensor in gguf.GGUFReader(tmp_path / "model.gguf").tensors:
        if tensor.tensor_type.name in ("F32", "F16", "BF16", *BLOCK_DECODERS):
            with np.errstate(all="ignore"):
                theirs = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            np.testing.assert_array_equal(dequantise(found[tensor.name], content), theirs)


def test_a_file_with_another_tensor_is_the_one_that_the_writer_writes(tmp_path: Path) -> None:
    """Around a file without it, with its tensors: byte for byte."""
    content = write_model(tmp_path / "like.gguf").read_bytes()
    more = write_model(tmp_path / "more.gguf", names=("blk.2.new.weight",)).read_bytes()
    reader = GuardedFormat("gguf", GgufFormat())
    like, wanted = (make_template(each) for each in (content, more))
    parts = [make_part(span, more) for span in wanted.spans]
    runs = build_file(reader, parts, like)
    values = [b"".join(part.values.blocks()) for part in parts]
    assert b"".join(run + data for run, data in zip(runs, [*values, b""], strict=True)) == more


def make_template(content: bytes) -> Any:
    from git_theta.formats.base import Template

    spans = validate_spans(GgufFormat().spans(MemorySource(content)), len(content))
    starts = [0, *(span.offset + span.size for span in spans)]
    ends = [*(span.offset for span in spans), len(content)]
    return Template(tuple(content[start:end] for start, end in zip(starts, ends, strict=True)), spans)


def make_part(span: Span, content: bytes) -> Any:
    from git_theta.formats.base import Part
    from git_theta.tensors.values import MemoryValues

    data = content[span.offset : span.offset + span.size]
    return Part(span.name, span.spec, span.views, MemoryValues(span.spec, data))


def test_a_vocabulary_of_150_000_tokens_costs_little(tmp_path: Path) -> None:
    """The reference reader takes a hundred times as long."""
    content = write_model(tmp_path / "model.gguf", tokens=150_000).read_bytes()
    began = time.process_time()
    assert len(find_spans(content)) > 10
    assert time.process_time() - began < 0.6


def test_a_big_endian_file_is_refused_by_name(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "big.gguf", "llama", endianess=gguf.GGUFEndian.BIG)
    writer.add_tensor("w", np.ones(8, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(FormatError, match="big-endian"):
        find_spans((tmp_path / "big.gguf").read_bytes())
