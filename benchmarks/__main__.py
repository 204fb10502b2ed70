"""``python -m benchmarks``: run everything, print the tables, keep the numbers."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import machine, tables
from benchmarks.diff_steps import LAYERS, names_story, values_story
from benchmarks.eval_steps import eval_story
from benchmarks.merge_steps import disjoint_story, merge_story, sharded_merge_story, start_story
from benchmarks.models import DISJOINT, FORK, SHARDED, SHARDS, DtypeName, build_model, build_shards
from benchmarks.results import Result
from benchmarks.rounds import race_story
from benchmarks.scale_steps import build_mixture, scale_story
from benchmarks.share_steps import build_share_stories
from benchmarks.stages import seal_environment
from benchmarks.steps import Story, checkpoint_story, sharded_story, toy_story

if TYPE_CHECKING:
    from benchmarks.storage.report import StorageResult

_HERE = Path(__file__).parent
_TOY = 100_000
"""Bytes of a model that costs nothing to read."""
_COPIES = 30
"""Files of the size asked for that exist at most: one of two and a half times the size; of it two checked
out, two stored and one on a host, with each of two tools."""
_DTYPES: tuple[tuple[str, DtypeName], ...] = (("fp32", "F32"), ("bf16", "BF16"))
_PARTS = ("toy", "checkpoint", "sharded", "share", "merge", "diff", "eval", "scale", "storage")


def main() -> None:
    """Parse the command line and run."""
    options = _parse_arguments()
    with tempfile.TemporaryDirectory(prefix="theta-bench-", dir=options.dir) as name:
        folder = Path(name)
        size = int(options.size * 1e9)
        if (free := shutil.disk_usage(folder).free) < _COPIES * size:
            raise SystemExit(
                f"{free / 1e9:.0f} GB free in {folder}, and {_COPIES * options.size:.0f} GB needed: see --dir"
            )
        seal_environment(folder / "home")
        about = {
            "taken": time.strftime("%Y-%m-%d %H:%M"),
            "size": f"{options.size:g} GB",
            "rounds": str(options.rounds),
        }
        about |= machine.describe_machine(options.mergekit)
        results: list[Result] = []
        for story in _build_stories(options, folder / "models", size):
            results += race_story(story, folder / "stages", options.rounds, print)
            shutil.rmtree(folder / "models")
        storage = _measure_storage(options, folder) if "storage" in options.only else None
    _report_results(results, storage, about, docs=options.write_docs)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="git-theta beside git-lfs and the bounds")
    parser.add_argument("--size", type=float, default=1.0, metavar="GB", help="of each checkpoint (1.0)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="timings of each step (5)")
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=_PARTS, help="some parts (all)")
    parser.add_argument(
        "--mergekit", type=Path, metavar="PROGRAM", help="mergekit-yaml, to compare with; left out where there is none"
    )
    parser.add_argument(
        "--tools", type=Path, metavar="FOLDER", help="where pip installed the tools to store beside (nowhere)"
    )
    parser.add_argument(
        "--fine-tunes",
        type=Path,
        metavar="FOLDER",
        default=_HERE / "results" / "fine-tunes",
        help="where checkpoints that are trained or fetched are kept for the next time (benchmarks/results/fine-tunes)",
    )
    parser.add_argument("--dir", type=Path, metavar="FOLDER", help="where to work (the system's temporary folder)")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args()
    options.mergekit = options.mergekit.absolute() if options.mergekit and options.mergekit.exists() else None
    if options.tools:
        sys.path.append(str(options.tools))
    return options


def _build_stories(options: argparse.Namespace, folder: Path, size: int) -> Iterator[Story]:
    """Each with its checkpoints in ``folder``, made when it is its turn."""
    yield from _build_toys(options.only, folder)
    if "checkpoint" in options.only:
        for title, dtype in _DTYPES:
            yield checkpoint_story(title, build_model(folder, dtype, size))
    if "sharded" in options.only:
        for story in (sharded_story, sharded_merge_story):
            yield story(build_shards(folder, "BF16", size, SHARDED, SHARDS))
    if "share" in options.only:
        yield from build_share_stories(folder, lambda: build_model(folder, "F32", size), size)
    if "merge" in options.only:
        yield from _build_merges(options.mergekit, folder, size)
    if "scale" in options.only:
        yield scale_story("experts", build_mixture(folder))
    if "diff" in options.only:
        yield from _build_diffs(folder, size)


def _build_toys(parts: Sequence[str], folder: Path) -> Iterator[Story]:
    """Where only what it costs to ask is left."""
    for part, story in (("toy", toy_story), ("eval", eval_story)):
        if part in parts:
            yield story(build_model(folder, "F32", _TOY))


def _build_diffs(folder: Path, size: int) -> Iterator[Story]:
    yield names_story(build_model(folder, "F32", LAYERS * _TOY // 16, layers=LAYERS))
    for title, dtype in _DTYPES:
        yield values_story(title, build_model(folder, dtype, size, layers=LAYERS))


def _build_merges(mergekit: Path | None, folder: Path, size: int) -> Iterator[Story]:
    if mergekit is None:
        print("mergekit is left out: no such program (--mergekit)")
    yield start_story(build_model(folder, "F32", _TOY, FORK), mergekit)
    for title, dtype in _DTYPES:
        yield merge_story(title, build_model(folder, dtype, size, FORK), mergekit)
        yield disjoint_story(title, build_model(folder, dtype, size, DISJOINT))


def _measure_storage(options: argparse.Namespace, folder: Path) -> StorageResult | None:
    if importlib.util.find_spec("torch") is None:
        print("storage is left out: torch is not installed, and fine-tunes are made with it (--tools)")
        return None
    from benchmarks.storage.measure import measure_storage  # it imports torch

    return measure_storage(options.fine_tunes.absolute(), folder / "storage", print)


def _report_results(results: list[Result], storage: StorageResult | None, about: dict[str, str], *, docs: bool) -> None:
    sections = tables.render_sections(results, about) | (storage.render(about) if storage else {})
    print("", *sections.values(), sep="\n")
    missed = [*tables.missed_budgets(results), *(storage.missed_budgets() if storage else ())]
    print("\n".join(f"NOT MET  {miss}" for miss in missed) or "Every budget is met.")
    file = _HERE / "results" / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    tables.write_json(file, results, about, storage.to_json() if storage else {})
    print(f"\nwritten: {file}")
    if docs:
        tables.write_docs(_HERE.parent / "docs" / "performance.md", sections)


if __name__ == "__main__":
    main()
