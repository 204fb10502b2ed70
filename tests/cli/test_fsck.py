"""``git theta fsck`` tells the truth, and what it advises works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox import Sandbox, changed, model, track_and_commit

BIG = model(0, weight=(600, 600), bias=30, scale=30)


@pytest.fixture
def repository(sandbox: Sandbox) -> Sandbox:
    return track_and_commit(sandbox, {"a.safetensors": BIG})


def object_of(repository: Sandbox, name: str, revision: str = ":a.safetensors") -> Path:
    """The file of the object that holds a parameter."""
    lines = repository.git("cat-file", "blob", revision).stdout.splitlines()
    [oid] = [line.split('"object":"')[1][:64] for line in lines if line.startswith(f'{{"name":"{name}"')]
    return repository.root / ".git/theta/objects" / oid[:2] / oid[2:4] / oid


def damage(file: Path, at: int = -1) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)


def check(repository: Sandbox, code: int) -> Any:
    done = repository.theta("fsck", "--json", check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_a_sound_repository(repository: Sandbox) -> None:
    assert check(repository, 0) == []
    done = repository.theta("fsck")
    assert done.stdout == f"1 manifest, 2 objects of {stored(repository)} checked\n"
    assert done.stderr == ""


def stored(repository: Sandbox) -> str:
    files = (repository.root / ".git/theta/objects").rglob("*")
    return f"{sum(file.stat().st_size for file in files if file.is_file()) / 1e6:.1f} MB"


def test_an_empty_repository(sandbox: Sandbox) -> None:
    assert sandbox.theta("fsck").stdout == "0 manifests, 0 objects of 0 B checked\n"


def test_a_missing_object_is_named_with_the_parameter_that_is_lost(repository: Sandbox) -> None:
    lost = object_of(repository, "weight")
    lost.unlink()
    [defect] = check(repository, 3)
    blob = repository.git("rev-parse", ":a.safetensors").stdout.strip()
    assert (defect["kind"], defect["object"], defect["file"]) == ("missing", lost.name, None)
    assert (defect["path"], defect["manifest"], defect["parameters"]) == ("a.safetensors", blob, ["weight"])
    printed = repository.theta("fsck", check=False)
    assert f"missing: object {lost.name} is missing; a.safetensors (manifest {blob[:12]})" in printed.stdout
    assert "hint: " in printed.stderr


def test_what_helps_a_fresh_clone_is_said_once(repository: Sandbox) -> None:
    for number in range(4):
        repository.write(f"{number}.safetensors", changed(BIG, "weight", bytes([number])))
    repository.commit("more")
    for file in (repository.root / ".git/theta/objects").rglob("*"):
        if file.is_file():
            file.unlink()
    printed = repository.theta("fsck", check=False)
    assert printed.returncode == 3
    assert printed.stdout.count("missing: object") > 5
    assert printed.stderr.count("git theta fetch --all") == 1
    assert printed.stderr.count("git add --renormalize 0.safetensors 1.safetensors") == 1


def test_a_corrupt_object_is_named_with_the_parameters_it_breaks(repository: Sandbox) -> None:
    bundle = object_of(repository, "bias")
    assert bundle == object_of(repository, "scale")
    damage(bundle, at=3)
    [defect] = check(repository, 4)
    assert (defect["kind"], defect["file"]) == ("corrupt", os.fspath(bundle))
    assert defect["parameters"] == ["bias"]


@pytest.mark.parametrize("size", [0, 5])
def test_a_truncated_object_is_corrupt(repository: Sandbox, size: int) -> None:
    file = object_of(repository, "weight")
    file.chmod(0o644)
    os.truncate(file, size)
    [defect] = check(repository, 4)
    assert defect["parameters"] == ["weight"]


def test_corrupt_is_worse_than_missing(repository: Sandbox) -> None:
    object_of(repository, "bias").unlink()
    damage(object_of(repository, "weight"))
    assert {defect["kind"] for defect in check(repository, 4)} == {"missing", "corrupt"}


def follow(repository: Sandbox, hint: str, prefix: str) -> None:
    """Type the command that stands in a hint."""
    [line] = [line for line in hint.splitlines() if prefix in line]
    repository.run("/bin/sh", "-c", line[line.index(prefix) :])


@pytest.mark.parametrize("name", ["weight", "bias"])
@pytest.mark.parametrize("break_it", [damage, lambda file: os.truncate(file, 7), Path.unlink])
def test_the_good_file_in_the_worktree_heals_the_store(
    repository: Sandbox, name: str, break_it: Callable[[Path], None]
) -> None:
    file = object_of(repository, name)
    file.chmod(0o644)
    break_it(file)
    [defect] = check(repository, 3 if break_it is Path.unlink else 4)
    if break_it is not Path.unlink:
        follow(repository, defect["hint"], "rm -f ")
    follow(repository, defect["hint"], "git add --renormalize ")
    assert check(repository, 0) == []
    assert repository.git("status", "--porcelain").stdout == ""
    (repository.root / "a.safetensors").unlink()
    repository.git("checkout", "--", ".")
    assert repository.read("a.safetensors") == BIG


def test_a_remote_heals_the_store(repository: Sandbox, tmp_path: Path) -> None:
    shutil.copytree(repository.root, tmp_path / "origin")
    repository.git("remote", "add", "origin", tmp_path / "origin")
    damage(object_of(repository, "weight"))
    [defect] = check(repository, 4)
    follow(repository, defect["hint"], "rm -f ")
    (repository.root / "a.safetensors").unlink()
    repository.git("checkout", "--", ".")
    assert repository.read("a.safetensors") == BIG
    assert check(repository, 0) == []


def commit_elsewhere(repository: Sandbox, *, seed: int) -> None:
    repository.write("a.safetensors", model(seed, weight=(600, 600)))
    repository.git("add", "a.safetensors")


def _branch(repository: Sandbox) -> None:
    repository.git("switch", "-qc", "side")
    commit_elsewhere(repository, seed=1)
    repository.git("commit", "-qm", "side")
    repository.git("switch", "-q", "main")


def _tag(repository: Sandbox) -> None:
    _branch(repository)
    repository.git("tag", "-am", "a tag", "kept", "side")
    repository.git("branch", "-qD", "side")
    repository.git("reflog", "expire", "--expire=now", "--all")


def _reflog(repository: Sandbox) -> None:
    commit_elsewhere(repository, seed=1)
    repository.git("commit", "-qm", "dropped")
    repository.git("reset", "-q", "--hard", "HEAD~")


def _stash(repository: Sandbox) -> None:
    commit_elsewhere(repository, seed=1)
    repository.git("stash", "-q")


def _index(repository: Sandbox) -> None:
    commit_elsewhere(repository, seed=1)


def _linked_index(repository: Sandbox) -> None:
    repository.git("worktree", "add", "-q", "../linked")
    commit_elsewhere(Sandbox(repository.root.parent / "linked"), seed=1)


def _linked_head(repository: Sandbox) -> None:
    repository.git("worktree", "add", "-q", "--detach", "../linked")
    linked = Sandbox(repository.root.parent / "linked")
    commit_elsewhere(linked, seed=1)
    linked.git("commit", "-qm", "detached")
    for log in (repository.root / ".git").rglob("logs/HEAD"):
        log.unlink()


def _conflict(repository: Sandbox) -> None:
    _branch(repository)
    commit_elsewhere(repository, seed=2)
    repository.git("commit", "-qm", "ours")
    repository.git("-c", "merge.theta.driver=false", "merge", "-q", "side", check=False)
    repository.git("branch", "-qD", "side")
    repository.git("reflog", "expire", "--expire=now", "--all")
    assert repository.git("ls-files", "--unmerged").stdout


@pytest.mark.parametrize(
    "put",
    [_branch, _tag, _reflog, _stash, _index, _linked_index, _linked_head, _conflict],
    ids=lambda put: put.__name__,
)
def test_wherever_git_holds_a_manifest_its_objects_are_checked(
    repository: Sandbox, put: Callable[[Sandbox], None]
) -> None:
    before = {path.name for path in (repository.root / ".git/theta/objects").rglob("*") if path.is_file()}
    put(repository)
    assert check(repository, 0) == []
    added = [path for path in (repository.root / ".git/theta/objects").rglob("*") if path.is_file()]
    lost = {path.name for path in added if path.name not in before}
    assert lost
    for path in added:
        if path.name in lost:
            path.unlink()
    assert {defect["object"] for defect in check(repository, 3)} == lost


def test_each_worktree_sees_the_same(repository: Sandbox) -> None:
    repository.git("worktree", "add", "-q", "../linked")
    object_of(repository, "weight").unlink()
    assert len(check(Sandbox(repository.root.parent / "linked"), 3)) == 1


def test_a_bare_repository(repository: Sandbox, tmp_path: Path) -> None:
    bare = Sandbox.clone(repository, tmp_path / "bare.git", "--bare")
    assert {defect["kind"] for defect in check(bare, 3)} == {"missing"}
    shutil.copytree(repository.root / ".git/theta", bare.root / "theta")
    assert check(bare, 0) == []


def test_what_nothing_names_and_what_was_left_behind_is_only_counted(repository: Sandbox) -> None:
    _reflog(repository)
    repository.git("reflog", "expire", "--expire=now", "--all")
    (repository.root / ".git/theta/tmp/1-0").write_bytes(b"half an object")
    lines = repository.theta("fsck").stdout.splitlines()
    assert lines[1].startswith("2 unreachable objects, ")
    assert lines[2] == "1 temporary file left by interrupted commands"


@pytest.mark.parametrize("command", ["fsck", "status", "checkout", "fetch"])
def test_what_killed_commands_left_is_swept_where_nothing_is_added(command: str, repository: Sandbox) -> None:
    with subprocess.Popen(["true"]) as process:
        left = repository.write(f".git/theta/tmp/.theta-{process.pid}-0a", b"half a checkpoint")
    os.utime(left, (0, 0))
    repository.theta(command)
    assert not left.exists()


def test_a_manifest_of_a_newer_release_is_named_and_no_defect(repository: Sandbox) -> None:
    repository.write("newer.safetensors", b"git-theta manifest 2\nsomething\n")
    repository.git("add", "newer.safetensors")
    done = repository.theta("fsck")
    assert "theta: warning: newer.safetensors: a manifest of version 2" in done.stderr
    assert "not checked" in done.stderr


def test_a_forged_manifest_is_told_from_a_damaged_object(repository: Sandbox) -> None:
    text = repository.git("cat-file", "blob", ":a.safetensors").stdout
    oid = text.split('"oid":"')[-1][:64]
    repository.write("forged.safetensors", text.replace(f'"oid":"{oid}"', f'"oid":"{"0" * 64}"').encode())
    repository.git("add", "forged.safetensors")
    [defect] = check(repository, 4)
    assert defect["path"] == "forged.safetensors"
    assert "is intact, but not what the manifest says it is" in defect["message"]
    assert "rm" not in defect["hint"]


def test_a_serializer_that_is_not_installed_leaves_its_objects_unchecked(repository: Sandbox) -> None:
    text = repository.git("cat-file", "blob", ":a.safetensors").stdout
    repository.write("a.safetensors", text.replace('"serializer":"planes"', '"serializer":"future"', 1).encode())
    repository.git("add", "a.safetensors")
    [defect] = check(repository, 8)
    assert defect["kind"] == "unchecked"
    assert "'future'" in defect["message"]


def test_each_version_of_a_file_is_checked_once(repository: Sandbox) -> None:
    repository.write("a.safetensors", changed(BIG, "bias"))
    repository.git("mv", "-k", "a.safetensors", "b.safetensors")
    repository.commit()
    object_of(repository, "weight", ":b.safetensors").unlink()
    assert len(check(repository, 3)) == 1


def test_a_manifest_whose_parts_do_not_add_up_is_corrupt(sandbox: Sandbox) -> None:
    """Its objects are intact; no checkout would take it all the same."""
    sandbox.theta("track", "*.safetensors")
    sandbox.write("model.safetensors", model())
    sandbox.commit()
    text = sandbox.git("cat-file", "blob", "HEAD:model.safetensors").stdout
    size = len(sandbox.read("model.safetensors"))
    forged = text.replace(f'"size":{size}', f'"size":{size + 1}', 1)
    oid = sandbox.git("hash-object", "-w", "--stdin", input=forged).stdout.strip()
    sandbox.git("update-index", "--add", "--cacheinfo", f"100644,{oid},forged.safetensors")
    found = sandbox.theta("fsck", check=False)
    assert found.returncode == 4
    assert "forged.safetensors" in found.stdout and "parts have" in found.stdout
