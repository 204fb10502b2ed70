"""Tasks on a cluster of processes that share nothing but the store: the bytes of one machine, whoever dies of them."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import git_theta as gt
from git_theta.api.version_diff import DiffRow
from git_theta.errors import CorruptObject, PluginError, StoreError, UsageError
from git_theta.manifest.text import decode_manifest
from git_theta.merging.base import Contest
from git_theta.merging.contests import StoredOperand
from git_theta.operations.context import Context
from git_theta.operations.merging.contest_results import ContestResult, compute_contest
from git_theta.parameters.value_decoding import read_values
from git_theta.repository.clustering import cluster_session
from git_theta.repository.clustering.clusters import reach_cluster
from git_theta.repository.stores.opening import open_context
from git_theta.store.local import LocalStore
from git_theta.store.scratch_store import ScratchStore
from git_theta.vcs.discovery import Repository, discover_repository
from tests.integration.three_branches import MODEL
from tests.sandbox import Sandbox, model, track_and_commit
from tests.servers.dask_cluster import DaskCluster, find_port
from tests.templates import built_once

pytest.importorskip("distributed")

SHAPES: dict[str, int | tuple[int, ...]] = {
    "a.weight": (700, 600),
    "b.weight": (600, 700),
    "c.weight": 420_000,
    "bias": 32,
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A scheduler and two workers."""
    cluster = DaskCluster(tmp_path_factory.mktemp("cluster"))
    cluster.start_worker()
    cluster.start_worker()
    cluster.await_workers(2)
    yield cluster
    cluster.close()


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    """A checkpoint of large and small tensors, and two branches that changed them all."""
    _make_branches(sandbox)
    return sandbox


@built_once
def _make_branches(sandbox: Sandbox) -> None:
    track_and_commit(sandbox, {MODEL: model(0, **SHAPES)})
    for seed in (1, 2):
        sandbox.git("checkout", "--quiet", "-b", f"head{seed}", "main")
        sandbox.write(MODEL, model(seed, **SHAPES))
        sandbox.commit(f"head {seed}")


def merge(sandbox: Sandbox, *options: str) -> bytes:
    """The manifest of the two heads merged by TIES over the whole checkpoint, with nothing remembered of before."""
    sandbox.git("checkout", "--quiet", "-B", "merged", "head1")
    forget_computed(sandbox)
    sandbox.theta("merge", "-s", "ties", "-o", "scope=checkpoint", *options, "head2")
    return sandbox.git("cat-file", "blob", f"merged:{MODEL}").stdout.encode()


def forget_computed(sandbox: Sandbox) -> None:
    """Nothing is remembered of before."""
    for file in (sandbox.root / ".git/theta").glob("state.sqlite*"):
        file.unlink()


def test_l9_a_merge_gives_the_same_bytes(repository: Sandbox, cluster: DaskCluster) -> None:
    assert merge(repository, "--on", cluster.address) == merge(repository)


def test_a_check_finds_what_it_finds_on_one_machine(repository: Sandbox, cluster: DaskCluster) -> None:
    def check(*options: str) -> tuple[int, str]:
        done = repository.theta("fsck", "--json", *options, check=False)
        return done.returncode, done.stdout

    assert check("--on", cluster.address) == check() == (0, "[]\n")
    lost, *cut = find_objects(repository)
    lost.unlink()
    assert cut
    for file in cut:
        file.chmod(0o644)
        file.write_bytes(b"")
    assert check("--on", cluster.address) == check()
    assert check()[0] == 4


@pytest.fixture
def opened(repository: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Repository, Context]]:
    """The repository, as a command has it."""
    monkeypatch.chdir(repository.root)
    found = discover_repository()
    with open_context(found, pytest.fail) as context:
        yield found, context


def contests(sandbox: Sandbox, context: Context) -> list[Contest]:
    """Each parameter of both heads."""
    read = partial(read_values, store=context.store, parallel=map)
    manifests = [
        decode_manifest(sandbox.git("cat-file", "blob", f"head{seed}:{MODEL}").stdout.encode()) for seed in (1, 2)
    ]
    pairs = zip(*(manifest.parameters() for manifest in manifests), strict=True)
    return [Contest(pair[0].name or "", tuple([StoredOperand(entry, read) for entry in pair])) for pair in pairs]


def test_a_worker_that_dies_is_tasks_run_again(
    repository: Sandbox, cluster: DaskCluster, opened: tuple[Repository, Context]
) -> None:
    found, context = opened
    compute = partial(compute_contest, "average", context.store, context.preferences(), context.progress)
    items = 3 * contests(repository, context)
    with reach_cluster(cluster.address, found, context) as joined:
        results = joined.engine.map(compute, items)
        first = next(results)
        cluster.kill_worker()  # which had tasks, and results that nobody had fetched
        others = list(results)
    assert [first, *others] == list(context.engine.map(compute, items))
    assert sum(one.part.storage is not None for one in others) > 6
    cluster.start_worker()


def test_a_diff_has_the_numbers_of_one_machine(repository: Sandbox, cluster: DaskCluster) -> None:
    def compare(*options: str) -> str:
        return repository.theta("diff", "--json", "--measure", "sign-flips", *options, "head1", "head2").stdout

    assert compare("--on", cluster.address) == compare()


def find_objects(sandbox: Sandbox) -> list[Path]:
    """The files of what the second head has, in file order."""
    manifest = decode_manifest(sandbox.git("cat-file", "blob", f"head2:{MODEL}").stdout.encode())
    oids = dict.fromkeys(entry.storage.place.object for entry in manifest.parameters())
    return [sandbox.root / ".git/theta/objects" / oid[:2] / oid[2:4] / oid for oid in oids]


def damage_object(sandbox: Sandbox) -> None:
    """The first object of what the second head has is as long as it was, and zeros."""
    file = find_objects(sandbox)[0]
    file.chmod(0o644)
    file.write_bytes(bytes(file.stat().st_size))


def test_the_python_api_has_the_cluster_of_the_commands(repository: Sandbox, cluster: DaskCluster) -> None:
    def compare(cluster: str) -> list[DiffRow]:
        return list(gt.diff("head1", "head2", repo=repository.root, cluster=cluster))

    def merge(branch: str, cluster: str = "") -> str:
        planned = gt.merge("head1", "head2", strategy="average", cluster=cluster, repo=repository.root)
        forget_computed(repository)
        return str(planned.commit(branch).tree.hexsha)

    assert compare(cluster.address) == compare("")
    assert merge("there", cluster.address) == merge("here")
    damage_object(repository)
    forget_computed(repository)
    with pytest.raises(CorruptObject, match=r"\(worker tcp:"):
        merge("damaged", cluster.address)


def test_the_python_api_takes_addresses_alone(repository: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_session, "_SECONDS", 1)
    with pytest.raises(UsageError, match="no scheduler answers"):
        gt.diff("head1", "head2", cluster=f"tcp://127.0.0.1:{find_port()}", repo=repository.root)
    with pytest.raises(UsageError, match="is no address of a scheduler"):
        gt.merge("head1", "head2", cluster="127.0.0.1:8786", repo=repository.root)
    with pytest.raises(UsageError, match="is no address of a scheduler"):
        gt.diff("head1", "head2", cluster="127.0.0.1:8786", repo=repository.root)


@pytest.mark.parametrize("options", [(), ("--plan",)])
def test_l7_a_damaged_object_is_told_with_the_worker_that_read_it(
    repository: Sandbox, cluster: DaskCluster, options: tuple[str, ...]
) -> None:
    damage_object(repository)
    repository.git("checkout", "--quiet", "head1")
    command = ("merge", "-s", "average", *options, "--on", cluster.address, "head2")
    assert_told_with_worker(repository.theta(*command, check=False))


def test_a_conflict_is_computed_there(repository: Sandbox, cluster: DaskCluster) -> None:
    def resolve(*options: str) -> subprocess.CompletedProcess[str]:
        repository.git("checkout", "--quiet", "-B", "merged", "head1")
        repository.git("merge", "head2", check=False)
        return repository.theta("resolve", "-s", "average", *options, check=False)

    assert resolve().returncode == 0
    settled = repository.git("ls-files", "-s").stdout
    repository.git("reset", "--quiet", "--hard")
    forget_computed(repository)
    assert resolve("--on", cluster.address).returncode == 0
    assert repository.git("ls-files", "-s").stdout == settled
    repository.git("reset", "--quiet", "--hard")
    forget_computed(repository)
    damage_object(repository)
    assert_told_with_worker(resolve("--on", cluster.address))


def test_conflicts_of_a_command_have_one_session(sandbox: Sandbox, cluster: DaskCluster) -> None:
    names = ("a.safetensors", "b.safetensors")
    track_and_commit(sandbox, {name: model(0, **SHAPES) for name in names})
    for seed in (1, 2):
        sandbox.git("checkout", "--quiet", "-b", f"head{seed}", "main")
        for name in names:
            sandbox.write(name, model(seed, **SHAPES))
        sandbox.commit(f"head {seed}")
    sandbox.git("merge", "head1", check=False)
    before = cluster.count_sessions()
    sandbox.theta("resolve", "-s", "average", "--on", cluster.address)
    assert cluster.count_sessions() == before + 1
    sandbox.theta("resolve", "--on", cluster.address)
    assert cluster.count_sessions() == before + 1, "nothing was in conflict"


SCORING = """\
import json, os, pathlib
values = pathlib.Path(os.environ["THETA_CHECKPOINT"]).read_bytes()[-400::4]
for number, value in enumerate(values):
    print(json.dumps({"id": f"q{number}", "score": value / 255}))
"""


def test_a_search_has_its_candidates_computed_there(repository: Sandbox, cluster: DaskCluster) -> None:
    def search(*options: str) -> subprocess.CompletedProcess[str]:
        shutil.rmtree(repository.root / ".git/theta/search", ignore_errors=True)
        limits = ("-s", "average,ties", "--over", "lambda", "--budget", "4")
        return repository.theta("search", *limits, "--json", *options, "head2", check=False)

    repository.git("checkout", "--quiet", "head1")
    run = shlex.join([sys.executable, "scoring.py"])
    repository.write(".theta/evals.toml", f"[eval.bytes]\ncheckpoint = '*'\ncommand = {run!r}\n".encode())
    repository.write("scoring.py", SCORING.encode())
    repository.commit("an evaluation")
    repository.theta("eval", "--allow", "bytes")
    there, here = search("--on", cluster.address), search()
    assert there.returncode == here.returncode == 0, there.stderr
    assert find_tried(there) == find_tried(here)
    damage_object(repository)
    assert_told_with_worker(search("--on", cluster.address))


def find_tried(done: subprocess.CompletedProcess[str]) -> Any:
    """Every candidate with its score."""
    tried = json.loads(done.stdout)["tried"]
    assert len(tried) > 2
    return tried


def test_what_is_tried_out_lies_where_a_worker_reaches_it(
    repository: Sandbox, cluster: DaskCluster, opened: tuple[Repository, Context], tmp_path: Path
) -> None:
    found, context = opened
    with reach_cluster(cluster.address, found, context) as joined:

        def compute(folder: Path) -> list[ContestResult]:
            tried = joined._replace(store=ScratchStore(folder, joined.store))
            average = partial(compute_contest, "average", tried.store, tried.preferences(), tried.progress)
            return list(tried.engine.map(average, contests(repository, tried)))

        results = compute(tmp_path)
        places = [one.part.storage.place.object for one in results if one.part.storage]
        assert places and not any(map(context.store.has, places))
        assert all(map(LocalStore(tmp_path).has, places))
        with pytest.raises(StoreError, match=r"does not reach the folder .*nowhere.* \(worker tcp:"):
            compute(tmp_path / "nowhere")


def assert_told_with_worker(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 4
    assert re.search(r"weight: object .* does not hold these values.* \(worker tcp://127\.0\.0\.1:\d+\)", done.stderr)


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ({"git-theta": "0.9"}, r"it has git-theta \S+, and this machine has 0\.9"),
        ({"git-theta-nowhere": "1"}, "it has no git-theta-nowhere, and this machine has 1"),
    ],
)
def test_a_worker_of_another_release_or_without_a_plug_in_is_refused_by_name(
    cluster: DaskCluster,
    opened: tuple[Repository, Context],
    monkeypatch: pytest.MonkeyPatch,
    packages: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setattr(cluster_session, "list_packages", lambda: packages)
    with (
        pytest.raises(UsageError, match=rf"worker tcp://127\.0\.0\.1:\d+ cannot work for us: {said}"),
        reach_cluster(cluster.address, *opened),
    ):
        pass


def test_a_worker_that_does_not_reach_the_store_is_refused_and_nothing_is_left(
    cluster: DaskCluster, opened: tuple[Repository, Context], tmp_path: Path
) -> None:
    found, context = opened
    before = set(context.store.oids())
    elsewhere = found._replace(common_dir=tmp_path)
    with (
        pytest.raises(UsageError, match="cannot work for us: it does not reach the store in"),
        reach_cluster(cluster.address, elsewhere, context),
    ):
        pass
    assert set(context.store.oids()) == before


def test_a_scheduler_that_does_not_answer(opened: tuple[Repository, Context], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_session, "_SECONDS", 1)
    address = f"tcp://127.0.0.1:{find_port()}"
    with pytest.raises(UsageError, match=f"no scheduler answers at {address}"), reach_cluster(address, *opened):
        pass


@pytest.mark.parametrize(
    "command", [("merge", "-s", "average", "head1"), ("diff", "head1"), ("fsck",), ("resolve",), ("search", "head1")]
)
def test_what_is_no_address(repository: Sandbox, command: tuple[str, ...]) -> None:
    done = repository.theta(*command, "--on", "127.0.0.1:8786", check=False)
    assert done.returncode == 2
    assert "'127.0.0.1:8786' is no address of a scheduler" in done.stderr


def test_a_remote_is_checked_by_this_machine(repository: Sandbox) -> None:
    done = repository.theta("fsck", "--remote", "--on", "tcp://127.0.0.1:1", check=False)
    assert done.returncode == 2
    assert "--on is for the objects here" in done.stderr


def test_without_dask(opened: tuple[Repository, Context], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(PluginError, match=r"not installed") as raised, reach_cluster("tcp://h:1", *opened):
        pass
    assert "git-theta[cluster]" in raised.value.hint
