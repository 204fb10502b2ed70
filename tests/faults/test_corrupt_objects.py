"""L5: an object that was damaged on disk is never smudged, and is named; with the object back, all is well."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from git_theta.errors import CorruptObject, MissingObject
from git_theta.manifest.model import Manifest
from git_theta.manifest.text import decode_manifest, is_manifest
from tests.faults.harness import MODEL, assert_comes_back, assert_decent, assert_holds, attempt, large, small
from tests.sandbox import Sandbox

Damage = Callable[[Path, Path], None]


def flip_a_bit(file: Path, _: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def truncate(file: Path, _: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def empty(file: Path, _: Path) -> None:
    file.write_bytes(b"")


def append(file: Path, _: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def zero(file: Path, _: Path) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def remove(file: Path, _: Path) -> None:
    file.unlink()


def replace_by_a_directory(file: Path, _: Path) -> None:
    file.unlink()
    file.mkdir()


def replace_by_another_object(file: Path, other: Path) -> None:
    file.write_bytes(other.read_bytes())


def replace_by_another_of_its_size(file: Path, other: Path) -> None:
    size = file.stat().st_size
    file.write_bytes((other.read_bytes() * (size // other.stat().st_size + 1))[:size])


def replace_by_a_dangling_link(file: Path, _: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


DAMAGES: list[Damage] = [
    flip_a_bit,
    truncate,
    empty,
    append,
    zero,
    remove,
    replace_by_a_directory,
    replace_by_another_object,
    replace_by_another_of_its_size,
    replace_by_a_dangling_link,
]
KEEPS_SIZE: list[Damage] = [flip_a_bit, zero, replace_by_another_of_its_size]
"""Seen when what is inside is read: of an object of one tensor, and of a bundle. All others are seen before that."""


class Victim:
    """The object that one parameter of a version is in, which can be damaged and mended."""

    def __init__(self, sandbox: Sandbox, parameter: str, revision: str = "v0") -> None:
        self.parameter = parameter
        self.manifest = _manifest(sandbox, revision)
        entries = {entry.name: entry for entry in self.manifest.parameters()}
        self.oid = entries[parameter].storage.place.object
        store = sandbox.root / ".git/theta/objects"
        self._file = store / self.oid[:2] / self.oid[2:4] / self.oid
        other = next(entry for entry in entries.values() if entry.storage.place.object != self.oid).storage.place.object
        self._other = store / other[:2] / other[2:4] / other
        self._whole = self._file.read_bytes()

    def damage(self, how: Damage) -> None:
        self._file.chmod(0o644)
        how(self._file, self._other)

    def mend(self) -> None:
        if self._file.is_dir():
            shutil.rmtree(self._file)
        self._file.unlink(missing_ok=True)
        self._file.write_bytes(self._whole)

    def is_whole(self) -> bool:
        return self._file.read_bytes() == self._whole


def _manifest(sandbox: Sandbox, revision: str) -> Manifest:
    return decode_manifest(sandbox.git("show", f"{revision}:{MODEL}").stdout.encode())


@pytest.mark.parametrize(
    ("damage", "parameter"),
    [*((damage, "embed.weight") for damage in DAMAGES), *((damage, "layer.bias") for damage in [*KEEPS_SIZE, remove])],
)
def test_an_inline_checkout_fails_until_the_object_is_back(damage: Damage, parameter: str, with_small: Sandbox) -> None:
    victim = Victim(with_small, parameter)
    victim.damage(damage)
    done = attempt(with_small, "checkout", "v0")
    assert done.returncode != 0
    _assert_names(done.stderr, victim)
    assert not (with_small.root / MODEL).exists() or with_small.read(MODEL) == small(1)
    victim.mend()
    with_small.git("checkout", "--quiet", "v0")
    assert_holds(with_small, small(0))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_deferred_checkout_leaves_the_manifest_until_the_object_is_back(damage: Damage, with_large: Sandbox) -> None:
    victim = Victim(with_large, "embed.weight")
    victim.damage(damage)
    done = attempt(with_large, "checkout", "v0")
    _assert_names(done.stderr, victim)
    if damage in KEEPS_SIZE:  # what is inside is seen when Git has ended already
        assert is_manifest(with_large.read(MODEL))
        assert "git theta checkout" in done.stderr
        again = attempt(with_large, "theta", "checkout")
        assert again.returncode == CorruptObject.exit_code
        _assert_names(again.stderr, victim)
        assert with_large.git("status", "--porcelain").stdout == ""
    else:
        assert done.returncode != 0
    victim.mend()
    with_large.git("checkout", "--quiet", "v0")
    with_large.theta("checkout")
    assert_holds(with_large, large(0))


@pytest.mark.parametrize("damage", DAMAGES)
def test_fsck_tells_the_truth(damage: Damage, with_small: Sandbox) -> None:
    victim = Victim(with_small, "embed.weight")
    victim.damage(damage)
    done = attempt(with_small, "theta", "fsck")
    assert done.returncode in (MissingObject.exit_code, CorruptObject.exit_code)
    assert victim.oid in done.stdout
    assert victim.parameter in done.stdout
    assert_decent(done.stdout)
    victim.mend()
    with_small.theta("fsck")


@pytest.mark.parametrize("damage", [damage for damage in DAMAGES if damage not in KEEPS_SIZE])
def test_adding_the_good_file_again_mends_an_object_of_another_size(damage: Damage, with_small: Sandbox) -> None:
    victim = Victim(with_small, "embed.weight", "v1")
    victim.damage(damage)
    with_small.git("add", "--renormalize", MODEL)
    assert victim.is_whole()
    assert_comes_back(with_small, small(1))
    with_small.theta("fsck")


@pytest.mark.parametrize("damage", KEEPS_SIZE)
def test_what_fsck_says_to_do_mends_an_object(damage: Damage, with_small: Sandbox) -> None:
    victim = Victim(with_small, "embed.weight", "v1")
    victim.damage(damage)
    delete, add = _commands(attempt(with_small, "theta", "fsck").stderr)
    with_small.run("sh", "-c", delete)
    with_small.run("sh", "-c", add)
    assert victim.is_whole()
    assert_comes_back(with_small, small(1))
    with_small.theta("fsck")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_clone_recovers_when_its_origin_does(damage: Damage, with_small: Sandbox, tmp_path: Path) -> None:
    victim = Victim(with_small, "embed.weight", "v1")
    victim.damage(damage)
    with_small.theta("install")
    done = attempt(with_small, "clone", with_small.root, tmp_path / "clone")
    assert done.returncode == 0  # with its manifests, and a word on which are not files yet
    assert MODEL in done.stderr
    clone = Sandbox(tmp_path / "clone")
    assert clone.read(MODEL) == clone.git("show", f":{MODEL}").stdout.encode()
    failed = attempt(clone, "theta", "pull")
    assert failed.returncode != 0
    _assert_names(failed.stderr, victim)
    victim.mend()
    clone.theta("pull")  # what is damaged was not taken over
    assert clone.read(MODEL) == small(1)
    assert clone.git("status", "--porcelain").stdout == ""


def _commands(said: str) -> list[str]:
    """The commands that fsck says to run."""
    return re.findall(r": ((?:rm|git) .*)", said)


def _assert_names(said: str, victim: Victim) -> None:
    assert MODEL in said, said
    assert victim.oid in said, said
    assert victim.parameter in said or victim.parameter == "layer.bias", said
