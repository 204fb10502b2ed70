"""Our own formats run the conformance kit that plug-in authors run."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest

from git_theta.formats.base import Format
from git_theta.formats.safetensors.safetensors_format import SafetensorsFormat
from git_theta.formats.torch.torch_format import TorchZipFormat
from git_theta.testing.formats import FormatLaws
from tests.sandbox import model, safetensors_bytes


class TestSafetensors(FormatLaws):
    def make_format(self) -> Format:
        return SafetensorsFormat()

    def samples(self) -> Mapping[str, bytes]:
        return {
            "model.safetensors": model(seed=1),
            "empty.safetensors": safetensors_bytes({}),
            "odd.safetensors": safetensors_bytes(
                {"0-d": ("BF16", (), b"ab"), "none": ("F32", (0, 3), b""), "\u00fc": ("F4", (3, 2), b"abc")},
                metadata={"format": "pt"},
            ),
        }


class TestTorch(FormatLaws):
    def make_format(self) -> Format:
        return TorchZipFormat()

    def samples(self) -> Mapping[str, bytes]:
        torch = pytest.importorskip("torch")
        weight = torch.arange(60, dtype=torch.float32).reshape(6, 10)
        states = {
            "tied.pt": {"a": weight, "b": weight, "nested": {"c": torch.zeros(3, dtype=torch.bfloat16)}},
            "views.pt": {"transposed": weight.T, "row": weight[2], "column": weight[:, 3]},
        }
        samples = {}
        for path, state in states.items():
            file = io.BytesIO()
            torch.save(state, file)
            samples[path] = file.getvalue()
        file = io.BytesIO()
        arrays = {name: weight.numpy().astype("<f8") for name in ("x", "y")}
        torch.save({"w": weight, "step": 1, **arrays}, file, pickle_protocol=4)
        samples["arrays.pt"] = file.getvalue()
        return samples
