"""The format runs Git-Theta's conformance kit, and refuses what is damaged, hostile or of another kind."""

from __future__ import annotations

import contextlib
import struct
import time
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from git_theta.errors import FormatError
from git_theta.formats.base import Format, Part, Template
from git_theta.formats.detect import detect_format
from git_theta.formats.guarded_format import GuardedFormat
from git_theta.formats.layout import validate_spans
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.format_hooks import MemorySource
from git_theta.testing.formats import FormatLaws
from hypothesis import given, settings
from hypothesis import strategies as st

from git_theta_gguf.gguf_format import GgufFormat
from git_theta_gguf.gguf_types import TENSOR_TYPES

UINT32, STRING, ARRAY = 4, 8, 9


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def strings(*values: str) -> bytes:
    return struct.pack("<IQ", STRING, len(values)) + b"".join(map(text, values))


@dataclass
class File:
    """A file as bytes: of well-formed parts, or not."""

    values: list[bytes] = field(default_factory=list)
    tensors: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    version: bytes = struct.pack("<I", 3)
    alignment: int = 32
    counts: tuple[int, int] | None = None
    places: list[int] | None = None
    types: list[int] | None = None
    tail: bytes | None = None

    def build(self) -> bytes:
        counts = self.counts or (len(self.tensors), len(self.values))
        content = b"GGUF" + self.version + struct.pack("<QQ", *counts) + b"".join(self.values)
        data, at = b"", 0
        for index, (name, (dtype, shape)) in enumerate(self.tensors.items()):
            size = Spec(BY_NAME[dtype], shape).nbytes
            place = self.places[index] if self.places else at
            kind = self.types[index] if self.types else TENSOR_TYPES[dtype]
            content += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], kind, place)
            if size < 1 << 20:
                padded = -(-size // self.alignment) * self.alignment
                data += bytes((index * 7 + byte) % 251 for byte in range(size)) + bytes(padded - size)
                at += padded
        filled = content + bytes(-len(content) % self.alignment) if self.tensors else content
        return filled + (data if self.tail is None else self.tail)


VALUES = [
    pair("general.architecture", STRING, text("llama")),
    pair("llama.block_count", UINT32, struct.pack("<I", 2)),
    pair("llama.rope.freq_base", 6, struct.pack("<f", 10000)),
    pair("tokenizer.ggml.tokens", ARRAY, strings("<s>", "</s>", "\N{SNOWMAN}")),
    pair("tokenizer.ggml.scores", ARRAY, struct.pack("<IQ3f", 6, 3, 0, -1, -2)),
    pair("nested", ARRAY, struct.pack("<IQ", ARRAY, 2) + strings("a") + strings()),
    pair("flag", 7, b"\1"),
]
TENSORS = {
    "token_embd.weight": ("Q4_K", (3, 256)),
    "blk.0.attn_q.weight": ("Q8_0", (2, 64)),
    "blk.0.attn_norm.weight": ("F32", (5,)),
    "output.weight": ("F16", (3, 2, 2)),
    "rope_freqs": ("IQ2_XXS", (256,)),
}
PLAIN = File(VALUES, TENSORS)


class TestGgufFormat(FormatLaws):
    def make_format(self) -> Format:
        return GgufFormat()

    def samples(self) -> Mapping[str, bytes]:
        return {
            "model.gguf": PLAIN.build(),
            "vocabulary.gguf": File(VALUES).build(),
            "empty.gguf": File().build(),
            "second.gguf": File(VALUES[:2], TENSORS, version=struct.pack("<I", 2)).build(),
            "aligned.gguf": File(
                [pair("general.alignment", UINT32, struct.pack("<I", 64))], TENSORS, alignment=64
            ).build(),
            "scalars.gguf": File(tensors={"0-d": ("F32", ()), "none": ("F16", (0, 4)), "w": ("BF16", (7,))}).build(),
        }


def template(content: bytes) -> Template:
    spans = validate_spans(GgufFormat().spans(MemorySource(content)), len(content))
    starts = [0, *(span.offset + span.size for span in spans)]
    ends = [*(span.offset for span in spans), len(content)]
    return Template(tuple(content[start:end] for start, end in zip(starts, ends, strict=True)), spans)


def test_shapes_are_those_of_arrays_and_dtypes_have_their_blocks() -> None:
    found = {span.name: span.spec for span in GgufFormat().spans(MemorySource(PLAIN.build()))}
    assert {name: (spec.dtype.name, spec.shape) for name, spec in found.items()} == TENSORS
    assert found["token_embd.weight"].nbytes == 3 * 144


def test_metadata_are_values_and_long_arrays_say_how_long() -> None:
    tokens = pair("tokens", ARRAY, strings(*map(str, range(150_000))))
    assert dict(GgufFormat().metadata(template(File([*VALUES, tokens]).build()))) == {
        "general.architecture": "llama",
        "llama.block_count": 2,
        "llama.rope.freq_base": 10000.0,
        "tokenizer.ggml.tokens": "['<s>', '</s>', '\N{SNOWMAN}']",
        "tokenizer.ggml.scores": "[0.0, -1.0, -2.0]",
        "nested": "array of 2 x array",
        "flag": True,
        "tokens": "array of 150,000 x string",
    }


def test_the_order_of_the_metadata_says_nothing() -> None:
    one, other = (GgufFormat().read_facts(template(File(values, TENSORS).build())) for values in (VALUES, VALUES[::-1]))
    assert one == other


def test_a_value_is_taken_from_another_file_and_the_rest_stays() -> None:
    name = pair("general.name", STRING, text("a name that is longer than the alignment of the file"))
    theirs = template(File([*VALUES[:1], name, *VALUES[2:]], TENSORS).build())
    keys = {"general.name": theirs, "llama.block_count": theirs}
    made = GuardedFormat("gguf", GgufFormat()).take_facts(template(PLAIN.build()), keys)
    assert GgufFormat().read_facts(made) == GgufFormat().read_facts(theirs)
    assert [span[:2] for span in made.spans] == [span[:2] for span in template(PLAIN.build()).spans]


def test_long_arrays_and_bytes_in_holes_are_no_plain_values() -> None:
    """No strategy that computes may choose among them."""
    scores = pair("scores", ARRAY, struct.pack("<IQ2000f", 6, 2000, *range(2000)))
    content = File([scores], {"w": ("F32", (2,))}).build()
    facts = GgufFormat().read_facts(template(content[:-1] + b"!"))
    assert {key: fact.plain for key, fact in facts.items()} == {"scores": False, "bytes between the tensors": False}


@pytest.mark.parametrize(
    ("dtype", "shape", "reason"),
    [
        ("BOOL", (4,), "cannot hold BOOL"),
        ("Q8_0", (33,), "no whole blocks"),
        ("F32", (1, 1, 1, 1, 1), "at most 4 dimensions"),
    ],
)
def test_what_no_gguf_file_can_hold_is_not_built(dtype: str, shape: tuple[int, ...], reason: str) -> None:
    spec = Spec(BY_NAME[dtype], shape)
    part = Part("w", spec, (), MemoryValues(spec, bytes(spec.nbytes)))
    with pytest.raises(FormatError, match=reason):
        GgufFormat().build([part], template(PLAIN.build()))


HOSTILE = {
    "big-endian": (File(version=struct.pack(">I", 3)), "big-endian"),
    "version 1": (File(version=struct.pack("<I", 1)), "version 1 "),
    "a newer version": (File(version=struct.pack("<I", 4)), "version 4 "),
    "tensors without end": (File(counts=(1 << 63, 0)), "claims 9,223"),
    "keys without end": (File(counts=(0, 1 << 63)), "claims 9,223"),
    "more tensors than there are": (File(VALUES, TENSORS, counts=(100_000, 7), tail=b""), "ends within its header"),
    "a key of terabytes": (File([struct.pack("<Q", 1 << 42)]), "a key claims"),
    "a value of terabytes": (File([pair("k", STRING, struct.pack("<Q", 1 << 42))]), "ends within"),
    "an array of terabytes": (File([pair("k", ARRAY, struct.pack("<IQ", 10, 1 << 60))]), "ends within"),
    "strings without end": (File([pair("k", ARRAY, struct.pack("<IQ", 8, 1 << 60))]), "ends within"),
    "a string that reaches out": (File([pair("k", ARRAY, struct.pack("<IQQ", 8, 1, 1 << 63))]), "ends within"),
    "arrays without end": (File([pair("k", ARRAY, struct.pack("<IQ", 9, 1 << 60))]), "ends within"),
    "arrays in arrays": (File([pair("k", ARRAY, struct.pack("<IQ", 9, 1) * 9 + strings())]), "within arrays"),
    "a type that is none": (File([pair("k", 13, b"")]), "type 13"),
    "an element that is none": (File([pair("k", ARRAY, struct.pack("<IQ", 99, 1))]), "type 99"),
    "the same key twice": (File(VALUES[:1] * 2), "the same key"),
    "a key that is no text": (File([struct.pack("<Q", 1) + b"\xff" + struct.pack("<I", 0) + b"\0"]), "not UTF-8"),
    "no alignment": (File([pair("general.alignment", UINT32, bytes(4))]), "no power of two"),
    "an odd alignment": (File([pair("general.alignment", UINT32, struct.pack("<I", 48))]), "no power of two"),
    "an alignment of gigabytes": (File([pair("general.alignment", UINT32, struct.pack("<I", 1 << 31))]), "no power"),
    "an alignment of another type": (File([pair("general.alignment", STRING, text("32"))]), "no power of two"),
    "a type that was removed": (File(tensors={"w": ("F32", (8,))}, types=[31]), "type 31"),
    "a tensor of terabytes": (File(tensors={"w": ("F32", (1 << 20, 1 << 20))}), "outside the file"),
    "more elements than numbers": (File(tensors={"w": ("Q4_K", (1 << 62, 1 << 62))}), "outside the file"),
    "a dimension below zero": (File(tensors={"w": ("F32", ((1 << 64) - 1,))}), "a shape has a dimension"),
    "half a block": (File(tensors={"w": ("Q8_0", (2, 48))}), "no whole blocks"),
    "overlapping": (File(tensors={"a": ("F32", (16,)), "b": ("F32", (16,))}, places=[0, 32]), "overlaps"),
    "at an odd place": (File(tensors={"a": ("F32", (4,))}, places=[4], tail=bytes(64)), "no multiple of 32"),
    "beyond the end": (File(tensors={"a": ("F32", (4,))}, places=[1 << 62]), "outside the file"),
    "cut": (File(tensors={"a": ("F32", (400,))}, tail=bytes(800)), "outside the file"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_at_once_and_in_little_memory(name: str) -> None:
    file, reason = HOSTILE[name]
    content = file.build()
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(FormatError, match=reason):
            GgufFormat().spans(MemorySource(content))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 1


def test_the_same_name_twice_is_refused() -> None:
    first, second = (File(tensors={name: ("F32", (8,))}).build() for name in ("w", "v"))
    header = 24
    info = second[header : header + 9 + 4 + 8 + 12]
    doubled = first[:8] + struct.pack("<QQ", 2, 0) + info.replace(b"v", b"w") * 2
    with pytest.raises(FormatError, match="the same name"):
        GgufFormat().spans(MemorySource(doubled + bytes(-len(doubled) % 32 + 32)))


@pytest.mark.parametrize("content", ["strings", "arrays", "keys"])
def test_the_longest_header_takes_seconds_at_most(content: str) -> None:
    """What costs most for its bytes: empty strings, empty arrays, the shortest keys; 100 MB of them."""
    count = 100_000_000 // 13
    kinds = {
        "strings": lambda: File([pair("k", ARRAY, struct.pack("<IQ", STRING, count)), bytes(8 * count)]).build(),
        "arrays": lambda: File([pair("k", ARRAY, struct.pack("<IQ", ARRAY, count)), bytes(12 * count)]).build(),
        "keys": lambda: File([pair(str(at), 0, b"\0") for at in range(65_000)]).build(),
    }
    file = MemorySource(kinds[content]())
    began = time.process_time()
    if content == "keys":
        assert GgufFormat().spans(file) == []
    else:
        with pytest.raises(FormatError, match=r"within arrays|ends within|67,108,864 bytes"):
            GgufFormat().spans(file)
    assert time.process_time() - began < 8


def test_a_refused_file_is_kept_whole_and_says_why() -> None:
    content = HOSTILE["big-endian"][0].build()
    found = detect_format(MemorySource(content), content, "model.gguf")
    assert (found.format, found.spans) == ("opaque", ())
    (warning,) = found.warnings
    assert "format 'gguf' of git-theta-gguf" in warning
    assert "big-endian" in warning


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_damage_gives_a_layout_or_a_reason(data: st.DataObject) -> None:
    content = bytearray(PLAIN.build())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        odd = data.draw(st.one_of(st.binary(max_size=9), st.sampled_from([b"\xff" * 8, bytes(8), b"\t\0\0\0"])))
        content[at : at + data.draw(st.integers(0, 9))] = odd
    try:
        like = template(bytes(content))
    except FormatError:
        return
    dict(GgufFormat().metadata(like))
    GgufFormat().read_facts(like)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=400))
def test_any_bytes_behind_the_magic_give_a_layout_or_a_reason(tail: bytes) -> None:
    content = b"GGUF\x03\0\0\0" + tail
    with contextlib.suppress(FormatError):
        assert sum(map(len, template(content).runs)) <= len(content)
