"""The whole of it, with models so small that nothing they measure means anything."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.models import build
from benchmarks.report import times
from benchmarks.results import LFS, OURS
from benchmarks.rounds import race
from benchmarks.rows import checkpoint_story, toy_story
from benchmarks.stages import seal


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is what is raced against")
def test_everybody_takes_every_step_in_every_round(home: Path, tmp_path: Path) -> None:
    seal(home)
    model = build(tmp_path / "model", "BF16", 100_000)
    told: list[str] = []
    for story in (checkpoint_story("bf16", model), toy_story(model)):
        results = race(story, tmp_path / "stages", 1, told.append)
        assert [result.step for result in results] == [row.step for row in story.rows]
        for result in results:
            assert {len(result.seconds[name]) for name in (OURS, LFS, *result.bound)} == {story.repeats}
        assert len(times(results).splitlines()) == len(results) + 2
    assert not (tmp_path / "stages").exists()
    assert any("clone from a directory" in line for line in told)
