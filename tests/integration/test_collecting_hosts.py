"""Hosts that delete what no pointer names, as GitLab, Gitea and Forgejo do: a model that was pushed survives them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from git_theta.repository.sharing.pointers import POINTERS_BRANCH, POINTERS_REF
from tests.integration.checkpoint_history import MODEL, History, versions
from tests.integration.shared_model import SharedModel, needs_lfs
from tests.sandbox import Sandbox, changed
from tests.servers.collector import collect_garbage, find_pointers

TRANSPORT = "theta.remote.origin.transport"


class Host:
    """A bare repository, and the objects of Git LFS beside it, which are collected."""

    def __init__(self, bare: Sandbox) -> None:
        self.bare = bare
        self.store = bare.root / "lfs/objects"

    @property
    def objects(self) -> set[str]:
        return {path.name for path in self.store.rglob("*") if path.is_file()}

    @property
    def refs(self) -> list[str]:
        return self.bare.git("for-each-ref", "--format=%(refname)").stdout.split()

    def collect(self) -> set[str]:
        """Delete what no pointer names; returns what that was."""
        return collect_garbage(self.bare.root, self.store)

    def refuse(self, pattern: str) -> None:
        """Refuse refs that match a shell pattern."""
        hook = self.bare.write("hooks/update", f'#!/bin/sh\ncase "$1" in {pattern}) exit 1;; esac\n'.encode())
        hook.chmod(0o755)


@pytest.fixture
def history(installed: Path, tmp_path: Path) -> History:
    """A small one: nothing here depends on how a file is written."""
    return History.create(tmp_path / "repository", versions("small"), "sha1")


@pytest.fixture
def host(history: History, tmp_path: Path) -> Host:
    """Where ``origin`` is, empty; everybody's ``origin`` keeps objects as Git LFS does."""
    bare = Sandbox.create(tmp_path / "host.git", install=False, bare=True)
    history.git("remote", "add", "origin", bare.root)
    history.git("config", "--global", TRANSPORT, "lfs")
    history.sandbox.theta("install")
    return Host(bare)


def test_a_model_survives(history: History, host: Host, tmp_path: Path) -> None:
    history.git("push", "--quiet", "origin", "v0:refs/heads/main", "v0")
    history.git("push", "--quiet", "origin", "main")
    assert host.collect() == set()
    shutil.rmtree(history.root)
    clone = Sandbox.clone(host.bare, tmp_path / "clone")
    history.holds(2, at=clone)
    clone.git("checkout", "--quiet", "v0")
    history.holds(0, at=clone)


def test_without_pointers_it_would_not(history: History, host: Host, tmp_path: Path) -> None:
    history.git("push", "--quiet", "origin", "main")
    host.bare.git("update-ref", "-d", POINTERS_REF)
    assert host.collect()
    shutil.rmtree(history.root)
    clone = Sandbox.clone(host.bare, tmp_path / "clone")
    assert "missing objects" in clone.theta("status").stdout


def test_pointers_come_before_the_commits(history: History, host: Host) -> None:
    host.refuse("*/theta/*")
    done = history.sandbox.git("push", "origin", "main", check=False)
    assert done.returncode != 0
    assert "origin takes no pointers of the objects: refs/theta/pointers: [remote rejected]" in done.stderr
    assert "hint: " in done.stderr
    assert host.refs == []


def test_a_branch_stands_in_and_that_is_said_once(history: History, host: Host) -> None:
    host.refuse("refs/theta/*")
    told = history.sandbox.git("push", "origin", "v0:refs/heads/main").stderr
    assert "origin takes no refs/theta/pointers" in told
    assert "its branch theta/objects has the pointers" in told
    assert "theta/objects" not in history.sandbox.git("push", "origin", "main").stderr
    assert host.refs == ["refs/heads/main", POINTERS_BRANCH]
    assert host.collect() == set()


def test_a_push_of_objects_that_are_there_brings_their_pointers(history: History, host: Host) -> None:
    """The objects came with another push: of somebody whose release wrote no pointers, say."""
    history.git("push", "--quiet", "origin", "main")
    host.bare.git("update-ref", "-d", POINTERS_REF)
    history.git("push", "--quiet", "origin", "main:refs/heads/other")
    assert history.sandbox.theta("push").returncode == 0
    assert host.collect() == set()


def test_a_push_without_checkpoints_writes_nothing(history: History, host: Host) -> None:
    history.git("push", "--quiet", "origin", "main")
    before = host.bare.git("rev-parse", POINTERS_REF).stdout
    history.note_on("text", "main")
    history.git("push", "--quiet", "origin", "text")
    assert host.bare.git("rev-parse", POINTERS_REF).stdout == before


@needs_lfs
def test_the_same_through_http_and_a_password(shared: SharedModel) -> None:
    """The pointers are fetched and pushed with what opens the door to the person's own Git."""
    alice, store = shared.alice.sandbox, shared.bare.root / "lfs/objects"
    alice.write(MODEL, changed(shared.alice.versions[2], "embed.weight", at=16))
    alice.commit()
    alice.git("push", "--quiet", "origin", "main", "main:refs/heads/other")
    assert collect_garbage(shared.bare.root, store) == set()
    assert check(alice, 0) == []
    shared.bare.git("update-ref", "-d", POINTERS_REF)
    assert {fault["object"] for fault in check(alice, 3)} == shared.objects.keys()
    check(alice, 0, "--repair")
    alice.git("push", "--quiet", "--force", "origin", "v1:refs/heads/main", ":other", ":v2")
    before = shared.objects.keys()
    told = prune(alice, "--expire", "now", "--yes")
    assert collect_garbage(shared.bare.root, store) == set(told["dropped"]["objects"]) != set()  # type: ignore[index]
    shared.assert_whole()
    assert shared.objects.keys() < before
    assert shared.clone("fresh").read(MODEL) == shared.alice.versions[1]


@pytest.mark.parametrize(
    "options", [["origin", ":refs/theta/pointers"], ["--mirror", "origin"], ["--prune", "origin", "+refs/*:refs/*"]]
)
def test_a_push_that_would_delete_the_pointers_is_refused(history: History, host: Host, options: list[str]) -> None:
    """Git does not tell the hook what --mirror and --prune delete."""
    history.git("push", "--quiet", "--mirror", "origin")
    assert POINTERS_REF in host.refs
    done = history.sandbox.git("push", "--quiet", *options, check=False)
    assert done.returncode != 0
    assert "this push would delete refs/theta/pointers" in done.stderr
    assert host.collect() == set()


def test_a_push_that_would_put_older_pointers_back_is_refused(history: History, host: Host) -> None:
    """Of a mirror that has its own copy, and is behind."""
    history.git("push", "--quiet", "origin", "v0:refs/heads/main")
    history.git("fetch", "--quiet", "origin", f"{POINTERS_REF}:{POINTERS_REF}")
    history.git("push", "--quiet", "origin", "main")
    for options in (["--mirror", "origin"], ["origin", f"+{POINTERS_REF}"]):
        done = history.sandbox.git("push", "--quiet", *options, check=False)
        assert done.returncode != 0
        assert f"this push would delete {POINTERS_REF}, or what is new in it" in done.stderr
    assert host.collect() == set()
    history.git("fetch", "--quiet", "origin", f"{POINTERS_REF}:{POINTERS_REF}")
    history.git("push", "--quiet", "--mirror", "origin")


def test_objects_in_refs_are_not_deleted_either(history: History, host: Host) -> None:
    """A host that has Git alone keeps the objects themselves in such refs."""
    history.git("config", "--global", TRANSPORT, "git")
    history.git("push", "--quiet", "--mirror", "origin")
    before = host.refs
    assert any(ref.startswith("refs/theta/objects/") for ref in before)
    done = history.sandbox.git("push", "--quiet", "--mirror", "origin", check=False)
    assert "this push would delete refs/theta/objects/" in done.stderr
    assert host.refs == before


def test_pruning_branches_leaves_the_pointers_alone(history: History, host: Host) -> None:
    history.git("push", "--quiet", "origin", "main", "main:refs/heads/old")
    history.git("push", "--quiet", "--prune", "origin", "refs/heads/*:refs/heads/*")
    assert host.refs == ["refs/heads/main", POINTERS_REF]


def test_pruning_branches_where_one_has_the_pointers_is_refused(history: History, host: Host) -> None:
    host.refuse("refs/theta/*")
    history.git("push", "--quiet", "origin", "main")
    done = history.sandbox.git("push", "--quiet", "--prune", "origin", "refs/heads/*:refs/heads/*", check=False)
    assert done.returncode != 0
    assert "this push would delete refs/heads/theta/objects" in done.stderr
    assert POINTERS_BRANCH in host.refs


def check(sandbox: Sandbox, code: int, *options: str) -> list[dict[str, object]]:
    done = sandbox.theta("fsck", "--remote", "origin", "--json", *options, check=False)
    assert done.returncode == code, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_fsck_finds_what_is_missing_and_puts_it_right(history: History, host: Host) -> None:
    history.git("push", "--quiet", "origin", "main", "v0")
    assert check(history.sandbox, 0) == []
    lost = sorted(host.objects)[0]
    next(host.store.rglob(lost)).unlink()
    [fault] = check(history.sandbox, 3)
    assert (fault["kind"], fault["object"], fault["path"], fault["repaired"]) == ("missing", lost, MODEL, False)
    printed = history.sandbox.theta("fsck", "--remote", check=False)
    assert printed.returncode == 3
    assert f"missing: object {lost} is not there; {MODEL}" in printed.stdout
    assert "--repair" in printed.stderr
    [fault] = check(history.sandbox, 0, "--repair")
    assert fault["repaired"]
    assert lost in host.objects
    assert check(history.sandbox, 0) == []


def test_fsck_finds_pointers_that_are_behind(history: History, host: Host) -> None:
    history.git("push", "--quiet", "origin", "main", "v0")
    host.bare.git("update-ref", "-d", POINTERS_REF)
    faults = check(history.sandbox, 3)
    assert {fault["object"] for fault in faults} == host.objects
    assert {fault["kind"] for fault in faults} == {"no pointer"}
    assert all(fault["repaired"] for fault in check(history.sandbox, 0, "--repair"))
    assert host.collect() == set()


def test_fsck_reads_what_is_there(history: History, host: Host) -> None:
    history.git("push", "--quiet", "origin", "main", "v0")
    file = next(host.store.rglob(sorted(host.objects)[0]))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()  # ours may be the same file
    file.write_bytes(content)
    assert check(history.sandbox, 0) == []
    [fault] = check(history.sandbox, 4, "--verify")
    assert (fault["kind"], fault["object"]) == ("corrupt", file.name)
    assert list((history.root / ".git/theta/tmp").iterdir()) == []
    [fault] = check(history.sandbox, 0, "--verify", "--repair")
    assert fault["repaired"]
    assert check(history.sandbox, 0, "--verify") == []


def test_pointers_are_written_on_request_where_nobody_needs_them(history: History, host: Host) -> None:
    history.git("config", "--global", "--unset", TRANSPORT)
    history.git("push", "--quiet", "origin", "main", "v0")
    assert find_pointers(host.bare.root) == set()
    history.sandbox.theta("push", "--pointers")
    objects = {path.name for path in (host.bare.root / "theta/objects").rglob("*") if path.is_file()}
    assert find_pointers(host.bare.root) == objects != set()


@pytest.fixture
def shrunk(history: History, host: Host) -> set[str]:
    """A branch was deleted on the host; the objects of it alone."""
    history.git("push", "--quiet", "origin", "v1:refs/heads/main", "main:refs/heads/big")
    before = host.objects
    history.git("push", "--quiet", "origin", ":big")
    other = Host(Sandbox.create(host.bare.root.with_name("small.git"), install=False, bare=True))
    history.git("config", f"theta.remote.{other.bare.root}.transport", "lfs")
    history.git("push", "--quiet", other.bare.root, "v1:refs/heads/main")
    gone = before - other.objects
    assert gone
    assert host.collect() == set()
    return gone


def prune(sandbox: Sandbox, *options: str) -> dict[str, object]:
    done = sandbox.theta("prune", "--remote", "origin", "--json", *options)
    [told] = json.loads(done.stdout)
    return dict(told)


def test_prune_frees_what_no_ref_holds(history: History, host: Host, shrunk: set[str], tmp_path: Path) -> None:
    size = sum(file.stat().st_size for file in host.store.rglob("*") if file.name in shrunk)
    told = prune(history.sandbox, "--expire", "now", "--dry-run")
    assert told["done"] is False
    assert told["dropped"] == {"pointers": len(shrunk), "bytes": size, "objects": sorted(shrunk)}
    assert host.collect() == set()
    assert prune(history.sandbox, "--expire", "now", "--yes")["dropped"] == told["dropped"]
    assert host.collect() == shrunk
    assert host.bare.git("rev-list", "--count", POINTERS_REF).stdout == "1\n"
    assert prune(history.sandbox, "--expire", "now", "--yes")["dropped"] == {
        "pointers": 0,
        "bytes": 0,
        "objects": [],
    }
    shutil.rmtree(history.root)
    history.holds(1, at=Sandbox.clone(host.bare, tmp_path / "clone"))


def test_prune_keeps_what_is_young(history: History, host: Host, shrunk: set[str]) -> None:
    """A push brings objects and pointers first, and its commits after that."""
    told = prune(history.sandbox, "--yes")
    assert told["dropped"] == {"pointers": 0, "bytes": 0, "objects": []}
    assert told["kept"]["young"] == len(shrunk)  # type: ignore[index]


def test_prune_never_drops_without_a_word(history: History, host: Host, shrunk: set[str]) -> None:
    done = history.sandbox.theta("prune", "--remote", "--expire", "now", check=False)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert f"{len(shrunk)} that no ref needs would go" in done.stdout
    assert host.collect() == set()


def test_prune_refuses_what_it_cannot_read(history: History, host: Host, shrunk: set[str]) -> None:
    """A manifest of a later release may need anything."""
    blob = history.sandbox.git("hash-object", "-w", "--stdin", input="git-theta manifest 2\nsomething\n").stdout.strip()
    tree = history.sandbox.git("mktree", input=f"100644 blob {blob}\tnewer.safetensors\n").stdout.strip()
    commit = history.git("commit-tree", "-m", "newer", tree).strip()
    history.git("push", "--quiet", "--no-verify", "origin", f"{commit}:refs/heads/newer")
    done = history.sandbox.theta("prune", "--remote", "--expire", "now", "--yes", check=False)
    assert done.returncode == 5
    assert "newer.safetensors" in done.stderr
    assert host.collect() == set()


def test_prune_takes_dates_as_git_does(history: History, host: Host, shrunk: set[str]) -> None:
    done = history.sandbox.theta("prune", "--remote", "--expire", "a while ago or so", "--yes", check=False)
    assert done.returncode == 2
    assert prune(history.sandbox, "--expire", "never", "--yes")["dropped"]["pointers"] == 0  # type: ignore[index]


def test_only_a_remote_can_be_pruned(history: History, host: Host) -> None:
    assert history.sandbox.theta("prune", check=False).returncode == 2
    done = history.sandbox.theta("prune", "--remote", "nobody", check=False)
    assert done.returncode == 2
    assert "There are: origin" in done.stderr


def test_five_people_who_push_at_once_all_keep_their_models(history: History, host: Host, tmp_path: Path) -> None:
    history.git("push", "--quiet", "origin", "main")
    people = [Sandbox.clone(host.bare, tmp_path / f"person{number}") for number in range(5)]
    for number, person in enumerate(people):
        person.write(MODEL, changed(history.versions[0], "layer.weight", at=8 * number))
        person.commit()
    pushes = [
        subprocess.Popen(["git", "push", "--quiet", "origin", f"HEAD:refs/heads/topic{number}"], cwd=person.root)
        for number, person in enumerate(people)
    ]
    assert [push.wait() for push in pushes] == [0] * 5
    assert host.collect() == set()
    for number, person in enumerate(people):
        clone = Sandbox.clone(host.bare, tmp_path / f"clone{number}", "--branch", f"topic{number}")
        assert clone.read(MODEL) == person.read(MODEL)
