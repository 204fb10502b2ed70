"""``python -m benchmarks``: run everything, print the tables, keep the numbers."""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks import machine, report
from benchmarks.models import Dtype, build
from benchmarks.results import Result
from benchmarks.rounds import race
from benchmarks.rows import Story, checkpoint_story, toy_story
from benchmarks.stages import seal

_HERE = Path(__file__).parent
_TOY = 100_000
"""Bytes of a model that costs nothing to read."""
_COPIES = 18
"""Files of the size asked for that exist at most: three versions; per contender three stored, one or two checked out,
and a clone; a copy."""


def main() -> None:
    """Parse the command line and run."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="theta-bench-", dir=options.dir) as name:
        folder = Path(name)
        size = int(options.size * 1e9)
        if (free := shutil.disk_usage(folder).free) < _COPIES * size:
            raise SystemExit(
                f"{free / 1e9:.0f} GB free in {folder}, and {_COPIES * options.size:.0f} GB needed: see --dir"
            )
        seal(folder / "home")
        about = {
            "taken": time.strftime("%Y-%m-%d %H:%M"),
            "size": f"{options.size:g} GB",
            "rounds": str(options.rounds),
        }
        about |= machine.describe()
        results = _raced(folder, size, options.rounds)
    _told(results, about, docs=options.write_docs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description="git-theta beside git-lfs and the bounds")
    parser.add_argument("--size", type=float, default=1.0, metavar="GB", help="of each checkpoint (1.0)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="timings of each step (5)")
    parser.add_argument("--dir", type=Path, metavar="FOLDER", help="where to work (the system's temporary folder)")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/performance.md")
    return parser.parse_args()


def _raced(folder: Path, size: int, rounds: int) -> list[Result]:
    results = race(toy_story(build(folder / "toy", "F32", _TOY)), folder / "stages", rounds, print)
    dtypes: tuple[tuple[str, Dtype], ...] = (("fp32", "F32"), ("bf16", "BF16"))
    for title, dtype in dtypes:
        story: Story = checkpoint_story(title, build(folder / title, dtype, size))
        results += race(story, folder / "stages", rounds, print)
        shutil.rmtree(folder / title)
    return results


def _told(results: list[Result], about: dict[str, str], *, docs: bool) -> None:
    text = report.markdown(results, about)
    print(f"\n{text}")
    print("\n".join(f"NOT MET  {miss}" for miss in report.misses(results)) or "Every budget is met.")
    file = _HERE / "results" / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    report.write_json(file, results, about)
    print(f"\nwritten: {file}")
    if docs:
        report.write_docs(_HERE.parent / "docs" / "performance.md", text)


if __name__ == "__main__":
    main()
