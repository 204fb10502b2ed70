"""Whatever a release has written, every later one reads: each golden set is restored and compared.

Reading is what is tested. That today's zstd writes the same bytes as that of the release that made a set is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest

from git_theta.known_plugins import BUILT_IN
from git_theta.manifest.model import Entry, Storage
from git_theta.manifest.text import decode_manifest, encode_manifest
from git_theta.operations.context import Context
from git_theta.operations.restoring.restore import missing_objects, restore_pieces
from git_theta.operations.state_database import StateDatabase
from git_theta.operations.workers import Workers
from git_theta.store.local import LocalStore
from git_theta.tensors.casts import CASTS
from tests.updates.delta_samples import FORMS
from tests.updates.low_rank_samples import MERGED, SCALED

SETS = sorted(folder for folder in Path(__file__).parent.iterdir() if folder.name.isdigit())
LARGEST = 200_000


def sums(folder: Path) -> dict[str, str]:
    """Manifest to SHA-256 of the file it stands for."""
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    return {name: oid for oid, _, name in (line.partition("  ") for line in lines)}


MANIFESTS = [pytest.param(folder, name, id=f"{folder.name}-{name}") for folder in SETS for name in sums(folder)]


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers()
    yield workers
    workers.close()


@pytest.mark.parametrize(("folder", "name"), MANIFESTS)
def test_it_restores(folder: Path, name: str, workers: Workers, tmp_path: Path) -> None:
    warned: list[str] = []
    context = Context(LocalStore(folder), StateDatabase(tmp_path / "state"), workers, tmp_path, warned.append)
    manifest = decode_manifest((folder / "manifests" / name).read_bytes())
    assert missing_objects(manifest, context) == []
    digest = hashlib.sha256()
    for piece in restore_pieces(manifest, context):
        digest.update(piece)
    assert digest.hexdigest() == sums(folder)[name]
    assert warned == []


@pytest.mark.parametrize(("folder", "name"), MANIFESTS)
def test_its_text_is_still_the_one_encoding(folder: Path, name: str) -> None:
    text = (folder / "manifests" / name).read_bytes()
    assert encode_manifest(decode_manifest(text)) == text


@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.name)
def test_a_set_is_whole_and_small(folder: Path) -> None:
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < LARGEST
    assert {file.name for file in (folder / "manifests").iterdir()} == sums(folder).keys()
    for file in (folder / "objects").rglob("*"):
        assert file.is_dir() or hashlib.sha256(file.read_bytes()).hexdigest() == file.name


def parts() -> list[Entry]:
    """Every part of every set."""
    return [
        part
        for folder in SETS
        for file in (folder / "manifests").iterdir()
        for part in decode_manifest(file.read_bytes()).parts()
    ]


def test_all_that_can_be_written_is_in_some_set() -> None:
    """Fails when a release can write what no golden set holds: run ``python -m tests.golden.make`` then."""
    storages: list[Storage] = [part.storage for part in parts()]
    views = [view for part in parts() for view in part.views]
    assert {storage.coding.serializer for storage in storages} == BUILT_IN["serializers"].keys()
    assert {storage.coding.update for storage in storages} == BUILT_IN["updates"].keys()
    assert {storage.place.range is None for storage in storages} == {True, False}
    assert {storage.place.rest == () for storage in storages} == {True, False}
    assert {part.name is None for part in parts()} == {True, False}
    assert {view.stride is None for view in views} == {True, False}
    assert {view.offset == 0 for view in views} == {True, False}
    assert any(part.extra and part.storage.extra for part in parts())
    formats = {
        decode_manifest(file.read_bytes()).format for folder in SETS for file in (folder / "manifests").iterdir()
    }
    assert BUILT_IN["formats"].keys() <= formats


def test_every_form_of_a_delta_is_in_some_set() -> None:
    """By the names of its parts: those that ``tests.golden.make`` gives them."""
    found = {part.name for part in parts() if part.storage.coding.update == "delta"}
    assert FORMS.keys() - {"same", "dense"} | {"same, then dense", "grown"} <= found
    assert {f"{target} of {source}" for source, target in permutations(CASTS, 2)} <= found


def test_every_way_of_storing_an_adapter_is_in_some_set() -> None:
    found = {part.name for part in parts() if part.storage.coding.update == "low-rank"}
    assert MERGED.keys() <= found
    stored = [part.storage.coding.options for part in parts() if part.storage.coding.update == "low-rank"]
    assert {key for options in stored for key in options} == {"cast", "rank", "rounded", "apart"}
    assert {"apart" in options for options in stored} == {True, False}


def test_every_way_of_storing_scales_is_in_some_set() -> None:
    found = {part.name: part.storage.coding.options for part in parts() if part.storage.coding.update == "scale"}
    assert SCALED.keys() <= found.keys()
    assert {options["axis"] for options in found.values()} == {0, 1}
