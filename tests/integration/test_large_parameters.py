"""Parameters that take several objects: wherever objects go, all of theirs go.

The largest object has 400 kB here, in the filter of whoever adds; all others are as they are.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from git_theta.errors import CorruptObject, MissingObject
from git_theta.testing.blocks import noise_bytes
from tests.faults import faulty_process
from tests.sandbox import Sandbox, safetensors_bytes

MODEL = "model.safetensors"
LIMIT = 400_000
SIZE = 2_000_000


def checkpoint(large: int = 0, small: int = 0) -> bytes:
    """A parameter of several objects before and after small ones, in these versions."""
    return safetensors_bytes(
        {
            "a": ("F32", (100,), noise_bytes(400, small)),
            "large": ("F32", (SIZE // 4,), weights(large)),
            "z": ("F32", (100,), noise_bytes(400, small + 1)),
        }
    )


def weights(version: int) -> bytes:
    """Noise, but for the exponents: all numbers are finite."""
    data = bytearray(noise_bytes(SIZE, version))
    data[3::4] = b"\x3f" * (SIZE // 4)
    return bytes(data)


def storage(sandbox: Sandbox, name: str = "large", version: str = "HEAD") -> dict[str, object]:
    lines = map(json.loads, sandbox.git("show", f"{version}:{MODEL}").stdout.splitlines()[2:])
    return next(line["storage"] for line in lines if line["name"] == name)


def objects(sandbox: Sandbox, version: str = "HEAD") -> list[str]:
    """The objects of the large parameter."""
    found = storage(sandbox, version=version)["objects"]
    assert isinstance(found, list)
    assert [size for _, size in found[:-1]] == [LIMIT] * (len(found) - 1)
    assert len(found) > 2
    return [oid for oid, _ in found]


def object_file(sandbox: Sandbox, oid: str) -> Path:
    bare = sandbox.root / "theta"
    folder = bare if bare.exists() else sandbox.root / ".git" / "theta"
    return folder / "objects" / oid[:2] / oid[2:4] / oid


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.unlink()
    file.write_bytes(content)


def add_in_small_objects(sandbox: Sandbox, *options: str) -> None:
    process = faulty_process.command("set", "git_theta.store.series:LARGEST_OBJECT", str(LIMIT))
    sandbox.git("-c", f"filter.theta.process={process}", "add", *options, MODEL)


def commit(sandbox: Sandbox, content: bytes, message: str = "a commit") -> None:
    sandbox.write(MODEL, content)
    add_in_small_objects(sandbox)
    sandbox.git("commit", "--quiet", "-m", message)


@pytest.fixture
def sandbox(sandbox: Sandbox, installed: Path) -> Sandbox:
    sandbox.theta("track", "*.safetensors")
    sandbox.commit()
    commit(sandbox, checkpoint())
    return sandbox


@pytest.fixture
def remote(sandbox: Sandbox, tmp_path: Path) -> Sandbox:
    bare = Sandbox.create(tmp_path / "remote.git", install=False, bare=True)
    sandbox.git("remote", "add", "origin", bare.root)
    return bare


def test_they_are_pushed_cloned_and_checked_out(sandbox: Sandbox, remote: Sandbox, tmp_path: Path) -> None:
    sandbox.git("push", "--quiet", "origin", "main")
    assert all(object_file(remote, oid).exists() for oid in objects(sandbox))
    sandbox.root.rename(tmp_path / "away")
    clone = Sandbox.clone(remote, tmp_path / "clone")
    assert clone.read(MODEL) == checkpoint()
    assert clone.git("status", "--porcelain").stdout == ""
    clone.theta("fsck")


def test_two_that_are_alike_take_the_same_objects_and_come_back(sandbox: Sandbox) -> None:
    tied = safetensors_bytes({name: ("F32", (SIZE // 4,), weights(0)) for name in ("one", "other")})
    commit(sandbox, tied)
    assert storage(sandbox, "one")["objects"] == storage(sandbox, "other")["objects"]
    (sandbox.root / MODEL).unlink()
    sandbox.git("checkout", "--", MODEL)
    assert sandbox.read(MODEL) == tied


def test_l2_what_did_not_change_keeps_its_storage(sandbox: Sandbox) -> None:
    """In a filter, too, that would put it into one object; and a file that was touched is clean."""
    before = storage(sandbox)
    sandbox.write(MODEL, checkpoint())
    assert sandbox.git("status", "--porcelain").stdout == ""
    sandbox.write(MODEL, checkpoint(small=1))
    sandbox.commit()
    assert storage(sandbox) == before
    sandbox.git("checkout", "--quiet", "HEAD~")
    assert sandbox.read(MODEL) == checkpoint()


@pytest.mark.parametrize("at", [0, 1, -1])
def test_a_push_without_one_of_them_fails_and_names_the_parameter(sandbox: Sandbox, remote: Sandbox, at: int) -> None:
    object_file(sandbox, objects(sandbox)[at]).unlink()
    done = sandbox.git("push", "origin", "main", check=False)
    assert done.returncode != 0
    assert f"{MODEL}: large: " in done.stderr
    assert remote.git("for-each-ref").stdout == ""


@pytest.mark.parametrize("at", [0, 1, -1])
def test_fsck_names_the_one_that_is_lost_or_damaged_and_the_parameter(sandbox: Sandbox, at: int) -> None:
    oid = objects(sandbox)[at]
    file = object_file(sandbox, oid)
    damage(file)
    for code in (CorruptObject.exit_code, MissingObject.exit_code):
        done = sandbox.theta("fsck", "--json", check=False)
        assert done.returncode == code
        [defect] = json.loads(done.stdout)
        assert (defect["object"], defect["path"], defect["parameters"]) == (oid, MODEL, ["large"])
        if code == CorruptObject.exit_code:
            (sandbox.root / MODEL).unlink()
            said = sandbox.git("checkout", "--", MODEL, check=False).stderr
            assert f"large: object {oid} does not hold these values" in said
            file.unlink()
    sandbox.write(MODEL, checkpoint())
    add_in_small_objects(sandbox, "--renormalize")
    sandbox.theta("fsck")
    assert file.exists()


def test_a_remote_that_lacks_one_of_them_is_told_of_it_and_repaired(sandbox: Sandbox, remote: Sandbox) -> None:
    sandbox.git("push", "--quiet", "origin", "main")
    file = object_file(remote, objects(sandbox)[1])
    file.unlink()
    done = sandbox.theta("fsck", "--remote", "origin", "--json", check=False)
    [fault] = json.loads(done.stdout)
    assert (fault["kind"], fault["object"], fault["parameters"]) == ("missing", file.name, ["large"])
    sandbox.theta("fsck", "--remote", "origin", "--repair")
    assert file.read_bytes() == object_file(sandbox, file.name).read_bytes()


@pytest.mark.parametrize("at", [0, 1, -1])
def test_a_clone_that_lacks_one_of_them_fetches_that_one(
    sandbox: Sandbox, remote: Sandbox, tmp_path: Path, at: int
) -> None:
    sandbox.git("push", "--quiet", "origin", "main")
    clone = Sandbox.clone(remote, tmp_path / "clone")
    oid = objects(sandbox)[at]
    object_file(clone, oid).unlink()
    (clone.root / MODEL).unlink()
    clone.git("checkout", "--", MODEL)
    assert clone.read(MODEL) == checkpoint()
    for one in (clone, remote, sandbox):
        object_file(one, oid).unlink()
    (clone.root / MODEL).unlink()
    done = clone.git("checkout", "--", MODEL, check=False)
    assert done.returncode != 0
    assert f"large: 1 of its objects are missing here, {oid} first" in done.stderr


def test_they_are_merged(sandbox: Sandbox) -> None:
    sandbox.git("branch", "other")
    commit(sandbox, checkpoint(large=1))
    sandbox.git("checkout", "--quiet", "other")
    commit(sandbox, checkpoint(large=2, small=5))
    sandbox.git("checkout", "--quiet", "main")
    sandbox.theta("merge", "--strategy", "average", "other")
    merged = sandbox.read(MODEL)
    sandbox.theta("fsck")
    first, second = objects(sandbox, "main~"), objects(sandbox, "other")
    assert not set(first) & set(second)
    import numpy as np

    ours, theirs = (np.frombuffer(weights(version), "<f4") for version in (1, 2))
    expected = ((ours + theirs) / np.float32(2)).tobytes()
    assert merged == checkpoint(small=5).replace(weights(0), expected)


def test_they_are_shown_with_all_that_they_take(sandbox: Sandbox) -> None:
    found = json.loads(sandbox.theta("show", "--json").stdout)
    [large] = [one for one in found["parameters"] if one["name"] == "large"]
    assert large["objects"] == objects(sandbox)
    sizes = [object_file(sandbox, oid).stat().st_size for oid in objects(sandbox)]
    assert large["stored"] == sum(sizes)
