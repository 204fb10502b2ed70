"""Checkpoints of ``torch.distributed``: a ``.distcp`` is one archive per tensor, one after the other."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch.distributed.checkpoint.state_dict_saver import save

from git_theta.formats.detect import OPAQUE, detect_format
from git_theta.operations.streams import BytesSource


@pytest.mark.parametrize("count", [1, 2, 5])
def test_several_archives_in_a_row_are_not_read_as_the_last_of_them(count: int, tmp_path: Path) -> None:
    state = {f"layer.{index}": torch.full((4,), float(index)) for index in range(count)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save({**state, "step": 3}, checkpoint_id=tmp_path)
    [file] = tmp_path.glob("*.distcp")
    content = file.read_bytes()
    found = detect_format(BytesSource(content), content, str(file))
    assert (found.format, found.spans) == (OPAQUE, ())
    assert "kept whole, not by parameters: torch: the archive" in found.warnings[0]
