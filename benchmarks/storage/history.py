"""Nine versions of a fine-tune as one history: each added after the one before it, and checked out along the way."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.models import Model
from benchmarks.results import LFS, OURS
from benchmarks.stages import FILE_NAME, Stage
from benchmarks.timing import time_command

DEPTHS = (1, 2, 4, 8)


class HistoryCost(NamedTuple):
    """What a history took.

    Attributes:
        name: of the versions, and of who stored them.
        raw, stored: bytes of all versions, and of what lies below ``.git``.
        adds, checkouts: seconds of each version's, the first one's first.
    """

    name: str
    raw: int
    stored: int
    adds: Sequence[float]
    checkouts: Sequence[float]


def store_histories(name: str, versions: Sequence[Path], folder: Path) -> list[HistoryCost]:
    """By us, with chains of several depths, and by git-lfs. Times are of one round."""
    found = [_store_history(f"{name}, depth {depth}", OURS, versions, folder, depth) for depth in DEPTHS]
    return [*found, _store_history(f"{name}, {LFS}", LFS, versions, folder)]


def _store_history(name: str, tool: str, versions: Sequence[Path], folder: Path, depth: int = 0) -> HistoryCost:
    stage = Stage.create(folder / "history", tool, Model({"base": versions[0]}, versions[0].stat().st_size, 0))
    if depth:
        stage.repository.git("config", "theta.delta.depth", str(depth))
    file, before = stage.root / FILE_NAME, stage.stored_bytes()
    adds, commits = [], []
    for version in versions:
        shutil.copyfile(version, file)
        adds.append(time_command(["git", "add", FILE_NAME], stage.root))
        stage.commit()
        commits.append(stage.repository.git("rev-parse", "HEAD").stdout.strip())
    stored = stage.stored_bytes() - before
    stage.repository.git("checkout", "--quiet", commits[-2])
    checkouts = []
    for version, commit in zip(versions, commits, strict=True):
        checkouts.append(time_command(["git", "checkout", "--quiet", commit], stage.root))
        if not filecmp.cmp(version, file, shallow=False):
            raise RuntimeError(f"{name}: {commit} did not leave {version}")
    shutil.rmtree(stage.folder)
    return HistoryCost(name, sum(version.stat().st_size for version in versions), stored, adds, checkouts)
