"""What is deleted of stores: what nothing needs, and is old; looked at again as it goes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from git_theta.errors import StoreError
from git_theta.operations.keeping.collection import RESULT_DAYS, delete_garbage, plan_collection
from git_theta.store.local import LocalStore
from tests.store.sqlite_store import SqliteStore

DAY = 24 * 3600


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def put(store: LocalStore, content: bytes, days: float) -> str:
    """An object of that age."""
    oid = store.put([content]).oid
    file = store.find(oid)
    assert file
    os.utime(file, (time.time() - days * DAY,) * 2)
    return oid


def test_what_is_needed_or_young_stays(store: LocalStore) -> None:
    needed, young, old = put(store, b"needed", 100), put(store, b"young!!", 1), put(store, b"old", 100)
    moment = time.time() - 14 * DAY
    plan = plan_collection([store], {needed}, set(), moment)
    assert (plan.needed, plan.needed_bytes) == (1, 6)
    assert [(one.oid, one.size) for one in plan.young] == [(young, 7)]
    assert [(one.oid, one.size) for one in plan.garbage] == [(old, 3)]
    assert sorted(store.oids()) == sorted([needed, young, old])
    told: list[int] = []
    assert delete_garbage(plan.garbage, moment, told.append) == plan.garbage
    assert sorted(store.oids()) == sorted([needed, young])
    assert told == [3]


def test_results_of_merges_stay_for_a_while(store: LocalStore) -> None:
    fresh, stale = put(store, b"fresh", RESULT_DAYS - 1), put(store, b"stale", RESULT_DAYS + 1)
    plan = plan_collection([store], set(), {fresh, stale}, time.time() - DAY)
    assert [one.oid for one in plan.remembered] == [fresh]
    assert [one.oid for one in plan.garbage] == [stale]


def test_what_somebody_freshens_meanwhile_stays(store: LocalStore) -> None:
    one, other = put(store, b"one", 100), put(store, b"other", 100)
    moment = time.time() - 14 * DAY
    plan = plan_collection([store], set(), set(), moment)
    assert store.freshen(one)
    assert [gone.oid for gone in delete_garbage(plan.garbage, moment, lambda _: None)] == [other]
    assert list(store.oids()) == [one]


def test_what_is_gone_meanwhile_is_no_error(store: LocalStore) -> None:
    oid = put(store, b"one", 100)
    plan = plan_collection([store], set(), set(), time.time())
    store.delete(oid)
    assert delete_garbage(plan.garbage, time.time(), lambda _: None) == []


def test_nothing_is_planned_for_a_store_that_tells_no_ages(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    oid = store.put([b"content"]).oid
    assert plan_collection([store], {oid}, set(), time.time()).needed == 1
    with pytest.raises(StoreError, match="sqlite does not tell how old"):
        plan_collection([store], set(), set(), time.time())
