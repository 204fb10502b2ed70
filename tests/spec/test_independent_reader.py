"""The specification suffices: a reader written from it alone restores every golden set."""

from __future__ import annotations

import array
import ast
import hashlib
from pathlib import Path
from typing import Any

import pytest

from git_theta.known_plugins import BUILT_IN
from git_theta.manifest.model import Entry, Manifest, Place, Storage
from git_theta.manifest.storage_json import MAX_CHAIN
from git_theta.manifest.text import encode_manifest
from git_theta.parameters.preferences import Preferences
from git_theta.parameters.stored_values import StoredValues
from git_theta.parameters.value_encoding import encode_values
from git_theta.store import series
from git_theta.store.memory import MemoryStore
from git_theta.tensors.dtypes import BY_NAME
from git_theta.tensors.spec import Spec
from git_theta.tensors.values import MemoryValues
from git_theta.testing.blocks import noise_bytes
from tests.golden.test_golden import MANIFESTS, sums
from tests.spec import independent_delta, independent_low_rank, independent_reader
from tests.spec.independent_reader import restore


@pytest.mark.parametrize(("folder", "name"), MANIFESTS)
def test_it_restores_the_golden_sets(folder: Path, name: str) -> None:
    def get(oid: str) -> bytes:
        return (folder / "objects" / oid[:2] / oid[2:4] / oid).read_bytes()

    whole = restore((folder / "manifests" / name).read_bytes(), get)
    assert hashlib.sha256(whole).hexdigest() == sums(folder)[name]


def from_difference(blocks: list[list[bytes]], base: bytes | None, storage: dict[str, Any]) -> bytes:
    """32-bit numbers: the difference and those of the base."""
    assert base is not None
    assert storage["dtype"] == "F32"
    ((differences,),) = blocks
    numbers = (array.array("I", data) for data in (differences, base))
    return array.array("I", [(new + old) % (1 << 32) for new, old in zip(*numbers, strict=True)]).tobytes()


@pytest.mark.parametrize("largest", [1 << 30, 1500], ids=["each in one object", "each in several"])
@pytest.mark.parametrize("depth", [1, 3, MAX_CHAIN])
@pytest.mark.parametrize("update", ["difference", "delta"])
def test_it_restores_a_chain(monkeypatch: pytest.MonkeyPatch, update: str, depth: int, largest: int) -> None:
    monkeypatch.setitem(BUILT_IN["updates"], "difference", "tests.testing.sample_updates:DifferenceUpdate")
    monkeypatch.setitem(independent_reader.UPDATES, "difference", from_difference)
    monkeypatch.setattr(series, "LARGEST_OBJECT", largest)
    store = MemoryStore()
    entry: Entry | None = None
    for number in range(depth + 1):
        data = bytes((value + 3 * number) % 256 for value in noise_bytes(4000))
        values = MemoryValues(Spec(BY_NAME["F32"], (1000,)), data)
        base = StoredValues(entry, store) if entry else None
        encoding = encode_values(values, map, Preferences((update,)), base)
        storage = Storage(encoding.coding, Place.of_objects(series.put_series(store, encoding.payload)))
        entry = Entry(hashlib.sha256(data).hexdigest(), 4000, storage, "w", "F32", (1000,))
    assert entry is not None
    assert len(entry.storage.coding.chain) == depth
    text = encode_manifest(Manifest("opaque", 4000, (entry,)))
    assert restore(text, lambda oid: store.get(oid).read()) == data


def test_it_is_independent() -> None:
    for file in (independent_reader.__file__, str(independent_delta.__file__), str(independent_low_rank.__file__)):
        tree = ast.parse(Path(file).read_text())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} | {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        assert not {name for name in imported if name and name.startswith(("git_theta", "tests"))} - {
            "tests.spec.independent_delta",
            "tests.spec.independent_low_rank",
        }
