"""NaN that a plan tells of beforehand: counted where changes were measured, and else read for."""

from __future__ import annotations

import numpy as np
import pytest

from git_theta.merging.change_sums import ChangeSums
from git_theta.merging.planning.plan import Plan, plan_merge
from git_theta.operations.context import Context
from git_theta.operations.merging.apply_plan import sort_contested
from git_theta.operations.merging.measured_changes import count_measured_bytes, measure_jobs
from git_theta.operations.merging.merge_results import MergeSettings
from git_theta.operations.merging.nonfinite import nonfinite_counter
from tests.operations.stored_checkpoints import always, stored
from tests.sandbox import safetensors_bytes

NAN = float("nan")


def checkpoint(*values: complex, dtype: str = "F32", code: str = "<f4", name: str = "w") -> bytes:
    return safetensors_bytes({name: (dtype, (len(values),), np.array(values, code).tobytes())})


@pytest.fixture
def plan(context: Context) -> Plan:
    base, *heads = (stored(context, checkpoint(*one)) for one in [(1, 2, NAN), (NAN, NAN, 3), (1, float("inf"), 4)])
    return plan_merge(base, heads)


def measure(plan: Plan, context: Context) -> dict[str, ChangeSums]:
    _, jobs, _ = sort_contested(plan, always("average"), MergeSettings(), context)
    return dict(measure_jobs(jobs, context))


def test_what_was_measured_is_not_read_again(plan: Plan, context: Context) -> None:
    [decision] = plan.contested
    wanted = {"ours": 2, "theirs": 1, "base": 1}
    assert nonfinite_counter(plan, always("average"), {}, context)(decision) == wanted
    sums = measure(plan, context)
    elsewhere = context._replace(store=type(context.store)())
    assert nonfinite_counter(plan, always("average"), {}, elsewhere)(decision) == {}
    assert nonfinite_counter(plan, always("average"), sums, elsewhere)(decision) == wanted


def test_nothing_is_told_of_what_is_not_computed(plan: Plan, context: Context) -> None:
    [decision] = plan.contested
    assert nonfinite_counter(plan, always("ours"), measure(plan, context), context)(decision) == {}


def test_a_complex_element_is_two_numbers_however_they_are_counted(context: Context) -> None:
    both, one = complex(NAN, NAN), complex(0, NAN)
    files = [checkpoint(*values, dtype="C64", code="<c8") for values in [(1, 2), (both, 2), (one, 3)]]
    base, *heads = (stored(context, file) for file in files)
    plan = plan_merge(base, heads)
    [decision] = plan.contested
    for sums in ({}, measure(plan, context)):
        assert nonfinite_counter(plan, always("average"), sums, context)(decision) == {"ours": 2, "theirs": 1}


def test_counters_and_statistics_are_not_measured(context: Context) -> None:
    name = "bn.running_mean"
    base, *heads = (stored(context, checkpoint(value, name=name)) for value in (1, 2, 3))
    _, jobs, _ = sort_contested(plan_merge(base, heads), always("ties"), MergeSettings(), context)
    assert [job.kind for job in jobs] != [""]
    assert (measure_jobs(jobs, context), count_measured_bytes(jobs)) == ({}, 0)
