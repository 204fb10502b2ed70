"""How small a fine-tune is: printed for each way, of files that have one tensor that moved and one that did not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import delta_ratios
from tests.sandbox import safetensors_bytes
from tests.updates.delta_samples import trained, weights


@pytest.mark.parametrize("cast", [[], ["--cast", "BF16"]])
def test_each_way_has_its_ratio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cast: list[str]
) -> None:
    old, still = weights("F32", 20_000), weights("F32", 300, 3)
    for name, data in (("base", old), ("tuned", trained(old, "F32", 1e-5))):
        tensors = {"moved": ("F32", (20_000,), data), "still": ("F32", (300,), still), "count": ("I64", (), bytes(8))}
        (tmp_path / name).write_bytes(safetensors_bytes(tensors))
    arguments = ["", str(tmp_path / "base"), str(tmp_path / "tuned"), "--rounds", "1", *cast]
    monkeypatch.setattr(sys, "argv", arguments)
    delta_ratios.main()
    ratios = {line[:14].strip(): float(line[14:21]) for line in capsys.readouterr().out.splitlines()}
    assert 1 < ratios["dense planes"] < min(ratios["xor planes"], ratios["zigzag planes"]) < ratios["delta"]
