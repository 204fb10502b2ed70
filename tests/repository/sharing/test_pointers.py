"""Pointers on a remote: written with what is new alone, by several at once, in a branch where nothing else is taken."""

from __future__ import annotations

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from git_theta.errors import TransportError
from git_theta.repository.sharing.pointer_thinning import plan_thinning
from git_theta.repository.sharing.pointers import (
    POINTERS_BRANCH,
    POINTERS_REF,
    PointerPush,
    PointerUpdate,
    push_pointers,
    read_remote_pointers,
)
from git_theta.vcs.discovery import Repository, discover_repository
from git_theta.vcs.pointer_tree import format_pointer, parse_pointer
from tests.sandbox import Sandbox
from tests.servers.collector import find_pointers


def some_objects(number: int, first: int = 0) -> dict[str, int]:
    """Made-up objects: oid to size."""
    return {hashlib.sha256(b"%d" % at).hexdigest(): at for at in range(first, first + number)}


@pytest.fixture(params=["sha1", "sha256"])
def ours(request: pytest.FixtureRequest, tmp_path: Path) -> Sandbox:
    return Sandbox.create(tmp_path / "ours", request.param, install=False)


@pytest.fixture
def host(ours: Sandbox, tmp_path: Path) -> Sandbox:
    """A bare repository with ours' hash."""
    kind = ours.git("rev-parse", "--show-object-format").stdout.strip()
    return Sandbox.create(tmp_path / "host.git", kind, install=False, bare=True)  # type: ignore[arg-type]


@pytest.fixture
def repository(ours: Sandbox) -> Repository:
    return discover_repository(ours.root)


def push(repository: Repository, host: Sandbox, objects: dict[str, int]) -> PointerPush:
    return push_pointers("origin", os.fspath(host.root), objects, repository, print)


def refs(sandbox: Sandbox) -> list[str]:
    return sandbox.git("for-each-ref", "--format=%(refname)").stdout.split()


def refuse(host: Sandbox, pattern: str, word: str = "not here") -> None:
    """Have the host refuse refs that match a shell pattern, as Gerrit and some others do."""
    hook = host.root / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\ncase "$1" in {pattern}) echo "{word}" >&2; exit 1;; esac\n')
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)


def test_every_object_has_a_canonical_pointer_there(repository: Repository, host: Sandbox) -> None:
    objects = some_objects(300)
    assert push(repository, host, objects) == PointerPush(300)
    assert find_pointers(host.root) == objects.keys()
    assert refs(host) == [POINTERS_REF]
    oid, size = list(objects.items())[7]
    written = host.git("cat-file", "blob", f"{POINTERS_REF}:{oid[:2]}/{oid}").stdout
    assert written == f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"
    author = host.git("log", "-1", "--format=%an %ae %cn", POINTERS_REF).stdout
    assert author == "git-theta git-theta@localhost git-theta\n"


def test_a_commit_brings_what_is_new_alone_and_none_is_made_for_nothing(repository: Repository, host: Sandbox) -> None:
    push(repository, host, some_objects(10))
    assert push(repository, host, some_objects(10)) == PointerPush(0)
    assert push(repository, host, some_objects(12)) == PointerPush(2)
    changes = host.git("log", "--format=", "--name-status", "-1", POINTERS_REF).stdout.splitlines()
    assert sorted(changes) == sorted(f"A\t{oid[:2]}/{oid}" for oid in some_objects(2, 10))
    assert host.git("rev-list", "--count", POINTERS_REF).stdout == "2\n"
    assert find_pointers(host.root) == some_objects(12).keys()


def test_a_wrong_pointer_is_put_right(repository: Repository, host: Sandbox) -> None:
    [oid] = some_objects(1, 5)
    push(repository, host, {oid: 6})
    assert read_remote_pointers("origin", os.fspath(host.root), repository, print).select_unnamed({oid: 5}) == {oid: 5}
    assert push(repository, host, {oid: 5}) == PointerPush(1)
    assert host.git("cat-file", "blob", f"{POINTERS_REF}:{oid[:2]}/{oid}").stdout.endswith("\nsize 5\n")


def test_what_is_no_file_is_no_pointer(repository: Repository, host: Sandbox) -> None:
    """A link that holds the pointer's text, and a submodule, which hosts do not look into."""
    link, module = objects = some_objects(2, 5)
    push(repository, host, objects)
    link_id = host.git("rev-parse", f"{POINTERS_REF}:{link[:2]}/{link}").stdout.strip()
    tip = host.git("rev-parse", POINTERS_REF).stdout.strip()
    entries = {link: f"120000 blob {link_id}", module: f"160000 commit {tip}"}
    trees = ""
    for oid, facts in entries.items():
        tree = host.git("mktree", "--missing", input=f"{facts}\t{oid}\n").stdout.strip()
        trees += f"040000 tree {tree}\t{oid[:2]}\n"
    top = host.git("mktree", input=trees).stdout.strip()
    host.git("update-ref", POINTERS_REF, host.git("commit-tree", "-p", tip, "-m", "x", top).stdout.strip())
    plan = plan_thinning("origin", os.fspath(host.root), 1 << 40, repository, print)
    assert (plan.kept, plan.dropped) == ({}, {})
    assert push(repository, host, objects) == PointerPush(2)
    assert find_pointers(host.root) == objects.keys()


def test_nothing_stays_in_the_repository(repository: Repository, ours: Sandbox, host: Sandbox) -> None:
    ours.git("remote", "add", "--mirror=fetch", "origin", host.root)  # whose refspec would take all refs
    before = {path for path in (ours.root / ".git").rglob("*") if path.is_file()}
    config = ours.read(".git/config")
    for number in (3, 5):
        push(repository, host, some_objects(number))
    left = set((ours.root / ".git").rglob("*")) - {ours.root / ".git/theta", ours.root / ".git/theta/tmp"}
    assert {path for path in left if path.is_file()} == before
    assert list((ours.root / ".git/theta/tmp").iterdir()) == []
    assert ours.read(".git/config") == config


def test_five_at_once_all_land(tmp_path: Path, repository: Repository, host: Sandbox) -> None:
    objects = [some_objects(20, 15 * number) for number in range(5)]  # some of them the same
    with ThreadPoolExecutor(5) as pool:
        done = list(pool.map(lambda some: push(repository, host, some), objects))
    assert [one.refusal for one in done] == [""] * 5
    assert sum(one.objects for one in done) == 80
    assert refs(host) == [POINTERS_REF]
    assert find_pointers(host.root) == {oid for some in objects for oid in some}


def test_what_others_push_after_it_was_read_ahead_is_kept(repository: Repository, host: Sandbox) -> None:
    with PointerUpdate("origin", os.fspath(host.root), repository, print) as update:
        assert wait([update._read_ahead], 60).done
        push(repository, host, some_objects(5))
        assert update.write(some_objects(5, 3)) == PointerPush(3)
    assert find_pointers(host.root) == some_objects(8).keys()


def test_a_host_that_takes_no_such_ref_gets_a_branch(repository: Repository, host: Sandbox) -> None:
    refuse(host, "refs/theta/*", "prohibited by the host")
    first = push(repository, host, some_objects(3))
    assert first.objects == 3
    assert "hook declined" in first.refusal and "prohibited by the host" in first.refusal
    assert refs(host) == [POINTERS_BRANCH]
    # Having the branch, it is not tried again with the ref.
    assert push(repository, host, some_objects(4)) == PointerPush(1)
    assert refs(host) == [POINTERS_BRANCH]
    assert find_pointers(host.root) == some_objects(4).keys()
    assert "[skip ci]" in host.git("log", "-1", "--format=%B", POINTERS_BRANCH).stdout


def test_a_host_that_takes_neither_fails_the_push_in_its_own_words(repository: Repository, host: Sandbox) -> None:
    refuse(host, "*", "this is a museum")
    with pytest.raises(TransportError) as failure:
        push(repository, host, some_objects(3))
    assert "refs/theta/pointers" in failure.value.message and "theta/objects" in failure.value.message
    assert "this is a museum" in failure.value.message
    assert failure.value.hint


def test_a_remote_that_cannot_be_reached_is_an_error_without_the_password(repository: Repository) -> None:
    with pytest.raises(TransportError) as failure:
        push_pointers("origin", "http://me:secret@127.0.0.1:1/x.git", some_objects(1), repository, print)
    assert "secret" not in f"{failure.value.message}{failure.value.hint}"
    assert "127.0.0.1" in failure.value.message


def ssh_script(folder: Path) -> Path:
    """What ssh would run is run here; and noted."""
    script = folder / "ssh"
    script.write_text(f'#!/bin/sh\necho "$@" >>{folder}/ssh.log\nshift $(($# - 1))\nexec sh -c "$1"\n')
    script.chmod(0o755)
    return script


@pytest.mark.parametrize("scope", ["local", "command line", "conditional include"])
def test_the_repositorys_own_way_to_the_remote_is_taken(
    scope: str, repository: Repository, ours: Sandbox, host: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = ssh_script(tmp_path)
    monkeypatch.chdir(ours.root)
    settings = {"core.sshCommand": os.fspath(script), "ssh.variant": "simple"}
    if scope == "command line":
        words = " ".join(f"'{key}'='{value}'" for key, value in settings.items())
        monkeypatch.setenv("GIT_CONFIG_PARAMETERS", words)
    elif scope == "local":
        for key, value in settings.items():
            ours.git("config", key, value)
    else:
        for key, value in settings.items():
            ours.git("config", "--file", tmp_path / "more", key, value)
        ours.git("config", "--global", f"includeIf.gitdir:{ours.root}/.git.path", tmp_path / "more")
    assert push_pointers("origin", f"me@nowhere:{host.root}", some_objects(2), repository, print) == PointerPush(2)
    assert "me@nowhere" in (tmp_path / "ssh.log").read_text()
    assert refs(host) == [POINTERS_REF]


def test_a_setting_counts_once(repository: Repository, ours: Sandbox, host: Sandbox, tmp_path: Path) -> None:
    """Two headers of one name are an error to some hosts."""
    from git_theta.vcs.remote_settings import read_remote_access
    from git_theta.vcs.scratch_repository import ScratchRepository

    ours.git("config", "--global", "http.extraHeader", "A: 1")
    ours.git("config", "http.extraHeader", "B: 2")
    ours.git("config", "remote.origin.proxy", "http://proxy")
    ours.git("config", "remote.origin.fetch", "+refs/*:refs/*")
    access = read_remote_access("origin", os.fspath(host.root), repository)
    with ScratchRepository(tmp_path, access, lambda *_: None) as scratch:
        assert scratch.git("config", "--get-all", "http.extraHeader") == b"A: 1\nB: 2\n"
        assert (
            scratch.git("config", "--get-regexp", r"^remote\..*\.(proxy|fetch)")
            == b"remote.git-theta.proxy http://proxy\n"
        )


def test_a_url_is_rewritten_no_second_time(repository: Repository, ours: Sandbox, host: Sandbox) -> None:
    ours.git("config", f"url.{host.root}/.insteadOf", f"{host.root.parent}/")
    ours.git("config", "--global", f"url.{host.root}/sub/.insteadOf", f"{host.root.parent}/")
    assert push(repository, host, some_objects(1)) == PointerPush(1)


def test_a_relative_path_starts_at_the_top(repository: Repository, ours: Sandbox, host: Sandbox) -> None:
    assert push_pointers("origin", "../host.git", some_objects(1), repository, print) == PointerPush(1)


def test_pointers_are_read_as_they_are_written() -> None:
    [(oid, size)] = some_objects(1, 12345).items()
    assert parse_pointer(format_pointer(oid, size)) == (oid, size)
    for wrong in (
        format_pointer(oid, size) + b"\n",
        b"version x\n",
        format_pointer(oid, size).replace(b"size ", b"size 0"),
    ):
        assert parse_pointer(wrong) is None


def test_what_it_fetches_to_add_one_is_little(
    repository: Repository, host: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pointers that are there are not fetched, nor what they were in earlier commits."""
    for name in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        host.git("config", name, "true")
    for number in (100, 200, 300):
        push(repository, host, some_objects(number))
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE2_EVENT", os.fspath(trace))
    assert push(repository, host, some_objects(301)) == PointerPush(1)
    started = [line for line in trace.read_text().splitlines() if '"event":"start"' in line]
    assert sum("upload-pack" in line for line in started) == 1  # a partial clone would ask again for what it lacks
