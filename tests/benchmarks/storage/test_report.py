"""The tables of the part ``storage``, of made-up figures and of one real history."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.results import LFS, OURS
from benchmarks.stages import seal_environment
from benchmarks.storage.costs import Cost
from benchmarks.storage.history import DEPTHS, HistoryCost, store_histories
from benchmarks.storage.report import PART, PairCosts, StorageResult
from benchmarks.tables import BEGIN, END, write_docs
from tests.sandbox import safetensors_bytes
from tests.updates.delta_samples import trained, weights


@pytest.fixture
def result() -> StorageResult:
    planes = {"dense planes": Cost(70), "xor planes": Cost(30), "zigzag planes": Cost(25)}
    costs = {"zstd": Cost(90, 1e-6, 5e-7), "moonclip": Cost(50, is_exact=False), **planes}
    pairs = [
        PairCosts("bf16, 0 to 60", 100_000, {**costs, OURS: Cost(20, 1e-4, 5e-5)}),
        PairCosts("fp32, 0 to 60", 100, {**costs, OURS: Cost(26)}),
    ]
    history = HistoryCost("bf16, depth 1", 2_000_000, 1_000_000, [1.0, 0.5, 0.25], [0.5, 0.125, 0.0625])
    return StorageResult(pairs, [history], {"load": "0.1 before, 1.2 after"})


def test_ratios_speeds_and_histories(result: StorageResult) -> None:
    text = result.render({"cores": "2"})[PART]
    rows = {
        cells[0]: cells[1:]
        for line in text.splitlines()
        if line.startswith("| ") and (cells := [cell.strip() for cell in line.strip("| ").split("|")])
    }
    assert rows["bf16, 0 to 60"] == ["1,111", "2,000 ✗", "1,429", "3,333", "4,000", "5,000"]
    assert rows["fp32, 0 to 60"] == ["1.11", "2.00 ✗", "1.43", "3.33", "4.00", "3.85"]
    assert rows[OURS] == ["1.00", "2.00"]
    assert rows["bf16, depth 1"] == ["1.0 MB of 2.0", "2.00", "1.00 s", "0.25 to 0.50 s", "0.50 s", "0.06 to 0.12 s"]
    assert "cores: 2; load: 0.1 before, 1.2 after" in text


def test_more_bytes_than_the_best_simple_way_are_a_missed_budget(result: StorageResult) -> None:
    assert result.missed_budgets() == ["fp32, 0 to 60: 1.040 x zigzag planes"]
    assert result.missed_budgets(1.05) == []


def test_a_program_can_read_everything(result: StorageResult) -> None:
    read = json.loads(json.dumps(result.to_json()))
    assert read["pairs"]["fp32, 0 to 60"]["zstd"] == {"size": 90, "encoding": 1e-6, "decoding": 5e-7, "is_exact": True}
    assert read["histories"][0]["adds"] == [1.0, 0.5, 0.25]


def test_the_page_has_its_marks(result: StorageResult, tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text((Path(__file__).parents[3] / "docs" / "performance.md").read_text())
    write_docs(page, result.render({"cores": "2"}))
    begin, end = BEGIN.format(PART), END.format(PART)
    assert page.read_text().partition(begin)[2].partition(end)[0].strip() == result.render({"cores": "2"})[PART].strip()


def test_a_history_is_added_checked_out_and_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in os.environ.items():  # so that they come back
        monkeypatch.setenv(name, value)
    seal_environment(tmp_path / "home")
    data, versions = weights("F32", 50_000), []
    for number in range(3):
        file = tmp_path / f"{number}.safetensors"
        file.write_bytes(safetensors_bytes({"moved": ("F32", (50_000,), data)}))
        versions.append(file)
        data = trained(data, "F32", 1e-5, number)
    costs = store_histories("fp32", versions, tmp_path)
    assert [cost.name for cost in costs] == [*(f"fp32, depth {depth}" for depth in DEPTHS), f"fp32, {LFS}"]
    assert all(len(cost.adds) == len(cost.checkouts) == 3 for cost in costs)
    assert all(cost.stored < costs[-1].stored / 1.5 for cost in costs[:-1])
    assert costs[-1].stored >= costs[-1].raw == 3 * versions[0].stat().st_size
