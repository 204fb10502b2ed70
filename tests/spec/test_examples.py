"""The specification's examples are true, and its lists are those of the code."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

import pytest

from git_theta.formats.detect import detect_format
from git_theta.manifest.storage_json import MAX_CHAIN
from git_theta.manifest.text import decode_manifest, encode_manifest
from git_theta.operations.adding.clean import clean_stream
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import restore_pieces
from git_theta.operations.state_database import StateDatabase
from git_theta.operations.streams import BytesSource, Stream
from git_theta.operations.workers import Workers
from git_theta.serializers.base import Payload
from git_theta.serializers.frames import FramesSerializer
from git_theta.serializers.framing import MAX_STORED_BLOCK
from git_theta.serializers.planes import PlanesSerializer
from git_theta.store.memory import MemoryStore
from git_theta.tensors.arrays import BLOCK, Array
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.updates.delta.delta_update import DeltaUpdate
from git_theta.updates.low_rank.low_rank_update import LowRankUpdate
from tests.spec.documents import FOLDER, examples
from tests.spec.independent_delta import from_delta
from tests.spec.independent_low_rank import from_low_rank
from tests.spec.independent_reader import bodies, from_frames, from_planes, restore

MANIFEST = examples("manifest.md")
OBJECTS = examples("objects.md")
FILE = MANIFEST["file model.safetensors"]
TEXT = MANIFEST["manifest model.safetensors"]
STORE = {title.removeprefix("object "): data for title, data in MANIFEST.items() if title.startswith("object ")}


def test_the_example_is_one_file_of_one_tensor() -> None:
    found = detect_format(BytesSource(FILE), FILE, "model.safetensors")
    assert (found.format, [span.name for span in found.spans], found.problem) == ("safetensors", ["w"], "")


def test_its_manifest_is_one() -> None:
    assert encode_manifest(decode_manifest(TEXT)) == TEXT


def test_its_objects_are_those_of_the_manifest() -> None:
    assert {oid: len(data) for oid, data in STORE.items()} == decode_manifest(TEXT).objects()
    assert {hashlib.sha256(data).hexdigest() for data in STORE.values()} == STORE.keys()


def test_a_reader_written_from_the_page_restores_it() -> None:
    assert restore(TEXT, STORE.__getitem__) == FILE


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(MemoryStore(), StateDatabase(tmp_path / "state"), Workers(), tmp_path, pytest.fail)


def test_we_restore_it(context: Context) -> None:
    context.store.put(STORE.values())
    assert b"".join(restore_pieces(decode_manifest(TEXT), context)) == FILE
    context.workers.close()


def test_we_write_it(context: Context) -> None:
    """Every payload of the example is raw, so that no release of zstd can make it stale."""
    assert clean_stream(Stream.from_pieces([FILE]), "model.safetensors", None, context) == TEXT
    assert set(context.store.oids()) == STORE.keys()
    context.workers.close()


def test_the_planes_are_the_values() -> None:
    payload, values = OBJECTS["planes"], OBJECTS["values"]
    assert [from_planes(body) for body in bodies(payload)] == [[values]]
    (((width, data),),) = PlanesSerializer().decode(Payload(io.BytesIO(payload), len(payload)), map)
    assert (width, bytes(data)) == (2, values)


def test_the_dtypes_are_those_of_the_table() -> None:
    page = (FOLDER / "manifest.md").read_text()
    listed = {name: int(bits) for name, bits in re.findall(r"`([A-Z0-9_]+)` (\d+)", page)}
    families = {f"{letter}{n}" for letter in "UI" for n in range(1, 8)}
    known = {name: dtype.bits for name, dtype in BY_NAME.items() if dtype.block == 1}
    assert listed | dict.fromkeys(families, 8) == known
    blocks = {name: (int(block), int(size)) for name, block, size in re.findall(r"(\w+) (\d+) in\s(\d+)", page)}
    assert blocks == {name: (dtype.block, dtype.bits // 8) for name, dtype in BY_NAME.items() if dtype.block > 1}


def test_the_longest_chain_is_that_of_the_code() -> None:
    assert f"more than {MAX_CHAIN} links" in (FOLDER / "manifest.md").read_text()


def test_the_limits_are_those_of_the_code() -> None:
    page = (FOLDER / "objects.md").read_text()
    assert f"{BLOCK:,} bytes" in page
    assert f"exceed {MAX_STORED_BLOCK:,}" in page


def test_the_delta_is_what_the_page_says() -> None:
    words, planes, base = OBJECTS["delta words"], OBJECTS["delta planes"], OBJECTS["delta base"]
    arrays = [words, planes[:2], planes[2:]]
    new = from_delta([arrays], base, {"dtype": "F32", "size": 8})
    assert [int.from_bytes(new[at : at + 4], "little") for at in (0, 4)] == [0x3F7FFFFF, 0x40000000 + 300]
    decoder = DeltaUpdate().decoder(Spec(BY_NAME["F32"], (2,)), iter(()), {})
    assert bytes(decoder.decode(0, tuple(Array(1, data) for data in arrays), base)) == new


def test_the_product_is_what_the_page_says() -> None:
    words, base, spec = OBJECTS["low-rank words"], OBJECTS["low-rank base"], Spec(BY_NAME["BF16"], (2, 3))
    heads: tuple[tuple[list[str], dict[str, object]], ...] = (
        (["low-rank head"], {"rank": 1}),
        (["low-rank apart", "low-rank apart-right"], {"rank": 1, "apart": True}),
    )
    for names, options in heads:
        lists = [[OBJECTS[name]] for name in names]
        new = from_low_rank([*lists, [words]], base, {"dtype": "BF16", "shape": [2, 3], "size": 12, "options": options})
        assert new == OBJECTS["low-rank values"]
        decoder = LowRankUpdate().decoder(spec, iter([(Array(4, head),) for (head,) in lists]), options)
        assert bytes(decoder.decode(0, (Array(1, words),), base)) == new


def test_the_frames_are_the_values() -> None:
    payload = OBJECTS["frames"]
    assert [from_frames(body) for body in bodies(payload)] == [[OBJECTS["values"]]]
    (((width, data),),) = FramesSerializer().decode(Payload(io.BytesIO(payload), len(payload)), map)
    assert (width, bytes(data)) == (2, OBJECTS["values"])
