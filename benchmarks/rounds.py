"""The race: everybody takes a step before anybody takes the next, so that a slow moment hits them alike."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.results import OURS, Result
from benchmarks.stages import Stage
from benchmarks.steps import Story, TimedStep
from benchmarks.timing import Command, probe_command, time_command


def race_story(story: Story, folder: Path, rounds: int, tell: Callable[[str], None]) -> list[Result]:
    """Every row's result.

    A round before the first one warms the caches, takes memory and sizes, and proves that the steps did their work.
    """
    results = [
        Result(story.title, row.name, row.bound, row.budgets, row.memory, row.once, story.part, story.git_memory)
        for row in story.steps
    ]
    for number in range(rounds * story.repeats + 1):
        stages = {name: Stage.create(folder / name, name, story.model) for name in _contenders_of(story)}
        for name in (OURS, *story.rivals):
            story.opening(stages[name])
        for row, result in zip(story.steps, results, strict=True):
            for name in _rotate_names(story.contenders(row), number):
                if name not in row.once or number == 1:
                    _run_step(row, name, stages[name], result, watched=number == 0)
                    tell(_progress_line(result, name, number))
        shutil.rmtree(folder)
    return results


def _contenders_of(story: Story) -> list[str]:
    return list(dict.fromkeys(name for row in story.steps for name in story.contenders(row)))


def _rotate_names(names: list[str], number: int) -> list[str]:
    """Another one goes first in each round."""
    first = number % len(names)
    return names[first:] + names[:first]


def _run_step(row: TimedStep, name: str, stage: Stage, result: Result, *, watched: bool) -> None:
    command = _prepare_command(row, name, stage)
    os.sync()  # what the last step left to write is not this one's to wait for
    if not watched and name not in row.once:
        result.seconds.setdefault(name, []).append(time_command(command, stage.root))
        return
    before = stage.stored_bytes()
    probe = probe_command(command, stage.root)
    if not watched:
        result.seconds[name] = [probe.seconds]
    result.peaks[name], result.filters[name] = probe.peaks, probe.filters
    result.stored[name] = stage.stored_bytes() - before
    if name == OURS:
        row.prove(stage)
    if row.leaves and name not in row.tools:
        place, version = row.leaves
        for source in stage.model.sources(version):
            file = stage.folder / place / source.name if (stage.folder / place).is_dir() else stage.folder / place
            if not filecmp.cmp(file, source, shallow=False):
                raise RuntimeError(f"{name}: {row.name} did not leave {file} as it should be")


def _prepare_command(row: TimedStep, name: str, stage: Stage) -> Command:
    if name in row.tools:
        return row.tools[name](stage)
    row.prepare(stage)
    return row.command(stage)


def _progress_line(result: Result, name: str, number: int) -> str:
    what = f"{result.seconds[name][-1]:8.3f} s" if number else "  watched "
    return f"{result.story:>5} {number:>3} {result.step:<32} {name:<10} {what}"
