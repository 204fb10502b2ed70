"""What is dropped from a remote's pointers, and what stays: what is needed by then, and what is young."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from git_theta.errors import TransportError
from git_theta.repository.sharing.pointer_thinning import ThinningPlan, plan_thinning, thin_pointers
from git_theta.repository.sharing.pointers import POINTERS_REF, open_pointer_scratch, push_pointers
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.pointer_tree import commit_pointers
from tests.repository.sharing.test_pointers import some_objects
from tests.sandbox import Sandbox, changed, model, track_and_commit
from tests.servers.collector import find_pointers

TRANSPORT = "theta.remote.origin.transport"
FIRST = model()
DAY = 24 * 3600


@pytest.fixture
def host(tmp_path: Path) -> Sandbox:
    return Sandbox.create(tmp_path / "host.git", install=False, bare=True)


@pytest.fixture
def ours(sandbox: Sandbox, host: Sandbox) -> Sandbox:
    """Two versions of a model, the second on a branch of its own, both on the host."""
    sandbox.git("remote", "add", "origin", host.root)
    sandbox.git("config", TRANSPORT, "lfs")
    track_and_commit(sandbox, {"a.safetensors": FIRST})
    sandbox.git("switch", "-qc", "side")
    sandbox.write("a.safetensors", changed(FIRST, "embed.weight"))
    sandbox.commit()
    sandbox.git("push", "-q", "origin", "main", "side")
    return sandbox


@pytest.fixture
def repository(ours: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.chdir(ours.root)
    return discover_repository()


def plan(repository: Repository, host: Sandbox, expire: float) -> ThinningPlan:
    return plan_thinning("origin", os.fspath(host.root), int(expire), repository, print)


def add_pointers(repository: Repository, host: Sandbox, objects: dict[str, int], moment: float) -> None:
    """Pointers that somebody pushed at that time."""
    tip = host.git("rev-parse", POINTERS_REF).stdout.strip()
    with open_pointer_scratch("origin", os.fspath(host.root), repository, print) as scratch:
        scratch.fetch([f"+{POINTERS_REF}:refs/there"])
        assert scratch.push(commit_pointers(scratch, tip, objects, int(moment)), POINTERS_REF, tip).state == "taken"


def test_only_what_no_ref_needs_is_dropped(repository: Repository, ours: Sandbox, host: Sandbox) -> None:
    soon = time.time() + DAY
    assert plan(repository, host, soon).dropped == {}
    everything = find_pointers(host.root)
    host.git("branch", "-qD", "side")
    dropped = plan(repository, host, soon).dropped
    assert dropped.keys() < everything
    assert thin_pointers("origin", os.fspath(host.root), int(soon), repository, dropped.keys(), print) == dropped
    assert find_pointers(host.root) == everything - dropped.keys()


def test_versions_in_the_history_of_a_branch_are_needed(repository: Repository, ours: Sandbox, host: Sandbox) -> None:
    ours.git("rm", "-q", "a.safetensors")
    ours.commit("gone")
    ours.git("push", "-q", "origin", "side")
    assert plan(repository, host, time.time() + DAY).dropped == {}


def test_any_ref_that_the_host_shows_holds_versions(repository: Repository, ours: Sandbox, host: Sandbox) -> None:
    """A merge request's, say."""
    host.git("update-ref", "refs/merge-requests/1/head", "side")
    host.git("branch", "-qD", "side")
    assert plan(repository, host, time.time() + DAY).dropped == {}


def test_what_is_young_keeps_its_commit_and_date(repository: Repository, host: Sandbox) -> None:
    now = int(time.time())
    old, young = some_objects(3), some_objects(2, 10)
    host.git("update-ref", "-d", POINTERS_REF)
    push_pointers("origin", os.fspath(host.root), old, repository, print)  # now, before which the others are put
    tree = host.git("rev-parse", f"{POINTERS_REF}^{{tree}}").stdout.strip()
    made = host.git(
        "commit-tree", tree, input="old\n", env={"GIT_COMMITTER_DATE": f"{now - 30 * DAY} +0000"}
    ).stdout.strip()
    host.git("update-ref", POINTERS_REF, made)
    add_pointers(repository, host, young, now - 3 * DAY)
    planned = plan(repository, host, now - 14 * DAY)
    assert planned.dropped == old
    agreed = planned.dropped.keys()
    assert thin_pointers("origin", os.fspath(host.root), now - 14 * DAY, repository, agreed, print) == old
    assert find_pointers(host.root) == young.keys()
    dates = host.git("log", "--format=%ct", POINTERS_REF).stdout.split()
    assert dates == [str(now - 3 * DAY), str(now - 14 * DAY)]
    # So it is not young for ever, however often somebody thins.
    assert plan(repository, host, now - 2 * DAY).dropped == young


def test_what_is_needed_again_by_then_stays(repository: Repository, ours: Sandbox, host: Sandbox) -> None:
    """Somebody pushed between the question and the answer."""
    host.git("branch", "-qD", "side")
    soon = int(time.time()) + DAY
    agreed = plan(repository, host, soon).dropped
    assert agreed
    everything = find_pointers(host.root)
    ours.git("push", "-q", "origin", "side")
    assert thin_pointers("origin", os.fspath(host.root), soon, repository, agreed.keys(), print) == {}
    assert find_pointers(host.root) == everything


def test_what_was_not_agreed_to_stays(repository: Repository, host: Sandbox) -> None:
    soon = int(time.time()) + DAY
    more = some_objects(2)
    add_pointers(repository, host, more, time.time())
    assert plan(repository, host, soon).dropped == more
    first, second = more
    assert thin_pointers("origin", os.fspath(host.root), soon, repository, [first], print) == {first: more[first]}
    assert second in find_pointers(host.root)


def test_both_refs_are_thinned(repository: Repository, host: Sandbox) -> None:
    """A host that took no such ref takes it now: the branch is still there."""
    soon = int(time.time()) + DAY
    add_pointers(repository, host, some_objects(2), time.time())
    host.git("branch", "theta/objects", POINTERS_REF)
    dropped = plan(repository, host, soon).dropped
    assert dropped == some_objects(2)
    thin_pointers("origin", os.fspath(host.root), soon, repository, dropped.keys(), print)
    assert not dropped.keys() & find_pointers(host.root)
    assert plan(repository, host, soon).dropped == {}


def test_a_host_that_takes_no_forced_push_says_so(repository: Repository, host: Sandbox) -> None:
    """Of branches, as `git init --shared` configures it; of other refs Git takes them even then."""
    soon = int(time.time()) + DAY
    add_pointers(repository, host, some_objects(2), time.time())
    host.git("branch", "theta/objects", POINTERS_REF)
    host.git("update-ref", "-d", POINTERS_REF)
    host.git("config", "receive.denyNonFastForwards", "true")
    everything = find_pointers(host.root)
    with pytest.raises(TransportError, match="non-fast-forward") as failure:
        thin_pointers("origin", os.fspath(host.root), soon, repository, some_objects(2), print)
    assert "forced pushes" in failure.value.hint
    assert find_pointers(host.root) == everything
