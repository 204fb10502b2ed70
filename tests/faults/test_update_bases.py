"""Update bases that are missing, rotten or swapped: named with the file and the parameter, and nothing gets worse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chained_versions import (
    MODEL,
    commit_version,
    commit_versions,
    depth_at,
    entry_at,
    manifest_at,
    object_files,
    version,
)
from tests.sandbox import Sandbox

FAULTS = ["missing", "rotten", "cut", "swapped"]


def damage(sandbox: Sandbox, fault: str, oid: str) -> None:
    """Do something to an object of the store; one that is rotten is so where the first parameter is."""
    file = object_files(sandbox)[oid]
    content = file.read_bytes()
    file.unlink()
    if fault == "rotten":
        file.write_bytes(content[:999] + bytes([content[999] ^ 1]) + content[1000:])
    elif fault == "cut":
        file.write_bytes(content[:-1])
    elif fault == "swapped":  # and all of its parameters with it
        file.write_bytes(bytes(len(content)))


def base_object(sandbox: Sandbox, number: int) -> str:
    """The object that a version put, which holds all of its parameters."""
    return entry_at(sandbox, f"v{number}").storage.place.object


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("link", [0, 1])
def test_a_checkout_names_what_is_damaged_and_who_needs_it(chaining: Sandbox, fault: str, link: int) -> None:
    commit_versions(chaining, 3)
    oid = base_object(chaining, link)
    damage(chaining, fault, oid)
    (chaining.root / MODEL).unlink()
    done = chaining.git("checkout", "--", MODEL, check=False)
    assert done.returncode != 0
    assert MODEL in done.stderr and oid in done.stderr
    if fault == "rotten":
        assert "embed" in done.stderr
        assert "git theta fsck" in done.stderr


@pytest.mark.parametrize("fault", FAULTS)
def test_an_add_goes_on_without_the_base(chaining: Sandbox, fault: str) -> None:
    commit_versions(chaining, 2)
    damage(chaining, fault, base_object(chaining, 1))
    chaining.write(MODEL, version(2))
    done = chaining.git("add", MODEL)
    told = [line for line in done.stderr.splitlines() if "stored without the version before" in line]
    assert len(told) == (fault in ("rotten", "swapped"))
    assert depth_at(chaining, name="embed") == 0
    (chaining.root / MODEL).unlink()
    chaining.git("checkout", "--", MODEL)
    assert chaining.read(MODEL) == version(2)


@pytest.mark.parametrize("fault", FAULTS)
def test_fsck_names_the_base_with_the_parameters_that_need_it(chaining: Sandbox, fault: str) -> None:
    commit_versions(chaining, 3)
    oid = base_object(chaining, 0)
    damage(chaining, fault, oid)
    done = chaining.theta("fsck", "--json", check=False)
    assert done.returncode == (3 if fault == "missing" else 4)
    found = json.loads(done.stdout)
    assert {one["object"] for one in found} == {oid}
    lost = {"embed"} if fault == "rotten" else {"embed", "layer"}
    assert {name for one in found for name in one["parameters"]} == lost


def test_a_good_copy_of_the_base_mends_it(chaining: Sandbox) -> None:
    versions = commit_versions(chaining, 3)
    oid = base_object(chaining, 0)
    kept = object_files(chaining)[oid].read_bytes()
    damage(chaining, "missing", oid)
    path = chaining.root / ".git/theta/objects" / oid[:2] / oid[2:4] / oid
    path.write_bytes(kept)
    for number, content in enumerate(versions):
        chaining.git("checkout", "--quiet", f"v{number}")
        assert chaining.read(MODEL) == content
    chaining.theta("fsck")


def test_a_base_that_is_not_here_is_not_fetched(chaining: Sandbox, tmp_path: Path) -> None:
    """A clone without its objects adds a version in full."""
    commit_versions(chaining, 2)
    clone = Sandbox(tmp_path / "clone")
    chaining.git("clone", "--quiet", chaining.root, clone.root, env={"GIT_THETA_SKIP_SMUDGE": "1"})
    clone.write(MODEL, version(2))
    clone.git("add", MODEL)
    assert depth_at(clone) == 0
    assert set(object_files(clone)) == set(manifest_at(clone).objects())


def test_a_push_without_a_base_fails(chaining: Sandbox, tmp_path: Path) -> None:
    commit_versions(chaining, 2)
    oid = base_object(chaining, 0)
    damage(chaining, "missing", oid)
    bare = Sandbox.create(tmp_path / "bare.git", install=False, bare=True)
    done = chaining.git("push", "--quiet", bare.root, "HEAD:refs/heads/main", check=False)
    assert done.returncode != 0
    assert oid in done.stderr


def test_a_version_on_a_damaged_one_is_still_clean(chaining: Sandbox) -> None:
    """The index is no longer believed, and the file is whole: adding it anew stores it in full."""
    commit_versions(chaining, 2)
    damage(chaining, "rotten", base_object(chaining, 0))
    for file in (chaining.root / ".git/theta").glob("state.sqlite*"):
        file.unlink()
    chaining.write(MODEL, version(1))
    chaining.git("add", MODEL)
    assert (depth_at(chaining, name="embed"), depth_at(chaining)) == (0, 1)
    chaining.git("commit", "--quiet", "-m", "mended")
    (chaining.root / MODEL).unlink()
    chaining.git("checkout", "--", MODEL)
    assert chaining.read(MODEL) == version(1)
    commit_version(chaining, 3)
    assert depth_at(chaining, name="embed") == 1
