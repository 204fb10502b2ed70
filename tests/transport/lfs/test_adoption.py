"""What git-lfs brings is taken while it brings more."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import pytest

from git_theta.errors import CorruptObject
from git_theta.store.inbox import Inbox
from git_theta.store.local import LocalStore
from git_theta.testing.blocks import noise_bytes
from git_theta.transport.base import Outcome
from git_theta.transport.lfs import adoption
from git_theta.transport.lfs.adoption import Adoption
from git_theta.transport.lfs.lfs_scratch import LfsScratch

CONTENTS = [noise_bytes(200_000 + seed, seed) for seed in range(3)]
OBJECTS = {hashlib.sha256(content).hexdigest(): content for content in CONTENTS}
SIZES = {oid: len(content) for oid, content in OBJECTS.items()}


class Side:
    """A store of ours, and a folder in which somebody puts what git-lfs would."""

    def __init__(self, folder: Path) -> None:
        self.scratch = LfsScratch(folder / "scratch")
        self.store = LocalStore(folder / "theta")
        self.inbox = Inbox(self.store, folder / "theta")

    def bring(self, oid: str, content: bytes) -> None:
        place = self.scratch.place_of(oid)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


@pytest.fixture
def side(tmp_path: Path) -> Iterator[Side]:
    made = Side(tmp_path)
    yield made
    assert list((tmp_path / "scratch/lfs/objects").rglob("?" * 64)) == []


def test_objects_that_arrive_together_are_taken_side_by_side(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(len(OBJECTS), timeout=60)
    real = side.inbox.adopt

    def adopt(file: Path, oid: str) -> None:
        together.wait()
        real(file, oid)

    monkeypatch.setattr(side.inbox, "adopt", adopt)
    for oid, content in OBJECTS.items():
        side.bring(oid, content)
    wanted = {**SIZES, "0" * 64: 5}
    with Adoption(wanted, side.inbox, side.scratch) as taken:
        done = [*taken.take_finished(), *taken.take_all()]
    assert sorted(done) == sorted(Outcome(oid, size) for oid, size in SIZES.items())
    assert wanted == {"0" * 64: 5}
    assert sorted(side.store.oids()) == sorted(OBJECTS)


def test_nobody_waits_for_one_that_takes_long(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick, _ = OBJECTS
    go_on, real = threading.Event(), side.inbox.adopt

    def adopt(file: Path, oid: str) -> None:
        if oid == slow:
            assert go_on.wait(60)
        real(file, oid)

    monkeypatch.setattr(side.inbox, "adopt", adopt)
    with Adoption({**SIZES}, side.inbox, side.scratch) as taken:
        side.bring(slow, OBJECTS[slow])
        assert list(taken.take_finished()) == []
        side.bring(quick, OBJECTS[quick])
        done: list[Outcome] = []
        while not done:
            done = list(taken.take_finished())
        assert done == [Outcome(quick, SIZES[quick])]
        go_on.set()
        assert list(taken.take_all()) == [Outcome(slow, SIZES[slow])]


@pytest.mark.parametrize("damaged", [CONTENTS[0][::-1], CONTENTS[0][:-1]], ids=["flipped", "cut"])
def test_what_is_none_of_it_is_not_kept(side: Side, damaged: bytes) -> None:
    (first, *_), others = OBJECTS, dict(list(OBJECTS.items())[1:])
    for oid, content in {first: damaged, **others}.items():
        side.bring(oid, content)
    with Adoption({**SIZES}, side.inbox, side.scratch) as taken:
        errors = {one.oid: type(one.error) for one in taken.take_all() if one.error}
    assert errors == {first: CorruptObject}
    assert sorted(side.store.oids()) == sorted(others)


def test_the_disk_writes_while_more_arrives(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adoption, "_SYNCED_TOGETHER", 100_000)
    synced: list[tuple[str, int]] = []
    monkeypatch.setattr(adoption, "_sync_file", lambda path: synced.append((path, Path(path).stat().st_size)))
    oid, *_ = OBJECTS
    arriving = side.scratch.storage / "incomplete" / f"{oid}.tmp"
    arriving.parent.mkdir(parents=True)
    with Adoption({**SIZES}, side.inbox, side.scratch) as taken:
        for size in (50_000, 100_000, 150_000, 200_000, 220_000):
            arriving.write_bytes(bytes(size))
            assert list(taken.take_finished()) == []
            if taken._sync:
                assert wait([taken._sync], 60).done
    assert synced == [(str(arriving), 100_000), (str(arriving), 200_000)]


def test_a_file_that_is_gone_is_not_missed(tmp_path: Path) -> None:
    adoption._sync_file(str(tmp_path / "has arrived"))
    (tmp_path / "here").write_bytes(b"bytes")
    adoption._sync_file(str(tmp_path / "here"))
