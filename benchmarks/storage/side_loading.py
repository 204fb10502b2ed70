"""An adapter that was merged, as it is stored when somebody names it: ``git theta add --update low-rank``."""

from __future__ import annotations

import filecmp
import os
import shutil
from pathlib import Path

import torch

from benchmarks.models import Model
from benchmarks.results import OURS
from benchmarks.stages import FILE_NAME, Stage
from benchmarks.storage.costs import Cost, VersionPair


def store_told(pair: VersionPair, folder: Path) -> Cost:
    """Bytes below ``.git``, manifest included; what it writes is compared with what PEFT made."""
    assert pair.adapter
    stage = Stage.create(folder / "stages" / OURS, OURS, Model({"base": pair.base}, pair.base.stat().st_size, 0))
    file = stage.root / FILE_NAME
    shutil.copyfile(pair.base, file)
    stage.repository.git("add", FILE_NAME)
    stage.commit()
    before = stage.stored_bytes()
    words = ("theta", "add", FILE_NAME, "--update", "low-rank", "--from", pair.adapter)
    stage.repository.git(*words, env={"PYTHONPATH": os.fspath(Path(torch.__file__).parents[1])})
    return Cost(stage.stored_bytes() - before, is_exact=filecmp.cmp(file, pair.tuned, shallow=False))
