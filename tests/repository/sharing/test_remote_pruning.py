"""What is dropped from a remote's objects, through any transport that can: what no version there needs, and is old."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from git_theta.errors import TransportError
from git_theta.repository.sharing.remote_pruning import plan_pruning, prune_objects
from git_theta.repository.stores.object_stores import open_store
from git_theta.repository.stores.remote_transports import open_remote
from git_theta.vcs.discovery import discover_repository
from tests.sandbox import Sandbox, changed, model, track_and_commit
from tests.transport.bucket_server import CREDENTIALS, make_bucket, running_bucket_server
from tests.transport.git.test_git_transport import contents_of

FIRST = model()
DAY = 24 * 3600


@pytest.fixture(scope="module")
def bucket_server() -> Iterator[str]:
    pytest.importorskip("obstore")
    with running_bucket_server() as url:
        yield url


@pytest.fixture
def host(tmp_path: Path) -> Sandbox:
    return Sandbox.create(tmp_path / "host.git", install=False, bare=True)


@pytest.fixture(params=["git", "bucket"])
def ours(
    request: pytest.FixtureRequest, sandbox: Sandbox, host: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Sandbox:
    """Two versions of a model, the second on a branch of its own, both pushed, by one transport or another."""
    sandbox.git("remote", "add", "origin", host.root)
    if request.param == "git":
        sandbox.git("config", "theta.remote.origin.transport", "git")
    if request.param == "bucket":
        server = request.getfixturevalue("bucket_server")
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        sandbox.git("config", "theta.remote.origin.url", f"s3://{make_bucket(server, str(tmp_path))}/model")
        sandbox.git("config", "theta.remote.origin.endpoint", server)
    track_and_commit(sandbox, {"a.safetensors": FIRST})
    sandbox.git("switch", "-qc", "side")
    sandbox.write("a.safetensors", changed(FIRST, "embed.weight"))
    sandbox.commit()
    sandbox.git("push", "-q", "origin", "main", "side")
    monkeypatch.chdir(sandbox.root)
    return sandbox


def list_held(sandbox: Sandbox) -> set[str]:
    repository = discover_repository(sandbox.root)
    with open_remote("origin", _url(sandbox), repository, open_store(repository), push=True) as transport:
        return {one.oid for one in transport.list_held()}


def _url(sandbox: Sandbox) -> str:
    return sandbox.git("remote", "get-url", "origin").stdout.strip()


def prune(sandbox: Sandbox, *options: str) -> dict[str, Any]:
    [told] = json.loads(sandbox.theta("prune", "--remote", "--not-shared", "--json", *options).stdout)
    return dict(told)


def test_only_what_no_ref_needs_goes(ours: Sandbox, host: Sandbox, tmp_path: Path) -> None:
    before = list_held(ours)
    assert prune(ours, "--expire", "now", "--yes")["dropped"] == {"number": 0, "bytes": 0, "objects": []}
    host.git("branch", "-qD", "side")
    told = prune(ours, "--expire", "now", "--dry-run")
    assert (told["what"], told["done"]) == ("objects", False)
    gone = set(told["dropped"]["objects"])
    assert gone and gone < before and list_held(ours) == before
    assert prune(ours, "--expire", "now", "--yes")["dropped"] == told["dropped"]
    assert list_held(ours) == before - gone
    ours.theta("fsck", "--remote", "--verify", check=False)
    ours.git("push", "-q", "origin", "side")  # who has it still brings it again
    assert list_held(ours) == before
    ours.theta("fsck", "--remote", "--verify")


def test_what_is_young_stays_where_ages_are_known(ours: Sandbox, host: Sandbox) -> None:
    host.git("branch", "-qD", "side")
    told = prune(ours, "--yes")
    assert (told["kept"]["young"] > 0) == (not told["dropped"]["number"])
    assert (told["dropped"]["number"] > 0) == (
        ours.git("config", "theta.remote.origin.transport", check=False).stdout == "git\n"
    )


def test_nothing_goes_without_a_word(ours: Sandbox, host: Sandbox) -> None:
    host.git("branch", "-qD", "side")
    before = list_held(ours)
    done = ours.theta("prune", "--remote", "--expire", "now", "--not-shared", check=False)
    assert done.returncode == 2 and "--yes" in done.stderr
    assert "that no ref needs would go" in done.stdout
    assert list_held(ours) == before


def test_what_somebody_pushed_meanwhile_is_put_back(ours: Sandbox, host: Sandbox) -> None:
    """They found the objects there, and their commits came when these had gone."""
    repository, url = discover_repository(ours.root), _url(ours)
    side = host.git("rev-parse", "side").stdout.strip()
    host.git("branch", "-qD", "side")
    soon = int(time.time()) + DAY
    for has_them in (True, False):
        store = open_store(repository)
        with open_remote("origin", url, repository, store, push=True) as transport:
            agreed = plan_pruning("origin", [url], soon, repository, transport, print).dropped
            real = transport.drop_objects

            def drop(oids: Any, real: Any = real) -> None:
                real(oids)
                host.git("update-ref", "refs/heads/theirs", side)

            transport.drop_objects = drop  # type: ignore[method-assign]
            if has_them:
                assert prune_objects("origin", [url], soon, repository, transport, agreed, print) == {}
                assert list_held(ours) >= agreed.keys()
                host.git("branch", "-qD", "theirs")
                continue
            for oid in agreed:
                file = store.find(oid)
                assert file
                file.rename(file.with_name("away"))
            with pytest.raises(TransportError, match=r"need \d objects? that went"):
                prune_objects("origin", [url], soon, repository, transport, agreed, print)


@pytest.mark.parametrize("ours", ["bucket"], indirect=True)
def test_a_bucket_may_be_others_too(ours: Sandbox, host: Sandbox) -> None:
    host.git("branch", "-qD", "side")
    before = list_held(ours)
    done = ours.theta("prune", "--remote", "--expire", "now", "--yes", check=False)
    assert done.returncode == 2 and "--not-shared" in done.stderr
    assert list_held(ours) == before


@pytest.mark.parametrize("ours", ["git"], indirect=True)
def test_the_rest_of_a_batch_stays(ours: Sandbox, host: Sandbox) -> None:
    """All that was pushed is in one batch, of which a part is needed."""
    before = contents_of(host.root)
    assert len(host.git("for-each-ref", "refs/theta/objects").stdout.splitlines()) == 1
    host.git("branch", "-qD", "side")
    gone = set(prune(ours, "--expire", "now", "--yes")["dropped"]["objects"])
    assert contents_of(host.root) == {oid: text for oid, text in before.items() if oid not in gone}
