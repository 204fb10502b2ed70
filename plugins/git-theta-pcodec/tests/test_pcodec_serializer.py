"""The serializer runs Git-Theta's conformance kit, keeps every bit, and reads for ever what it wrote."""

from __future__ import annotations

import io
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pcodec", reason="the coder is not here: pip install pcodec")

from git_theta.errors import CorruptObject
from git_theta.serializers.base import SERIALIZERS, Payload, Serializer
from git_theta.serializers.planes import PlanesSerializer
from git_theta.tensors.arrays import BLOCK, Array
from git_theta.testing.serializers import SerializerLaws
from tests.installed_plugins import create_plugin_sandbox
from tests.sandbox import Sandbox, model

from git_theta_pcodec.pcodec_serializer import PcodecSerializer

FILE = "model.safetensors"


def encode(data: bytes, width: int, serializer: Serializer | None = None) -> bytes:
    blocks = [(Array(width, data[start : start + BLOCK]),) for start in range(0, len(data), BLOCK)]
    return b"".join(bytes(piece) for piece in (serializer or PcodecSerializer()).encode(blocks, map))


def decode(payload: bytes) -> bytes:
    blocks = PcodecSerializer().decode(Payload(io.BytesIO(payload), len(payload)), map)
    return b"".join(bytes(array.data) for (array,) in blocks)


class TestPcodecSerializer(SerializerLaws):
    def make_serializer(self) -> Serializer:
        return PcodecSerializer()

    def hostile_payloads(self) -> Iterable[bytes]:
        yield from super().hostile_payloads()
        honest = encode(np.arange(4000, dtype="<f4").tobytes(), 4)
        for size in (0xFFFF_FFFF, 2 << 20, 0, 15_996, 16_004, 3):
            yield honest[:5] + struct.pack("<I", size) + honest[9:]
        yield from (honest[:4] + bytes([width]) + honest[5:] for width in range(256))
        for at in range(4, min(120, len(honest))):
            yield from (honest[:at] + bytes([byte]) + honest[at + 1 :] for byte in (0, 1, 127, 128, 255))


def test_every_bit_pattern_of_floats_is_kept() -> None:
    """NaN payloads, both zeros, subnormals: pcodec is told that they are floats."""
    for width in (4, 8):
        high = np.arange(1 << 16, dtype=f"<u{width}") << (8 * width - 16)
        for low in (0, 1, (1 << (8 * width - 16)) - 1):
            data = (high | low).astype(f"<u{width}").tobytes()
            assert decode(encode(data, width)) == data


def test_weights_become_smaller_than_by_planes() -> None:
    weights = (np.random.default_rng(1).standard_normal(200_000) * 0.03).astype("<f4")
    halves = (weights.view("<u4") >> 16).astype("<u2")
    for numbers, width in ((weights, 4), (halves, 2)):
        ours, planes = (len(encode(numbers.tobytes(), width, made)) for made in (None, PlanesSerializer()))
        assert ours < planes < numbers.nbytes


def test_noise_takes_nine_bytes_a_block_more() -> None:
    noise = np.random.default_rng(2).bytes(BLOCK)
    assert len(encode(noise, 4)) == BLOCK + 9


def test_what_was_written_is_read_for_ever() -> None:
    """Payloads of the first release: numbers, and bytes as they are."""
    packed, raw = (bytes.fromhex(line) for line in GOLDEN)
    assert decode(packed) == np.arange(1000, dtype="<f4").tobytes()
    assert decode(raw) == b"as they are"


GOLDEN = (
    "2c00000004a00f000070636f21030009fa040105e70300020000f81b0101800000004000020000000080000000008000",
    "10000000000b0000006173207468657920617265",
)


def test_a_file_of_numbers_that_ends_early_is_corrupt() -> None:
    payload = encode(np.arange(1000, dtype="<f4").tobytes(), 4)
    claim = payload[:5] + struct.pack("<I", 4004) + payload[9:]
    with pytest.raises(CorruptObject, match=r"as many numbers|damaged"):
        decode(claim)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    return create_plugin_sandbox(tmp_path, monkeypatch, "*.safetensors")


def test_it_is_installed_under_its_name() -> None:
    assert isinstance(SERIALIZERS.load_plugin("pcodec"), PcodecSerializer)


def test_git_stores_with_it_where_it_is_chosen(sandbox: Sandbox) -> None:
    contents = [model(seed, a=(300, 400), b=(5000,), c=(3,)) for seed in range(2)]
    sandbox.git("config", "theta.serializer", "pcodec")
    for content in contents:
        sandbox.write(FILE, content)
        sandbox.commit()
    text = sandbox.git("show", f"HEAD:{FILE}").stdout
    assert '"serializer":"pcodec"' in text
    assert '"serializer":"planes"' not in text
    sandbox.git("config", "--unset", "theta.serializer")
    for revision, content in zip(("HEAD~", "HEAD"), contents, strict=True):
        sandbox.git("checkout", "--quiet", revision, "--", FILE)
        assert sandbox.read(FILE) == content
    assert "missing" not in sandbox.theta("fsck").stdout


def test_without_the_package_it_is_named(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a clone and not the plug-in keeps a manifest, and is told what is missing."""
    sandbox.git("config", "theta.serializer", "pcodec")
    sandbox.write(FILE, model(0, a=(300, 400)))
    sandbox.commit()
    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.setenv("PATH", os.pathsep.join([os.fspath(Path(sys.executable).parent), os.environ["PATH"]]))
    sandbox.git("theta", "install", "--global")
    (sandbox.root / FILE).unlink()
    done = sandbox.git("checkout", "--", FILE, check=False)
    assert "It comes with git-theta-pcodec" in done.stderr
