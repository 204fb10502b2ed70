"""``python -m benchmarks``: run everything, print the tables, keep the numbers."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import machine, tables
from benchmarks.diff_steps import LAYERS, names_story, values_story
from benchmarks.merge_steps import disjoint_story, merge_story, sharded_merge_story, start_story
from benchmarks.models import DISJOINT, FORK, SHARDED, SHARDS, DtypeName, build_model, build_shards
from benchmarks.results import Result
from benchmarks.rounds import race_story
from benchmarks.scale_steps import build_mixture, scale_story
from benchmarks.share_steps import build_share_stories
from benchmarks.stages import seal_environment
from benchmarks.steps import Story, checkpoint_story, sharded_story, toy_story

_HERE = Path(__file__).parent
_TOY = 100_000
"""Bytes of a model that costs nothing to read."""
_COPIES = 30
"""Files of the size asked for that exist at most: one of two and a half times the size; of it two checked
out, two stored and one on a host, with each of two tools."""
_DTYPES: tuple[tuple[str, DtypeName], ...] = (("fp32", "F32"), ("bf16", "BF16"))
_PARTS = ("toy", "checkpoint", "sharded", "share", "merge", "diff", "scale")


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
    _report_results(results, about, docs=options.write_docs)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="git-theta beside git-lfs and the bounds")
    parser.add_argument("--size", type=float, default=1.0, metavar="GB", help="of each checkpoint (1.0)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="timings of each step (5)")
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=_PARTS, help="some parts (all)")
    parser.add_argument(
        "--mergekit", type=Path, metavar="PROGRAM", help="mergekit-yaml, to compare with; left out where there is none"
    )
    parser.add_argument("--dir", type=Path, metavar="FOLDER", help="where to work (the system's temporary folder)")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/performance.md")
    options = parser.parse_args()
    options.mergekit = options.mergekit.absolute() if options.mergekit and options.mergekit.exists() else None
    return options


def _build_stories(options: argparse.Namespace, folder: Path, size: int) -> Iterator[Story]:
    """Each with its checkpoints in ``folder``, made when it is its turn."""
    if "toy" in options.only:
        yield toy_story(build_model(folder, "F32", _TOY))
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


def _report_results(results: list[Result], about: dict[str, str], *, docs: bool) -> None:
    sections = tables.render_sections(results, about)
    print("", *sections.values(), sep="\n")
    print("\n".join(f"NOT MET  {miss}" for miss in tables.missed_budgets(results)) or "Every budget is met.")
    file = _HERE / "results" / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    tables.write_json(file, results, about)
    print(f"\nwritten: {file}")
    if docs:
        tables.write_docs(_HERE.parent / "docs" / "performance.md", sections)


if __name__ == "__main__":
    main()
