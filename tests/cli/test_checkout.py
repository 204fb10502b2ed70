"""``git theta checkout``: manifests that stand in the worktree become files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.test_progress import on_a_terminal
from tests.sandbox import Sandbox, changed, model
from tests.templates import built_once

BIG = model(0, weight=(600, 600), bias=30)
SKIP = {"GIT_THETA_SKIP_SMUDGE": "1"}


@pytest.fixture
def manifests(sandbox: Sandbox) -> Sandbox:
    """A repository whose worktree holds manifests, as after an interrupted checkout."""
    _check_out_manifests(sandbox)
    assert sandbox.read("a.safetensors").startswith(b"git-theta manifest")
    return sandbox


@built_once
def _check_out_manifests(sandbox: Sandbox) -> None:
    sandbox.theta("track", "*.safetensors")
    sandbox.write("a.safetensors", BIG)
    sandbox.write("sub/new\nline 'ü'.safetensors", model(1, weight=(200, 200)))
    sandbox.commit()
    for path in ("a.safetensors", "sub/new\nline 'ü'.safetensors"):
        (sandbox.root / path).unlink()
    sandbox.git("checkout", "--", ".", env=SKIP)


def test_every_manifest_becomes_its_file_and_git_calls_it_clean(manifests: Sandbox) -> None:
    assert manifests.theta("checkout").stdout == "2 files checked out, 1.6 MB\n"
    assert manifests.read("a.safetensors") == BIG
    assert manifests.read("sub/new\nline 'ü'.safetensors") == model(1, weight=(200, 200))
    # A filter that ran now would fail.
    assert manifests.git("-c", "filter.theta.process=false", "status", "--porcelain").stdout == ""
    assert manifests.theta("checkout").stdout == "0 files checked out, 0 B\n"


def test_pathspecs_are_relative_to_the_folder_one_stands_in(manifests: Sandbox) -> None:
    below = Sandbox(manifests.root / "sub")
    assert below.theta("checkout", "*.safetensors").stdout.startswith("1 file checked out")
    assert manifests.read("a.safetensors").startswith(b"git-theta manifest")
    assert below.theta("checkout", "../a.safetensors").stdout.startswith("1 file checked out")
    assert manifests.read("a.safetensors") == BIG
    refused = below.theta("checkout", "a.safetensors", check=False)
    assert refused.returncode == 2
    assert "'a.safetensors' matches no file of the index" in refused.stderr


def test_missing_objects_are_fetched_from_a_relative_remote(manifests: Sandbox, tmp_path: Path) -> None:
    shutil.copytree(manifests.root, tmp_path / "origin")
    manifests.git("remote", "add", "origin", "../origin")
    shutil.rmtree(manifests.root / ".git/theta/objects")
    Sandbox(manifests.root / "sub").theta("checkout")
    assert manifests.read("a.safetensors") == BIG


def test_what_cannot_be_had_is_reported_and_the_rest_goes_on(manifests: Sandbox) -> None:
    oid = manifests.read("a.safetensors").decode().splitlines()[2].split('"object":"')[1][:64]
    (manifests.root / ".git/theta/objects" / oid[:2] / oid[2:4] / oid).unlink()
    done = manifests.theta("checkout", check=False)
    assert done.returncode == 3
    assert done.stdout.startswith("1 file checked out")
    assert "theta: error: a.safetensors: weight: 1 of its objects are missing here" in done.stderr
    assert manifests.read("a.safetensors").startswith(b"git-theta manifest")


def test_who_was_asked_in_vain_is_told(manifests: Sandbox, tmp_path: Path) -> None:
    shutil.copytree(manifests.root, tmp_path / "damaged")
    for file in (tmp_path / "damaged/.git/theta/objects").rglob("*"):
        if file.is_file():
            file.chmod(0o644)
            file.write_bytes(file.read_bytes()[::-1])
    empty = Sandbox.create(tmp_path / "empty.git", install=False, bare=True)
    urls = {"bad": "../damaged", "none": str(empty.root), "gone": "/gone", "host": "ssh://me@host/path"}
    for name, url in urls.items():
        manifests.git("remote", "add", name, url)
    shutil.rmtree(manifests.root / ".git/theta/objects")
    done = manifests.theta("checkout", "a.safetensors", check=False)
    assert done.returncode == 3
    assert "hint:   bad (../damaged): the copy on bad is damaged: " in done.stderr
    assert f"hint:   none ({empty.root}): has no such objects\n" in done.stderr
    assert "hint:   gone (/gone): no repository is there\n" in done.stderr
    assert "hint:   host (ssh://host/path): " in done.stderr


@pytest.mark.parametrize("yes", ["1", "true", "YES", "on"])
def test_the_ways_to_say_that_manifests_are_wanted(manifests: Sandbox, yes: str) -> None:
    manifests.theta("checkout")
    (manifests.root / "a.safetensors").unlink()
    manifests.git("checkout", "--", "a.safetensors", env={"GIT_THETA_SKIP_SMUDGE": yes})
    assert manifests.read("a.safetensors").startswith(b"git-theta manifest")


def test_a_corrupt_object_is_never_checked_out(manifests: Sandbox) -> None:
    oid = manifests.read("a.safetensors").decode().splitlines()[2].split('"object":"')[1][:64]
    file = manifests.root / ".git/theta/objects" / oid[:2] / oid[2:4] / oid
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert manifests.theta("checkout", check=False).returncode == 4
    assert manifests.read("a.safetensors").startswith(b"git-theta manifest")


def test_a_manifest_of_another_version_is_materialised_and_not_staged(manifests: Sandbox) -> None:
    """As `git restore --worktree --source` leaves it."""
    manifests.theta("checkout")
    newer = changed(BIG, "bias")
    manifests.write("a.safetensors", newer)
    manifests.commit()
    old = manifests.git("cat-file", "blob", "HEAD~:a.safetensors").stdout
    manifests.write("a.safetensors", old.encode())
    manifests.theta("checkout")
    assert manifests.read("a.safetensors") == BIG
    assert manifests.git("status", "--porcelain").stdout == " M a.safetensors\n"


def test_a_conflict_stays_one(manifests: Sandbox) -> None:
    manifests.theta("checkout")
    for branch, at in (("side", 0), ("main", 4)):
        manifests.git("switch", "-q", *(["-c"] if branch == "side" else []), branch)
        manifests.write("a.safetensors", changed(BIG, "bias", at=at))
        manifests.commit()
    manifests.git("-c", "merge.theta.driver=false", "merge", "-q", "side", check=False)
    ours = manifests.git("cat-file", "blob", ":2:a.safetensors").stdout
    manifests.write("a.safetensors", ours.encode())
    manifests.theta("checkout")
    assert manifests.read("a.safetensors") == changed(BIG, "bias", at=4)
    assert manifests.git("status", "--porcelain").stdout == "UU a.safetensors\n"


def test_nothing_is_written_through_a_symbolic_link(manifests: Sandbox, tmp_path: Path) -> None:
    shutil.move(manifests.root / "sub", tmp_path / "elsewhere")
    (manifests.root / "sub").symlink_to(tmp_path / "elsewhere")
    (manifests.root / "a.safetensors").rename(tmp_path / "manifest")
    (manifests.root / "a.safetensors").symlink_to(tmp_path / "manifest")
    assert manifests.theta("checkout").stdout == "0 files checked out, 0 B\n"
    assert (tmp_path / "manifest").read_bytes().startswith(b"git-theta manifest")


def test_a_linked_worktree(manifests: Sandbox) -> None:
    manifests.git("worktree", "add", "-q", "../linked", env=SKIP)
    linked = Sandbox(manifests.root.parent / "linked")
    linked.theta("checkout")
    assert linked.read("a.safetensors") == BIG
    assert linked.git("status", "--porcelain").stdout == ""
    assert manifests.read("a.safetensors").startswith(b"git-theta manifest")


_PATIENT = """\
import sys
from git_theta.cli import progress
from git_theta.cli.main import main
progress._FIRST_DELAY = 60
sys.exit(main(["checkout"]))
"""


def test_on_a_terminal_nothing_is_drawn_for_quick_work(manifests: Sandbox) -> None:
    printed, drawn = on_a_terminal(_PATIENT, manifests.root)
    assert "files checked out" in printed
    assert drawn == ""
    assert manifests.read("a.safetensors") == BIG
