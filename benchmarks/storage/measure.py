"""The part ``storage``: every pair by every way, and nine versions as one history."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.storage.fine_tunes import EVERY, RUNS, STEPS, Learning, prepare_learning, step_file, train_run
from benchmarks.storage.history import HistoryCost, store_histories
from benchmarks.storage.pairs import make_pairs, write_cast
from benchmarks.storage.report import PairCosts, StorageResult
from benchmarks.storage.ways import describe_tools, find_ways, store_pair
from git_theta.operations.workers import keep_freed_memory


def measure_storage(fine_tunes: Path, folder: Path, tell: Callable[[str], None]) -> StorageResult:
    """Everything.

    Args:
        fine_tunes: where checkpoints that are trained or fetched are kept for the next time.
        folder: where to work; made here.
        tell: is told of every pair.
    """
    folder.mkdir(parents=True)
    keep_freed_memory()  # as `git add` does: no way waits for the kernel to clear pages that it had before
    before = os.getloadavg()[1]
    learning, ways, pairs = prepare_learning(fine_tunes), find_ways(), []
    for pair in make_pairs(fine_tunes, learning):
        costs = store_pair(pair, ways, folder)
        pairs.append(PairCosts(pair.name, pair.size(), costs))
        ratios = ", ".join(f"{name} {pair.size() / cost.size:.2f}" for name, cost in costs.items())
        tell(f"{pair.name}: {ratios}")
    histories = _measure_histories(fine_tunes, folder, learning, tell)
    shutil.rmtree(folder)
    about = {"load": f"{before:.1f} before, {os.getloadavg()[1]:.1f} after", **describe_tools()}
    return StorageResult(pairs, histories, about)


def _measure_histories(
    fine_tunes: Path, folder: Path, learning: Learning, tell: Callable[[str], None]
) -> list[HistoryCost]:
    run = train_run(fine_tunes, RUNS[0], learning)
    versions = [step_file(run, step) for step in range(0, STEPS + 1, EVERY)]
    casts = [write_cast(version, folder / f"cast-{version.name}") for version in versions]
    found = []
    for name, files in (("fp32", versions), ("bf16", casts)):
        for cost in store_histories(name, files, folder):
            tell(f"{cost.name}: {cost.raw / cost.stored:.2f}")
            found.append(cost)
    return found
