"""The whole of it, with models so small that nothing they measure means anything."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.diff_steps import GIT, LAYERS, NAMES, PYTHON, READ_OFTEN, READ_ONCE, names_story, values_story
from benchmarks.eval_steps import eval_story
from benchmarks.merge_steps import PLAIN, WRITE, disjoint_story, merge_story, sharded_merge_story, start_story
from benchmarks.models import DISJOINT, FORK, SHARDED, SHARDS, build_model, build_shards
from benchmarks.reading import READ
from benchmarks.results import LFS, MERGEKIT, OURS
from benchmarks.rounds import race_story
from benchmarks.scale_steps import build_mixture, scale_story
from benchmarks.share_steps import build_share_stories
from benchmarks.stages import Stage, seal_environment
from benchmarks.steps import checkpoint_story, sharded_story, toy_story
from benchmarks.tables import BEGIN, render_sections, render_times


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is what is raced against")
def test_everybody_takes_every_step_in_every_round(home: Path, tmp_path: Path) -> None:
    seal_environment(home)
    model = build_model(tmp_path / "model", "BF16", 100_000)
    told: list[str] = []
    for story in (checkpoint_story("bf16", model), toy_story(model)):
        results = race_story(story, tmp_path / "stages", 1, told.append)
        assert [result.step for result in results] == [row.name for row in story.steps]
        for result in results:
            assert {len(result.seconds[name]) for name in (OURS, LFS, *result.bound)} == {story.repeats}
        assert len(render_times(results).splitlines()) == len(results) + 2
    assert not (tmp_path / "stages").exists()
    assert any("clone from a directory" in line for line in told)


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="sealing installs it")
def test_merges_are_raced_against_reading_and_writing(home: Path, tmp_path: Path) -> None:
    """In the round that is watched, which proves what was contested."""
    seal_environment(home)
    start = start_story(build_model(tmp_path / "fork", "F32", 100_000, FORK), None)
    apart = disjoint_story("fp32", build_model(tmp_path / "apart", "F32", 100_000, DISJOINT))
    merged, *rest = (result for story in (start, apart) for result in race_story(story, tmp_path / "stages", 0, print))
    assert merged.peaks.keys() == {OURS, READ, WRITE, PLAIN}
    assert [list(result.peaks) for result in rest] == [[OURS, PLAIN], [OURS]]


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="sealing installs it")
def test_what_is_known_of_evaluations_runs_nothing(home: Path, tmp_path: Path) -> None:
    """The round that is watched proves how large the notes are; the evaluator is gone by then."""
    seal_environment(home)
    story = eval_story(build_model(tmp_path / "model", "F32", 100_000))
    evaluate = story.opening

    def evaluate_once(stage: Stage) -> None:
        evaluate(stage)
        (stage.folder / "evaluator.py").unlink()

    results = race_story(replace(story, opening=evaluate_once), tmp_path / "stages", 0, print)
    assert [list(result.peaks) for result in results] == 3 * [[OURS, PYTHON]]


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is what is raced against")
def test_shards_take_every_step_and_are_merged(home: Path, tmp_path: Path) -> None:
    """In the round that is watched, which proves that every shard came back, and that all was contested."""
    seal_environment(home)
    model = build_shards(tmp_path / "shards", "BF16", 600_000, SHARDED, SHARDS)
    assert len(model.sources("a")) == SHARDS + 1
    results = race_story(sharded_story(model), tmp_path / "stages", 0, print)
    assert all(result.peaks.keys() == {OURS, LFS, *result.bound} for result in results)
    (merged,) = race_story(sharded_merge_story(model), tmp_path / "stages", 0, print)
    assert merged.peaks.keys() == {OURS, READ, WRITE, PLAIN}


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="sealing installs it")
def test_diffs_are_raced_against_git_python_and_reading(home: Path, tmp_path: Path) -> None:
    """In the round that is watched, which proves what differed."""
    seal_environment(home)
    names = names_story(build_model(tmp_path / "names", "F32", 200_000, layers=LAYERS))
    values = values_story("bf16", build_model(tmp_path / "values", "BF16", 400_000))
    results = [result for story in (names, values) for result in race_story(story, tmp_path / "stages", 0, print)]
    assert [set(result.peaks) for result in results] == [
        {OURS, GIT, PYTHON},
        {OURS, GIT, PYTHON},
        {OURS, NAMES, READ_OFTEN, READ_ONCE},
        {OURS, READ},
    ]


def test_mergekit_merges_the_same_files_once(tmp_path: Path) -> None:
    """Whether it is there or not: what it is told to do."""
    model = build_model(tmp_path / "fork", "F32", 100_000, FORK)
    story = merge_story("fp32", model, tmp_path / "mergekit-yaml")
    row = next(row for row in story.steps if row.name == "TIES by tensor, 3 heads")
    assert MERGEKIT in row.once
    stage = Stage(tmp_path / "stage", model)
    stage.folder.mkdir()
    program, recipe, out, *_ = row.tools[MERGEKIT](stage)
    assert program == tmp_path / "mergekit-yaml"
    assert json.loads(Path(recipe).read_text()) == {
        "merge_method": "ties",
        "models": [{"model": str(stage.folder / head)} for head in "abc"],
        "parameters": {"weight": 1.0, "density": 0.2},
        "base_model": str(stage.folder / "base"),
    }
    assert not Path(out).exists()
    for version, file in model.files.items():
        assert (stage.folder / version / "model.safetensors").read_bytes() == file.read_bytes()
        assert json.loads((stage.folder / version / "config.json").read_text())["num_hidden_layers"] == 16
    steps = [row.name for row in story.steps if MERGEKIT not in row.tools]
    assert steps == ["TIES by checkpoint, 2 heads", "TIES by checkpoint, 3 heads"]


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="sealing installs it")
def test_many_parameters_take_every_step(home: Path, tmp_path: Path) -> None:
    """The last merge is contested everywhere, or its step fails."""
    seal_environment(home)
    story = scale_story("experts", build_mixture(tmp_path / "experts", 200))
    results = race_story(story, tmp_path / "stages", 1, print)
    assert [result.step for result in results] == [row.name for row in story.steps]
    (table,) = render_sections(results, {}).values()
    assert all(result.step in table for result in results)
    assert BEGIN.format("scale") in (Path(__file__).parents[2] / "docs" / "performance.md").read_text()


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is what is raced against")
def test_pushes_and_clones_are_raced_against_git_lfs(home: Path, tmp_path: Path) -> None:
    """In the round that is watched, which proves that one changed tensor goes up alone, and that all comes back."""
    seal_environment(home)
    folder = tmp_path / "models"
    results = []
    titles = []
    for story in build_share_stories(folder, lambda: build_model(folder, "F32", 100_000), 100_000):
        titles.append(story.title)
        if "Gb/s" not in story.title:  # the same steps on another line
            results += race_story(story, tmp_path / "stages", 0, print)
        shutil.rmtree(folder)
    assert [set(result.peaks) for result in results] == [{OURS, LFS, *result.bound} for result in results]
    assert len(set(titles)) == 5
    assert BEGIN.format("share") in (Path(__file__).parents[2] / "docs" / "performance.md").read_text()
