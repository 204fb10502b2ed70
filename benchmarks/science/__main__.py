"""``python -m benchmarks.science``: tune, merge, score, print; it fails where the order is not the promised one."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks import machine
from benchmarks.science.bench import Bench, prepare_bench
from benchmarks.science.contestants import CONTESTANTS, merge_all, merge_best
from benchmarks.science.halving_regret import measure_regrets, render_regrets
from benchmarks.science.images import draw_alphabet, make_image_tasks
from benchmarks.science.packages import Packages
from benchmarks.science.report import BASE, SINGLE, TEXT, TOGETHER, VISION, BenchResults, Result, find_disorder
from benchmarks.science.sentences import SentenceModel, encode_sentences
from benchmarks.science.texts import find_texts
from benchmarks.science.training import Learner
from benchmarks.science.vision import encode_images, learn_to_see
from benchmarks.tables import write_docs

_HERE = Path(__file__).parent
_PAGE = _HERE.parents[1] / "docs" / "science.md"
_MERGES, _SEARCH = "merges", "search"
"""What is measured, by the marks of its tables on the page."""
BEGIN = "<!-- {}: begin; `python -m benchmarks.science --write-docs` writes what follows -->"
_SHOTS = 16
"""Sentences that place a class."""


class Size(NamedTuple):
    """How much is done.

    Attributes:
        signs: images of each sign that the base learns.
        seeing: steps that it learns for.
        vision: steps that a head is tuned for.
        text: the same, of sentences.
        images: the most of a task's, to train, to choose by and to test.
        texts: the most of a task's, all together.
    """

    signs: int
    seeing: int
    vision: int
    text: int
    images: tuple[int, int, int]
    texts: int


WHOLE = Size(signs=40, seeing=1_500, vision=220, text=60, images=(1_000, 200, 600), texts=1_000)
CUT = Size(signs=20, seeing=250, vision=60, text=20, images=(400, 60, 150), texts=400)


def main() -> None:
    """Parse the command line and run."""
    options = _parse_arguments()
    torch.set_num_threads(2)
    size, started = CUT if options.cut else WHOLE, time.monotonic()
    options.dir.mkdir(parents=True, exist_ok=True)
    texts: dict[str, str] = {}
    benches: list[BenchResults] = []
    if _MERGES in options.only:
        benches = [_run_bench(bench, steps, options.seeds) for bench, steps in _prepare_benches(size, options.dir)]
        texts[_MERGES] = "\n\n".join([f"Seeds: {options.seeds}.", *(bench.render() for bench in benches)])
    if _SEARCH in options.only:
        texts[_SEARCH] = _search(*next(_prepare_benches(size, options.dir)))
    _report(texts, started, options)
    sys.exit(0 if options.cut else "\n".join(find_disorder(benches)) or 0)


def _report(texts: Mapping[str, str], started: float, options: argparse.Namespace) -> None:
    """Print what was measured, and on what; and write it to the page, if it is to be."""
    about = {"taken": time.strftime("%Y-%m-%d %H:%M")} | machine.describe_machine()
    about |= {"torch": torch.__version__, "minutes": f"{(time.monotonic() - started) / 60:.0f}"}
    machine_line = "; ".join(f"{name}: {value}" for name, value in about.items())
    parts = {name: f"{machine_line}\n\n{text}\n" for name, text in texts.items()}
    print("", *parts.values(), sep="\n")
    if options.write_docs:
        write_docs(_PAGE, parts, BEGIN)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.science", description="how good merges are")
    parser.add_argument("--cut", action="store_true", help="less of everything, to see that it works")
    parser.add_argument(
        "--only", nargs="+", choices=(_MERGES, _SEARCH), default=(_MERGES, _SEARCH), help="what to measure (all)"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="tunings of each head (3)")
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="FOLDER",
        default=_HERE.parent / "results" / "science",
        help="where what is downloaded is kept (benchmarks/results/science)",
    )
    parser.add_argument("--write-docs", action="store_true", help="put the tables into docs/science.md")
    return parser.parse_args()


def _prepare_benches(size: Size, folder: Path) -> Iterator[tuple[Bench, int]]:
    """Each bench, and for how many steps its heads are tuned."""
    packages = Packages(folder)
    tasks = [task.cut(*size.images) for task in make_image_tasks(packages)]
    seeing = learn_to_see(draw_alphabet(size.signs), size.seeing)
    yield prepare_bench(VISION, Learner(encode_images, rate=4e-4, batch=48), seeing, tasks), size.vision
    model = SentenceModel(folder)
    tasks = list(map(model.make_task, find_texts(packages, size.texts)))
    learner = Learner(encode_sentences, rate=1.5e-4, batch=20)
    yield prepare_bench(TEXT, learner, model.upper_half(), tasks, _SHOTS), size.text


def _search(bench: Bench, steps: int) -> str:
    """What a search finds among all that is tried, for how many items."""
    heads = list(bench.tune_heads(steps, seed=0))
    right = torch.stack([bench.judge(state) for state in merge_all(bench, heads)]).numpy()
    return render_regrets(list(measure_regrets(right)), len(right))


def _run_bench(bench: Bench, steps: int, seeds: int) -> BenchResults:
    found: dict[str, Result] = {}
    for seed in range(seeds):
        for name, scores, seconds in _score_seed(bench, steps, seed):
            before = found.get(name, Result(name, []))
            found[name] = Result(name, [*before.scores, scores], [*before.seconds, *seconds])
            print(f"{bench.name:8} {seed} {name:44} {sum(scores) / len(scores):6.2f}", flush=True)
    return BenchResults(bench.name, [task.name for task in bench.tasks], list(found.values()))


def _score_seed(bench: Bench, steps: int, seed: int) -> Iterator[tuple[str, list[float], list[float]]]:
    """(name, percent right at each task, seconds of processors if it is a merge)."""
    heads = list(bench.tune_heads(steps, seed))
    yield SINGLE, [bench.score_task(head, task) for head, task in zip(heads, bench.tasks, strict=True)], []
    yield TOGETHER, bench.score(bench.tune_together(steps, seed)), []
    yield BASE, bench.score(bench.base), []
    for contestant in CONTESTANTS:
        began = time.process_time()
        merged = merge_best(bench, heads, contestant)
        seconds = time.process_time() - began
        yield contestant.name(), bench.score(merged), [seconds]


if __name__ == "__main__":
    main()
