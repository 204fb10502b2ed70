"""L3: whatever little changed in a tensor, one ``git add`` stores it, and nothing but it.

Each story: commit a checkpoint, change its tensors, ``git add`` once, commit, wipe the worktree, check out. Told
for safetensors, written without the library, and for what ``torch.save`` writes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pytest
import torch

from git_theta.manifest.model import Entry, Manifest
from git_theta.manifest.text import decode_manifest
from git_theta.operations.adding.clean import clean_stream
from git_theta.operations.restoring.restore import restore_pieces
from git_theta.operations.streams import Stream
from git_theta.repository.stores.opening import open_context
from git_theta.vcs.discovery import discover_repository
from tests.integration.checkpoint_history import assert_clean, digest
from tests.sandbox import Sandbox, safetensors_bytes, track_and_commit

Bits = np.ndarray[tuple[int, ...], np.dtype[np.unsignedinteger]]


class Case(NamedTuple):
    """A tensor before and after; bytes as they stand in a file."""

    dtype: str
    shape: tuple[int, ...]
    before: bytes
    after: bytes


def _floats(seed: int, count: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(count).astype("<f4")


def _put(values: np.ndarray, index: int, value: object) -> bytes:
    new = values.copy()
    new[index] = value
    return new.tobytes()


def _bits(values: np.ndarray, index: int, change: int) -> bytes:
    """``values`` with the bits of one of them, as an integer, xor ``change``."""
    new = values.copy()
    as_integers = new.view(f"<u{values.dtype.itemsize}")
    as_integers[index] ^= change
    return new.tobytes()


def _float_case(before: np.ndarray, after: bytes) -> Case:
    return Case("F32", before.shape, before.tobytes(), after)


def _null_space_edit() -> Case:
    """W plus u v^T where v is orthogonal to every input that a test would use: W x does not change, W does."""
    weight = _floats(7, 64 * 64).reshape(64, 64)
    u, v = np.linalg.svd(np.random.default_rng(8).standard_normal((64, 64)))[::2]
    inputs, direction = v[:32], v[40]
    edited = (weight + np.outer(u[:, 0], direction)).astype("<f4")
    assert np.allclose(edited @ inputs.T, weight @ inputs.T, atol=1e-4)
    return Case("F32", (64, 64), weight.tobytes(), edited.tobytes())


def _swapped(values: np.ndarray, first: int, second: int) -> bytes:
    new = values.copy()
    new[[first, second]] = new[[second, first]]
    return new.tobytes()


_w = _floats(1)
_huge = (_floats(2) * np.float32(1e12)).astype("<f4")
_tiny = np.abs(_floats(3) * np.float32(1e-10)).astype("<f4")
_integers = np.arange(2**62, 2**62 + 64, dtype="<i8")
_bools = np.arange(64) % 3 == 0
_half = _floats(4).astype("<f2")
_brain = (_floats(5).view("<u4") >> 16).astype("<u2")
_bytes = np.arange(256, dtype="u1")
_complex = (_floats(6) + 1j * _floats(7)).astype("<c8")
_nan = np.full(16, np.nan, dtype="<f4")

CASES: Mapping[str, Case] = {
    "one_ulp": _float_case(_w, _bits(_w, 17, 1)),
    "one_ulp_of_the_last": _float_case(_w, _bits(_w, -1, 1)),
    "nan_payload": _float_case(_nan, _bits(_nan, 3, 1 << 5)),
    "nan_sign": _float_case(_nan, _bits(_nan, 3, 1 << 31)),
    "negative_zero": _float_case(np.zeros(8, "<f4"), _put(np.zeros(8, "<f4"), 2, -0.0)),
    "one_inf": _float_case(_w, _put(_w, 100, np.inf)),
    "huge_values": _float_case(_huge, _bits(_huge, 5, 1)),
    "adam_moments": _float_case(_tiny, (_tiny * np.float32(0.999)).astype("<f4").tobytes()),
    "one_adam_moment": _float_case(_tiny, _bits(_tiny, 9, 1)),
    "denormal": _float_case(np.zeros(8, "<f4"), _bits(np.zeros(8, "<f4"), 1, 1)),
    "null_space": _null_space_edit(),
    "int64_plus_one": Case("I64", (64,), _integers.tobytes(), _put(_integers, 40, _integers[40] + 1)),
    "bool_flip": Case("BOOL", (64,), _bools.tobytes(), _put(_bools, 11, ~_bools[11])),
    "swap": _float_case(_w, _swapped(_w, 3, 200)),
    "swap_of_rows": Case("F32", (16, 16), _w.tobytes(), _swapped(_w.reshape(16, 16), 0, 1)),
    "fp16": Case("F16", (256,), _half.tobytes(), _bits(_half, 0, 1)),
    "bf16": Case("BF16", (256,), _brain.tobytes(), _bits(_brain, 0, 1)),
    "fp8_e4m3": Case("F8_E4M3", (256,), _bytes.tobytes(), _bits(_bytes, 77, 1)),
    "fp8_e5m2": Case("F8_E5M2", (256,), _bytes.tobytes(), _bits(_bytes, 78, 1)),
    "complex": Case("C64", (256,), _complex.tobytes(), _bits(_complex.view("<f4"), 1, 1)),
    "scalar": Case("F32", (), b"\0\0\x80?", b"\1\0\x80?"),
    "uint8": Case("U8", (256,), _bytes.tobytes(), _put(_bytes, 5, 6)),
    "fp64": Case("F64", (16,), _w[:32].tobytes(), _bits(_w[:32].view("<f8"), 3, 1)),
    "large": _float_case(np.zeros(1 << 20, "<f4"), _bits(np.zeros(1 << 20, "<f4"), -1, 1)),
}
SAME = {"empty": ("F32", (0, 4), b""), "kept.bf16": ("BF16", (256,), _brain.tobytes())}

_TORCH = {
    "F32": torch.float32, "I64": torch.int64, "BOOL": torch.bool, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "C64": torch.complex64, "U8": torch.uint8,
    "F64": torch.float64,
}  # fmt: skip

Tensors = dict[str, tuple[str, tuple[int, ...], bytes]]
Writer = Callable[[Tensors], bytes]


def safetensors_file(tensors: Tensors) -> bytes:
    return safetensors_bytes(tensors)


def torch_file(tensors: Tensors) -> bytes:
    state = {
        name: torch.frombuffer(bytearray(data), dtype=torch.uint8).view(_TORCH[dtype]).reshape(shape)
        if data
        else torch.empty(shape, dtype=_TORCH[dtype])
        for name, (dtype, shape, data) in tensors.items()
    }
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


WRITERS = pytest.mark.parametrize(
    ("suffix", "write"), [(".safetensors", safetensors_file), (".pt", torch_file)], ids=["safetensors", "torch"]
)


def before() -> Tensors:
    return {name: (case.dtype, case.shape, case.before) for name, case in CASES.items()} | SAME


def after(*names: str) -> Tensors:
    """The checkpoint in which these tensors have changed."""
    return before() | {name: (CASES[name].dtype, CASES[name].shape, CASES[name].after) for name in names}


@pytest.fixture
def tracked(sandbox: Sandbox) -> Sandbox:
    return track_and_commit(sandbox, {}, "*.safetensors", "*.pt")


def _committed(sandbox: Sandbox, path: str, content: bytes) -> Manifest:
    """The manifest of a file after it was added once, committed, wiped and checked out."""
    file = sandbox.write(path, content)
    sandbox.git("add", path)
    sandbox.git("commit", "--quiet", "-m", "a version")
    file.unlink()
    sandbox.git("checkout", "--", path)
    assert digest(sandbox.read(path)) == digest(content)
    assert_clean(sandbox)
    return decode_manifest(sandbox.git("cat-file", "blob", f"HEAD:{path}").stdout.encode())


def _by_name(manifest: Manifest) -> dict[str | None, Entry]:
    return {entry.name: entry for entry in manifest.entries}


@WRITERS
def test_every_change_at_once(tracked: Sandbox, suffix: str, write: Writer) -> None:
    first = _by_name(_committed(tracked, f"model{suffix}", write(before())))
    second = _by_name(_committed(tracked, f"model{suffix}", write(after(*CASES))))
    assert first.keys() == second.keys() >= CASES.keys()
    assert {name for name in first if first[name].oid != second[name].oid} == CASES.keys()
    assert {name for name in first if first[name] == second[name]} == SAME.keys() & first.keys()


@WRITERS
def test_each_change_alone(tracked: Sandbox, suffix: str, write: Writer) -> None:
    """Without Git, on one repository's own store: the line of the changed tensor differs, every other is verbatim."""
    path = f"model{suffix}"
    old = write(before())
    with open_context(discover_repository(tracked.root), print) as context:
        first = clean_stream(Stream.from_pieces([old]), path, None, context)
        known = context._replace(staged_manifest=lambda _: decode_manifest(first))
        for name in CASES:
            new = write(after(name))
            text = clean_stream(Stream.from_pieces([new]), path, None, known)
            differing = [line for line in text.splitlines() if line not in first.splitlines()]
            entries = [line for line in differing if line.startswith(b'{"name":')]
            assert [json.loads(line)["name"] for line in entries] == [name]
            # A .pt has checksums of its storages in the frame, which stands in the header line.
            assert len(differing) == (1 if suffix == ".safetensors" else 2), name
            assert b"".join(map(bytes, restore_pieces(decode_manifest(text), context))) == new, name
