"""``python -m benchmarks.cluster_costs``: what a merge costs in CPU seconds, here and on the workers of a cluster.

Of few large tensors and of many small ones; two workers on this machine. The time of a clock would say how busy the
machine is; a processor's says what a larger model costs, since each tensor is computed by itself.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.models import Model, ModelVersion, build_model, mixture_shapes, write_versions
from benchmarks.results import OURS
from benchmarks.stages import Stage, seal_environment
from tests.servers.dask_cluster import DaskCluster

_VERSIONS: tuple[ModelVersion, ...] = ("base", "a", "b")
_STRATEGIES = (("average",), ("ties", "-o", "scope=checkpoint"))
_WORKERS = 2


class MergeCost(NamedTuple):
    """CPU seconds of the process that was started, with Git's, and of all workers."""

    here: float
    there: float


def main() -> None:
    """Parse the command line, and print a row for each merge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=0.5, help="GB of the large tensors together")
    parser.add_argument("--parameters", type=int, default=10_000, help="how many small tensors")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="theta-bench-") as name, _start_cluster(Path(name)) as cluster:
        folder = Path(name)
        seal_environment(folder / "home")
        large = build_model(folder / "large", "BF16", int(options.size * 1e9), _VERSIONS)
        small = write_versions(folder / "small", "BF16", mixture_shapes(options.parameters), _VERSIONS)
        one = write_versions(folder / "one", "BF16", mixture_shapes(1), _VERSIONS)
        for title, model in ((f"{options.size:g} GB", large), (f"{options.parameters:,}", small), ("one tensor", one)):
            for strategy in _STRATEGIES:
                for address in ("", cluster.address):
                    _print_cost(title, strategy, address, _measure_merge(folder, model, strategy, cluster, address))


@contextmanager
def _start_cluster(folder: Path) -> Iterator[DaskCluster]:
    cluster = DaskCluster(folder)
    try:
        for _ in range(_WORKERS):
            cluster.start_worker()
        cluster.await_workers(_WORKERS)
        yield cluster
    finally:
        cluster.close()


def _measure_merge(
    folder: Path, model: Model, strategy: Sequence[str], cluster: DaskCluster, address: str
) -> MergeCost:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        stage = Stage.create(Path(name) / "stage", OURS, model)
        stage.branch_versions()
        stage.repository.git("checkout", "--quiet", "a")
        on = ["--on", address] if address else []
        before = _read_seconds(cluster)
        command = ["git", "theta", "merge", "-s", *strategy, *on, "b"]
        subprocess.run(command, cwd=stage.root, check=True, capture_output=True)
        after = _read_seconds(cluster)
    return MergeCost(after.here - before.here, after.there - before.there)


def _read_seconds(cluster: DaskCluster) -> MergeCost:
    """Since the beginning."""
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    workers = [psutil.Process(process).cpu_times() for process in cluster.worker_ids]
    return MergeCost(own.ru_utime + own.ru_stime, sum(times.user + times.system for times in workers))


def _print_cost(title: str, strategy: Sequence[str], address: str, cost: MergeCost) -> None:
    where = "cluster" if address else "one machine"
    there = f"{cost.there:8.2f}" if address else f"{'':8}"
    print(f"{title:12} {' '.join(strategy):26} {where:12} here {cost.here:8.2f}  workers {there}")


if __name__ == "__main__":
    main()
