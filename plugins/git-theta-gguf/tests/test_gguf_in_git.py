"""Real Git on GGUF files: checked in and out, compared, merged."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from git_theta.formats.base import Part
from git_theta.tensors.block_values import decode_blocks
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from tests.installed_plugins import create_plugin_sandbox
from tests.sandbox import Sandbox

from git_theta_gguf.gguf_writer import place_tensors, write_header

NORM, QUERY, OUTPUT = "blk.0.attn_norm.weight", "blk.0.attn_q.weight", "output.weight"


def blocks(dtype: str, seed: int) -> bytes:
    """Four rows of 256 elements, with scales that are numbers."""
    known = BY_NAME[dtype]
    data = np.random.default_rng(seed).integers(0, 256, (4 * 256 // known.block, known.bits // 8), np.uint8)
    data[:, 1] &= 0x3B  # the upper byte of d
    data[:, 3] &= 0x3B  # and of a minimum, where there is one
    return data.tobytes()


MODEL = {
    NORM: ("F32", (256,), np.ones(256, "<f4").tobytes()),
    QUERY: ("Q4_K", (4, 256), blocks("Q4_K", 1)),
    OUTPUT: ("Q8_0", (4, 256), blocks("Q8_0", 2)),
}
Tensors = Mapping[str, tuple[str, tuple[int, ...], bytes]]


def spell_text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def model(tensors: Tensors = MODEL, **metadata: str) -> bytes:
    """A file with text as metadata."""
    parts = []
    for name, (dtype, shape, data) in tensors.items():
        spec = Spec(BY_NAME[dtype], shape)
        parts.append(Part(name, spec, (), MemoryValues(spec, data)))
    values = [
        spell_text(f"general.{key}") + struct.pack("<I", 8) + spell_text(text)
        for key, text in {"architecture": "llama", **metadata}.items()
    ]
    content = write_header(3, values, place_tensors(parts, 32))
    for part in parts:
        content += bytes(-len(content) % 32) + b"".join(part.values.blocks())
    return content + bytes(-len(content) % 32)


def with_tensor(name: str, data: bytes, tensors: Tensors = MODEL) -> Tensors:
    return {**tensors, name: (*tensors[name][:2], data)}


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    made = create_plugin_sandbox(tmp_path, monkeypatch, "*.gguf")
    made.write("model.gguf", model(name="first"))
    made.commit("first")
    made.git("tag", "first")
    return made


def test_every_tensor_is_a_parameter_and_comes_back_bit_for_bit(sandbox: Sandbox) -> None:
    shown = json.loads(sandbox.theta("show", "--json", "model.gguf").stdout)
    assert [file["format"] for file in shown["files"]] == ["gguf"]
    assert {parameter["name"] for parameter in shown["parameters"]} == MODEL.keys()
    sandbox.write("model.gguf", model(with_tensor(QUERY, blocks("Q4_K", 9)), name="second"))
    sandbox.commit("second")
    sandbox.git("checkout", "--quiet", "first")
    assert sandbox.read("model.gguf") == model(name="first")
    sandbox.git("checkout", "--quiet", "main")
    assert sandbox.read("model.gguf") == model(with_tensor(QUERY, blocks("Q4_K", 9)), name="second")
    assert sandbox.git("status", "--porcelain").stdout == ""
    assert "missing" not in sandbox.theta("fsck").stdout


def test_a_diff_measures_the_numbers_behind_the_blocks(sandbox: Sandbox) -> None:
    old = MODEL[QUERY][2]
    new = old[:-144] + blocks("Q4_K", 5)[:144]
    sandbox.write("model.gguf", model(with_tensor(QUERY, new), name="first"))
    (checkpoint,) = json.loads(sandbox.theta("diff", "--json", "first", "--", "model.gguf").stdout)["checkpoints"]
    (row,) = checkpoint["parameters"]
    apart = np.subtract(*(decode_blocks(np.frombuffer(each, "u1").reshape(-1, 144), "Q4_K") for each in (new, old)))
    assert row["name"] == QUERY
    assert row["measures"]["norm"] == pytest.approx(float(np.linalg.norm(apart.astype("f8"))))
    assert row["measures"]["differing"] == 256


def fork(sandbox: Sandbox, ours: bytes, theirs: bytes) -> None:
    sandbox.git("checkout", "--quiet", "-b", "theirs")
    sandbox.write("model.gguf", theirs)
    sandbox.commit("theirs")
    sandbox.git("checkout", "--quiet", "main")
    sandbox.write("model.gguf", ours)
    sandbox.commit("ours")


def test_a_merge_joins_tensors_and_metadata_of_both_sides(sandbox: Sandbox) -> None:
    """Behind a header that is longer than what a manifest keeps in its frame, as with any vocabulary."""
    template, card = "".join(map(chr, range(32, 127))) * 3000, "a card" * 20_000
    sandbox.write("model.gguf", model(name="first", template=template, card=card))
    sandbox.commit("long")
    query, output = blocks("Q4_K", 11), blocks("Q8_0", 12)
    fork(
        sandbox,
        model(with_tensor(QUERY, query), name="a name of ours that is longer", template=template, card=card),
        model(with_tensor(OUTPUT, output), name="first", template=template, card=card[:-3], license="mit"),
    )
    sandbox.git("merge", "--quiet", "-m", "merged", "theirs")
    both = with_tensor(OUTPUT, output, with_tensor(QUERY, query))
    named = {"name": "a name of ours that is longer", "template": template, "card": card[:-3], "license": "mit"}
    assert sandbox.read("model.gguf") == model(both, **named)
    (shown,) = json.loads(sandbox.theta("show", "--json", "model.gguf").stdout)["files"]
    assert shown["metadata"]["general.name"] == named["name"]


def test_a_merge_takes_tensors_that_one_side_added(sandbox: Sandbox) -> None:
    added = {**MODEL, "blk.1.attn_q.weight": ("Q6_K", (4, 256), bytes(4 * 210))}
    norm = np.full(256, 2, "<f4").tobytes()
    fork(sandbox, model(with_tensor(NORM, norm), name="first"), model(added, name="first"))
    sandbox.git("merge", "--quiet", "-m", "merged", "theirs")
    assert sandbox.read("model.gguf") == model(with_tensor(NORM, norm, added), name="first")


def test_quantised_blocks_are_merged_by_taking_a_side_alone(sandbox: Sandbox) -> None:
    ours, theirs = (with_tensor(QUERY, blocks("Q4_K", seed)) for seed in (21, 22))
    low, high = (np.full(256, value, "<f4").tobytes() for value in (2, 4))
    fork(sandbox, model(with_tensor(NORM, low, ours), name="n"), model(with_tensor(NORM, high, theirs), name="n"))
    done = sandbox.theta("merge", "theirs", "--strategy", "average", check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert QUERY in said
    assert "Q4_K values are codes in blocks of 256 with their scales" in said
    sandbox.theta("resolve", "--theirs", "model.gguf")
    mean = np.full(256, 3, "<f4").tobytes()
    assert sandbox.read("model.gguf") == model(with_tensor(NORM, mean, theirs), name="n")


def test_a_damaged_file_is_kept_whole_with_the_reason(sandbox: Sandbox) -> None:
    sandbox.write("cut.gguf", model()[:-100])
    done = sandbox.git("add", "cut.gguf")
    assert "kept whole" in done.stderr
    assert "outside the file" in done.stderr
    sandbox.git("commit", "--quiet", "-m", "cut")
    (sandbox.root / "cut.gguf").unlink()
    sandbox.git("checkout", "--", "cut.gguf")
    assert sandbox.read("cut.gguf") == model()[:-100]
