"""The local store: the conformance kit, its layout, durability, alternates, and directories that refuse."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from git_theta.errors import CorruptObject, MissingObject, StoreError
from git_theta.store import local
from git_theta.store.base import Store
from git_theta.store.files import clone_file, lock_file
from git_theta.store.local import LocalStore
from git_theta.testing.stores import ABSENT, CONTENT, OID, DurableStoreLaws
from tests.effort import choose_tries


class TestLocalStore(DurableStoreLaws):
    def make_store(self, folder: Path) -> Store:
        return LocalStore(folder / "theta")

    def raw_contents(self, store: Store) -> Mapping[str, bytes]:
        assert isinstance(store, LocalStore)
        return {str(path): path.read_bytes() for path in store.root.rglob("*") if path.is_file()}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "theta")


def place(root: Path, oid: str) -> Path:
    return root / "objects" / oid[:2] / oid[2:4] / oid


def planted(root: Path, oid: str, content: bytes) -> Path:
    file = place(root, oid)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def test_objects_lie_where_git_lfs_programs_look(store: LocalStore) -> None:
    store.put([CONTENT])
    assert place(store.root, OID).read_bytes() == CONTENT


def test_objects_are_read_only(store: LocalStore) -> None:
    store.put([CONTENT])
    assert stat.S_IMODE(place(store.root, OID).stat().st_mode) == 0o444


def age(file: Path) -> None:
    """Have a file look as if nobody had touched it for years."""
    os.utime(file, (1_000_000_000, 1_000_000_000))


def test_put_again_writes_nothing_and_makes_it_young(store: LocalStore) -> None:
    store.put([CONTENT])
    before = place(store.root, OID).stat()
    age(place(store.root, OID))
    store.put([CONTENT])
    after = place(store.root, OID).stat()
    assert after.st_ino == before.st_ino
    assert time.time() - after.st_mtime < 60


def test_adopted_again_it_is_young(tmp_path: Path, store: LocalStore) -> None:
    file = planted(tmp_path / "other", OID, CONTENT)
    store.put([CONTENT])
    age(place(store.root, OID))
    store.adopt(file, OID)
    assert time.time() - place(store.root, OID).stat().st_mtime < 60


def test_what_is_locked_by_who_freshens_it_is_not_deleted(store: LocalStore) -> None:
    store.put([CONTENT])
    age(place(store.root, OID))
    with lock_file(place(store.root, OID), alone=False):
        assert not store.delete_older(OID, time.time())
    assert store.delete_older(OID, time.time())


def test_who_freshens_waits_for_who_deletes_and_is_told(store: LocalStore) -> None:
    store.put([CONTENT])
    with ThreadPoolExecutor(1) as pool:
        with lock_file(place(store.root, OID), alone=True):
            freshened = pool.submit(store.freshen, OID)
            with pytest.raises(TimeoutError):
                freshened.result(0.1)
            place(store.root, OID).unlink()
        assert freshened.result(10) is False
    assert store.put([CONTENT]).oid == OID
    assert store.has(OID)


def test_deleting_for_age_beside_putting_never_loses_what_was_put(store: LocalStore) -> None:
    """Whoever is told that it is there has it, until it is old again."""
    ends = time.monotonic() + choose_tries(few=1, many=20)

    def collect() -> None:
        while time.monotonic() < ends:
            store.delete_older(OID, time.time() - 600)

    with ThreadPoolExecutor(2) as pool:
        collecting = [pool.submit(collect) for _ in range(2)]
        while time.monotonic() < ends:
            if store.freshen(OID) or store.put([CONTENT]):
                assert store.has(OID)
                age(place(store.root, OID))
        for one in collecting:
            one.result()


@pytest.mark.usefixtures("without_clones")
def test_what_is_linked_is_young_though_the_file_is_old(tmp_path: Path, store: LocalStore) -> None:
    other = LocalStore(tmp_path / "other")
    other.put([CONTENT])
    age(place(other.root, OID))
    store.adopt(place(other.root, OID), OID)
    assert place(store.root, OID).samefile(place(other.root, OID))
    assert time.time() - place(store.root, OID).stat().st_mtime < 60


def test_what_may_not_be_touched_is_put_anew(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is another member's of a shared repository."""
    store.put([CONTENT])
    age(place(store.root, OID))
    before = place(store.root, OID).stat()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    monkeypatch.setattr(os, "utime", refuse)
    assert not store.freshen(OID)
    store.put([CONTENT])
    after = place(store.root, OID).stat()
    assert after.st_ino != before.st_ino
    assert time.time() - after.st_mtime < 60


def test_an_object_has_nothing_beside_it(store: LocalStore) -> None:
    store.put([CONTENT])
    assert [path for path in store.root.rglob("*") if path.is_file()] == [place(store.root, OID)]


def test_l5_bytes_then_name_then_directory(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power failure may take back is decided by the order of these calls; they are watched, not replaced."""
    calls: list[str] = []

    def watch(name: str, word: Callable[..., str]) -> None:
        real = getattr(os, name)

        def watched(*args: object, **kwargs: object) -> object:
            calls.append(word(*args))
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, watched)

    watch("fsync", lambda descriptor: "fsync " + ("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"))
    watch("rename", lambda *_: "rename")
    store.put([CONTENT])
    assert calls == ["fsync file", "rename"]
    store.sync()
    assert calls == ["fsync file", "rename", *["fsync folder"] * 3]


def test_sync_covers_an_object_that_another_process_had_renamed(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been killed before its own sync; then our manifest rests on our sync alone."""
    LocalStore(store.root).put([CONTENT])
    synced: list[bool] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    store.put([CONTENT])
    store.sync()
    assert synced == [True] * 3


def test_junk_among_the_objects_is_no_object(store: LocalStore) -> None:
    store.put([CONTENT])
    planted(store.root, "ab" * 20, b"junk")
    place(store.root, ABSENT).mkdir(parents=True)
    assert list(store.oids()) == [OID]
    assert not store.has(ABSENT)


def test_a_folder_in_an_objects_place_is_kept_aside(store: LocalStore) -> None:
    place(store.root, OID).mkdir(parents=True)
    (place(store.root, OID) / "notes").write_bytes(b"somebody's")
    store.put([CONTENT])
    assert place(store.root, OID).read_bytes() == CONTENT
    (kept,) = (store.root / "damaged").rglob("notes")
    assert kept.read_bytes() == b"somebody's"


def test_what_cannot_be_deleted_is_an_error(store: LocalStore) -> None:
    place(store.root, OID).mkdir(parents=True)
    with pytest.raises(StoreError, match="cannot write to the store"):
        store.delete(OID)


def test_a_store_of_which_nothing_exists_is_empty(store: LocalStore) -> None:
    assert list(store.oids()) == []
    assert not store.has(OID)
    assert not store.root.exists()


@pytest.fixture
def without_clones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system on which files cannot share their bytes."""
    monkeypatch.setattr(local, "clone_file", lambda *_: False)


def clone_by_copying(source: int, target: int) -> bool:
    """As a file system does it that can, without one."""
    os.write(target, os.pread(source, 1 << 20, 0))
    return True


@pytest.fixture(params=["where it can", "made to"])
def cloning(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system on which files can: the one that we are on, perhaps; and one that only looks like it."""
    if request.param == "made to":
        monkeypatch.setattr(local, "clone_file", clone_by_copying)
        return
    (tmp_path / "a").write_bytes(CONTENT)
    with (tmp_path / "a").open("rb") as source, (tmp_path / "b").open("wb") as target:
        if not clone_file(source.fileno(), target.fileno()):
            pytest.skip("files cannot share bytes here: btrfs and XFS would do")


@pytest.mark.usefixtures("cloning")
@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_adopt_shares_bytes_with_a_file_where_it_can_and_stays_as_it_is(
    tmp_path: Path, store: LocalStore, mode: int
) -> None:
    """Unlike a link, this does no harm where somebody writes to the file."""
    file = planted(tmp_path / "other", OID, CONTENT)
    file.chmod(mode)
    store.adopt(file, OID)
    file.chmod(0o644)
    file.write_bytes(CONTENT[::-1])
    assert place(store.root, OID).read_bytes() == CONTENT
    assert place(store.root, OID).stat().st_mode & 0o777 == 0o444
    assert [path for path in store.root.rglob("*") if path.is_file()] == [place(store.root, OID)]


@pytest.mark.usefixtures("cloning")
def test_a_clone_that_is_not_the_object_is_not_kept(tmp_path: Path, store: LocalStore) -> None:
    file = planted(tmp_path / "other", OID, CONTENT[::-1])
    with pytest.raises(CorruptObject, match=f"{OID} is damaged in {file}"):
        store.adopt(file, OID)
    assert not [path for path in store.root.rglob("*") if path.is_file()]


@pytest.mark.usefixtures("without_clones")
def test_adopt_links_an_object_of_another_store(tmp_path: Path, store: LocalStore) -> None:
    other = LocalStore(tmp_path / "other")
    other.put([CONTENT])
    store.adopt(place(other.root, OID), OID)
    assert place(store.root, OID).samefile(place(other.root, OID))
    store.adopt(place(other.root, OID), OID)
    assert [path for path in store.root.rglob("*") if path.is_file()] == [place(store.root, OID)]


@pytest.mark.usefixtures("without_clones")
@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can give a file to somebody else")
def test_adopt_copies_what_somebody_else_could_make_writable(tmp_path: Path, store: LocalStore) -> None:
    other = LocalStore(tmp_path / "other")
    other.put([CONTENT])
    os.chown(place(other.root, OID), 12345, -1)
    store.adopt(place(other.root, OID), OID)
    assert place(store.root, OID).read_bytes() == CONTENT
    assert not place(store.root, OID).samefile(place(other.root, OID))


def without_links(*_: object, **__: object) -> None:
    raise OSError(errno.EXDEV, "another file system")


@pytest.mark.usefixtures("without_clones")
def test_adopt_copies_where_it_cannot_link(tmp_path: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    file = planted(tmp_path / "other", OID, CONTENT)
    monkeypatch.setattr(os, "link", without_links)
    store.adopt(file, OID)
    assert place(store.root, OID).read_bytes() == CONTENT
    assert not place(store.root, OID).samefile(file)


@pytest.mark.usefixtures("without_clones")
@pytest.mark.parametrize("linking", [True, False])
def test_adopt_keeps_nothing_that_is_not_the_object(
    tmp_path: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch, linking: bool
) -> None:
    file = planted(tmp_path / "other", OID, CONTENT[::-1])
    if not linking:
        monkeypatch.setattr(os, "link", without_links)
    with pytest.raises(CorruptObject, match=f"{OID} is damaged in {file}"):
        store.adopt(file, OID)
    assert not [path for path in store.root.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("shared", "mode"), [("group", 0o2770), ("all", 0o2775), ("umask", 0o700)])
def test_folders_are_shared_as_git_shares_its_own(tmp_path: Path, shared: str, mode: int) -> None:
    before = os.umask(0o077)
    try:
        common = tmp_path / "shared.git"
        subprocess.run(["git", "init", "--quiet", "--bare", f"--shared={shared}", common], check=True)
        LocalStore(common / "theta").put([CONTENT])
    finally:
        os.umask(before)
    made = place(common / "theta", OID)
    folders = [common / "theta/tmp", *list(made.parents)[:4]]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {mode}
    assert stat.S_IMODE((common / "objects").stat().st_mode) == mode
    assert stat.S_IMODE(made.stat().st_mode) == 0o444


def test_folders_that_are_there_already_are_shared_too(tmp_path: Path) -> None:
    """Somebody else made them: ``git theta track``, or what notes what is known of files."""
    common = tmp_path / "shared.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--shared=group", common], check=True)
    folders = [common / "theta", common / "theta/tmp"]
    for folder in folders:
        folder.mkdir(mode=0o700)
    LocalStore(common / "theta").put([CONTENT])
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {
        stat.S_IMODE((common / "objects").stat().st_mode)
    }


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where the store should be")
    with pytest.raises(StoreError, match="cannot write to the store"):
        LocalStore(tmp_path / "file").put([CONTENT])


def test_a_full_disk_says_so_and_leaves_nothing(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StoreError, match="No space left") as caught:
            store.put([CONTENT])
    assert "Free some space" in caught.value.hint
    assert not [path for path in store.root.rglob("*") if path.is_file()]
    assert store.put([CONTENT]).oid == OID


def test_missing_says_what_to_do(store: LocalStore) -> None:
    with pytest.raises(MissingObject) as caught:
        store.get(OID)
    assert "git theta checkout" in caught.value.hint


def test_objects_may_be_a_link_to_another_file_system(store: LocalStore, other_file_system: Path) -> None:
    store.root.mkdir()
    (store.root / "objects").symlink_to(other_file_system)
    assert store.put([CONTENT]).oid == OID
    store.sync()
    assert (other_file_system / OID[:2] / OID[2:4] / OID).read_bytes() == CONTENT
    assert list(store.oids()) == [OID]
    assert list((other_file_system / "tmp").iterdir()) == []
    made = other_file_system / OID[:2] / OID[2:4] / OID
    made.chmod(0o644)
    made.write_bytes(b"damaged")
    store.set_aside(OID)
    assert store.size(OID) is None
